"""tools/board: what mpremote, and a person at a terminal, find there is what they find at a board."""

import os
import signal
import subprocess
import sys
import time

import boards
import pytest
import support

sys.path.insert(0, str(support.REPO / "tools"))
import romfs  # noqa: E402

FOREVER = "print('main begins')\nwhile True:\n    pass\n"
RAW = "raw REPL; CTRL-B to exit\r\n>"


def write(board, **files):
    board.await_said(">>> ")  # or it might start with them
    for name, text in files.items():
        (board.flash / f"{name}.py").write_text(text)


def test_mpremote_executes(board):
    assert board().mpremote("exec", "print(6 * 7)") == "42\n"


def test_mpremote_copies_into_the_flash_and_lists_it(board, tmp_path):
    (tmp_path / "sent").write_bytes(bytes(range(256)) * 9)
    b = board()
    b.mpremote("fs", "cp", tmp_path / "sent", ":received")
    assert (b.flash / "received").read_bytes() == bytes(range(256)) * 9
    assert b.mpremote("fs", "ls").split()[-1] == "received"


def test_files_are_renamed_from_any_folder(board):
    b = board()
    script = "import os\nfor n in 'ab': open(n, 'w').close()\nos.mkdir('/d')\nos.rename('/a', '/d/a')\nos.chdir('/d')\n"
    assert b.mpremote("exec", script + "os.rename('a', 'c'); os.rename('/b', 'b'); print(os.listdir())") in (
        "['b', 'c']\n",
        "['c', 'b']\n",
    )


def test_it_starts_as_a_board_does(board, tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "boot.py").write_text("import sys\nx = 6\nprint('boot', sys.path)\n")
    (flash / "main.py").write_text("print('main', x * 7, __name__)\n")
    b = board(flash=flash)
    b.await_said(">>> ")
    said = b.said().split("\r\n")
    assert said[:2] == ["boot ['', '.frozen', '/lib']", "main 42 __main__"]
    with b.open() as terminal:
        terminal.send("x + 1\r")
        terminal.expect("x + 1\r\n7\r\n>>> ")


def test_an_error_in_boot_py_leaves_the_repl(board, tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "boot.py").write_text("1 / 0\n")
    (flash / "main.py").write_text("print('main')\n")
    b = board(flash=flash)
    b.await_said(">>> ")
    assert "ZeroDivisionError" in b.said() and "main\r\n" not in b.said()


def test_a_soft_reset_at_the_repl_runs_both(board):
    b = board()
    write(b, boot="print('boot')\n", main="print('main')\n")
    with b.open() as terminal:
        terminal.send("\r\x04")
        terminal.expect("MPY: soft reboot\r\nboot\r\nmain\r\nMicroPython ")
        terminal.expect(">>> ")


def test_a_soft_reset_at_the_raw_repl_leaves_main_py(board):
    b = board()
    write(b, boot="print('boot')\n", main="print('main')\n")
    with b.open() as terminal:
        terminal.send("\r\x01")
        terminal.expect(RAW)
        terminal.send("\x04")
        assert terminal.expect(RAW) == "OK\r\nMPY: soft reboot\r\nboot\r\n" + RAW
        terminal.send("print(3)\x04")
        assert terminal.expect("\x04>") == "OK3\r\n\x04\x04>"


@pytest.mark.parametrize("call", ["machine.soft_reset()", "raise SystemExit"])
def test_a_program_resets_softly(board, call):
    with board().open() as terminal:
        terminal.send("\rimport machine\r")
        terminal.send(call + "\r")
        terminal.expect("MPY: soft reboot\r\n")
        terminal.expect(">>> ")
        terminal.send("machine.reset_cause() == machine.SOFT_RESET\r")
        terminal.expect("NameError")


def test_ctrl_c_ends_main_py_and_the_repl_follows(board):
    b = board()
    write(b, main=FOREVER)
    with b.open() as terminal:
        terminal.send("\r\x04")
        terminal.expect("main begins")
        terminal.send("\x03")
        terminal.expect("KeyboardInterrupt")
        terminal.expect(">>> ")


def test_many_ctrl_c_end_nothing_else(board):
    b = board()
    write(b, main=FOREVER)
    with b.open() as terminal:
        terminal.send("\r\x04")
        terminal.expect("main begins")
        for _ in range(20):
            terminal.send("\x03\x03")
        terminal.expect(">>> ")
        terminal.send("1 + 1\r")
        terminal.expect("1 + 1\r\n2\r\n")
    assert b.said().count("KeyboardInterrupt") == 1 and "reset" not in b.errors()


def test_mpremote_interrupts_what_runs(board):
    b = board()
    write(b, main=FOREVER)
    with b.open() as terminal:
        terminal.send("\r\x04")
        terminal.expect("main begins")
    assert b.mpremote("exec", "print(1)") == "1\n"


def test_ctrl_c_ends_what_mpremote_executes(board):
    b = board()
    with b.open() as terminal:
        terminal.send("\r\x01")
        terminal.expect(RAW)
        terminal.send("\x05A\x01")
        terminal.expect("R\x01")
        terminal.send("print('on')\nwhile 1: pass\n\x04")
        terminal.expect("on\r\n")
        terminal.send("\x03")
        terminal.expect("KeyboardInterrupt")


def test_machine_reset_starts_anew_whatever_catches_exceptions(board):
    b = board()
    b.await_said(">>> ")
    with b.open() as terminal:
        terminal.send("\rimport machine; x = 1\r")
        terminal.send("try: machine.reset()\rexcept BaseException: print('caught')\r\r\r\r")
        b.await_said("MicroPython ", 2)
        terminal.send("\rimport machine; machine.reset_cause() == machine.HARD_RESET\r")
        terminal.expect("True\r\n")
        terminal.send("x\r")
        terminal.expect("NameError")
    assert "\ncaught" not in b.said() and "soft reboot" not in b.said()


def test_unique_id_stays(board):
    b = board()
    command = ("exec", "import machine; print(machine.unique_id())")
    first = b.mpremote(*command)
    assert len(eval(first)) == 8 and b.mpremote(*command) == first
    assert board().mpremote(*command) != first


def test_a_watchdog_that_is_not_fed_bites(board):
    b = board()
    b.await_said(">>> ")
    with b.open() as terminal:
        terminal.send("\rimport machine, time; w = machine.WDT(timeout=400)\r")
        terminal.send("for i in range(5): time.sleep_ms(200); w.feed()\r\r\r\r")
        terminal.send("print('fed')\r")
        terminal.expect("\nfed")
        assert b.said().count("MicroPython ") == 1
        b.await_said("MicroPython ", 2)
        terminal.send("\rimport machine; machine.reset_cause() == machine.WDT_RESET\r")
        terminal.expect("True\r\n")
        time.sleep(0.6)  # it is off until it is started again
        assert b.said().count("MicroPython ") == 2


def test_a_watchdog_outlives_a_soft_reset(board):
    b = board()
    b.await_said(">>> ")
    with b.open() as terminal:
        terminal.send("\rimport machine; w = machine.WDT(timeout=500)\r\x04")
        b.await_said("MicroPython ", 3)
        terminal.send("\rimport machine; machine.reset_cause() == machine.WDT_RESET\r")
        terminal.expect("True\r\n")


def test_a_timer_feeds_the_watchdog_at_the_repl(board):
    b = board()
    b.await_said(">>> ")
    with b.open() as terminal:
        terminal.send("\rimport machine; w = machine.WDT(timeout=300)\r")
        terminal.send("t = machine.Timer(-1, period=100, callback=lambda t: w.feed())\r")
        time.sleep(1)
        terminal.send("print('alive')\r")
        terminal.expect("\nalive")
        assert b.said().count("MicroPython ") == 1
        terminal.send("t.deinit()\r")
        b.await_said("MicroPython ", 2)


def test_a_button_is_pressed_from_here_and_a_led_is_seen(board):
    b = board()
    (b.pins / "BUTTON").write_text("0")
    script = "from machine import Pin\nprint([Pin(n, Pin.IN, Pin.PULL_UP).value() for n in ('BUTTON', 'OTHER')])\n"
    script += "Pin('LED', Pin.OUT).on()"
    assert b.mpremote("exec", script) == "[0, 1]\n"
    assert (b.pins / "LED").read_text() == "1"


def test_a_stand_in_of_a_test_comes_first(board, tmp_path):
    (tmp_path / "standin").mkdir()
    (tmp_path / "standin/network.py").write_text("STA_IF = 7\n")
    assert board("--path", tmp_path / "standin").mpremote("exec", "import network; print(network.STA_IF)") == "7\n"


def test_what_nobody_reads_is_lost_and_does_not_hold_it_up(board):
    b = board()
    write(b, main="for i in range(4000): print('a line that nobody reads')\nprint('end')\n")
    with b.open() as terminal:
        terminal.send("\r\x04")
        terminal.expect("soft reboot")
    b.await_said("\nend\r\n")
    assert b.mpremote("exec", "print(1)") == "1\n"


def test_its_port_goes_and_comes_while_the_program_runs_on(board):
    b = board()
    with b.open() as terminal:
        terminal.send("\rx = 5\r")
        terminal.expect("x = 5\r\n>>> ")
        b.unplug()
        with pytest.raises(OSError):
            for _ in range(100):
                terminal.serial.write(b"\r")
    b.plug()
    assert b.mpremote("resume", "exec", "print(x)") == "5\n"


def test_with_usb_its_port_is_away_during_a_reset(board):
    b = board("--usb")
    b.await_said(">>> ")
    with b.open() as terminal:
        terminal.send("\rimport machine; machine.reset()\r")
        boards.eventually(lambda: not b.port.exists(), "the port stays")
    boards.eventually(b.port.exists, "the port does not come back")
    assert b.mpremote("exec", "print(1)") == "1\n"


def test_its_flash_stays_when_it_is_ended(board):
    b = board()
    b.mpremote("exec", "open('kept', 'w').write('yes')")
    b.close()
    assert not os.path.lexists(b.port)
    b.start()
    assert b.mpremote("exec", "print(open('kept').read())") == "yes\n"


def test_no_vm_is_left_when_it_is_killed(board):
    b = board()
    vm = int(subprocess.run(["pgrep", "-P", str(b.process.pid)], capture_output=True, text=True).stdout)
    b.process.send_signal(signal.SIGKILL)
    b.process.wait()
    b.process.stdout.close()
    b.process = None
    boards.eventually(lambda: not os.path.exists(f"/proc/{vm}"), "the VM runs on")


def test_without_a_rom_partition_there_is_no_rom(board):
    assert "not enabled" in board().mpremote("romfs", "query")


def test_mpremote_deploys_an_image_that_the_next_start_mounts(board, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/inside.py").write_text("print('from the ROM')\n" + "# filling\n" * 2000)
    b = board("--rom", tmp_path / "rom")
    assert "size 262144 bytes (64 blocks of 4096 bytes each)" in b.mpremote("romfs", "query")
    b.mpremote("romfs", "deploy", tmp_path / "tree")
    assert (tmp_path / "rom").stat().st_size == 256 * 1024
    assert b.mpremote("exec", "import inside, sys; print(sys.path)") == (
        "from the ROM\n['', '.frozen', '/lib', '/rom', '/rom/lib']\n"
    )
    assert "ROMFS image size" in b.mpremote("romfs", "query")


def test_a_new_image_replaces_what_is_there(board, tmp_path):
    image = tmp_path / "rom"
    image.write_bytes(romfs.build("server").read_bytes())
    b = board("--rom", image)
    assert b.mpremote("exec", "import os; print('run.mpy' in os.listdir('/rom'))") == "True\n"
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/inside.py").write_text("")
    b.mpremote("romfs", "deploy", tmp_path / "tree")
    assert b.mpremote("exec", "import os; print(os.listdir('/rom'))") == "['inside.mpy']\n"


def test_the_rom_takes_nothing_from_the_heap(board, tmp_path):
    free = ("exec", "import gc; gc.collect(); print(gc.mem_free())")
    without, with_rom = (int(b.mpremote(*free)) for b in (board(), board("--rom", tmp_path / "rom")))
    assert abs(without - with_rom) < 6 * 1024


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["flash"], "--port"),
        (["/dev/null/flash", "--port", "tty"], "FLASH_DIR: expected a folder, not '/dev/null/flash'"),
        (["flash", "--port", "tty", "--heap", "10K"], "--heap: expected a heap of at least 80K, not '10K'"),
        (["flash", "--port", "flash"], "--port flash: expected a name that is free"),
        (["flash", "--port", "no/tty"], "no/tty"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(tmp_path, arguments, expected):
    (tmp_path / "flash").mkdir()
    command = [sys.executable, support.REPO / "tools/board", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and expected in done.stderr, done.stderr

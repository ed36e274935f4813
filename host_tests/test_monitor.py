"""tools/monitor: what it shows at any size, over real ptys with a stand-in for a node's console, and as a program."""

import copy
import fcntl
import importlib.machinery
import importlib.util
import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import console_peer
import pytest
import support
from rich.text import Text

sys.path.insert(0, str(support.REPO / "tools"))
import monitor_link  # noqa: E402
import monitor_live  # noqa: E402
import monitor_parts  # noqa: E402
import monitor_view  # noqa: E402
from monitor_link import Framing, Link, Seen, clean, decoded  # noqa: E402

MONITOR = support.REPO / "tools/monitor"
SIZES = ((160, 50), (80, 24), (40, 20))
LONGEST_S = 8


@pytest.fixture
def peer(tmp_path):
    """peer(name, status=…) puts a stand-in for a node at tmp_path/name."""
    made = []

    def make(name, status=None):
        made.append(console_peer.Peer(tmp_path / name, status))
        return made[-1]

    yield make
    for each in made:
        if os.path.islink(each.path):
            each.unplug()


@pytest.fixture
def link(monkeypatch):
    """link(port) watches it, every 0.1 s. Its reports are in link.told: (status, error)."""
    monkeypatch.setattr(monitor_link, "PATIENCE", 0.3)
    made = []

    def make(port, interval=0.1):
        told = []
        made.append(Link(str(port), interval, lambda _, status, error: told.append((status, error))))
        made[-1].told = told
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.stop()
        each.join(LONGEST_S)
        assert not each.is_alive()


def wait(true, what):
    end = time.monotonic() + LONGEST_S
    while not true():
        assert time.monotonic() < end, f"not within {LONGEST_S} s: {what}"
        time.sleep(0.01)


def run(*arguments, **more):
    words = [sys.executable, MONITOR, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, **more)


def answering(port="/dev/ttyACM0", status=None, **more):
    return Seen(port, "answering", None, clean(status or console_peer.BUSY_PROXY), 0.2, **more)


def fleet(servers):
    return [answering()] + [answering(f"/dev/ttyUSB{i}", console_peer.SERVER) for i in range(servers)]


def drawn(seens, width, height, selected=0, ascii_only=False):
    mode = monitor_view.Mode()
    mode.selected = selected
    glyphs = monitor_parts.Glyphs(ascii_only)
    return [line.plain for line in monitor_view.frame(seens, mode, width, height, glyphs, 0)]


# What is shown


def test_a_wide_terminal_shows_all_that_a_proxy_tells():
    text = "\n".join(drawn(fleet(12), 160, 50))
    for shown in (
        *("proxy", "RPI_PICO_W", "0.1.0", "192.0.2.10:5683", "running", "up 3d04h"),
        *("224.0.1.187:5683  224.0.1.188:61616", "60 KB free of 192 KB, least 40 KB", "up  lab  -61 dBm  outages 2"),
        *("faults 3", "lost 4", "no memory 5", "send errors 6", "7 of 16 in use, 312 ended", "4.01 2  5.03 4  group 2"),
        *("cache 6 entries  512 B  served 9  valid 2  stored 77  evicted 11", "unusable 1  unmatched 7  faulty 8"),
        *("192.0.2.27    1       57       7", "line 0 of the log", "line 7 of the log"),
    ):
        assert shown in text, shown
    assert "5.03 4  group 2  limit 1  slots 3" in text
    for i in range(7):
        assert re.search(rf"192\.0\.2\.{20 + i}:4{i}683 +{3 + i}s +{27 - i}s +{100 + i}", text)
    for i in range(12):
        assert f"ttyUSB{i} " in text
    assert "more" not in text


@pytest.mark.parametrize("width, height", SIZES)
def test_what_has_no_room_is_counted(width, height):
    lines = drawn(fleet(12), width, height)
    listed = sum(bool(re.match(r"[▸ ] *tty(ACM|USB)\d+ ", line)) for line in lines)
    left_out = sum(int(n) for line in lines for n in re.findall(r"^\+(\d+) more (?:above|below)", line))
    assert listed + left_out == 13
    text = "\n".join(lines)
    exchanges = text.split("answers")[1].split("refusals")[0]
    found = len(re.findall(r"\d+s +\d+s +1\d\d", exchanges))
    assert found + sum(map(int, re.findall(r"\+(\d+) more(?!:)", exchanges)))  # with a colon: sections == 7


@pytest.mark.parametrize("selected", (0, 7, 12))
def test_the_selected_node_is_listed_at_every_size(selected):
    name = ["ttyACM0", *(f"ttyUSB{i}" for i in range(12))][selected]
    for width, height in (*SIZES, (160, 12), (40, 12)):
        assert any(line.startswith(f"▸ {name}") for line in drawn(fleet(12), width, height, selected)), (width, height)


def test_a_frame_has_the_size_of_the_terminal_whatever_that_is():
    silent = Seen("/dev/ttyACM9", "silent", monitor_link.NO_NODE, None, 9)
    for width in (1, 7, 20, 39, 40, 59, 60, 80, 119, 120, 121, 200):
        for height in (1, 2, 3, 4, 7, 12, 20, 33, 70):
            for seens in ([silent], fleet(0), [*fleet(30), silent]):
                lines = drawn(seens, width, height)
                assert len(lines) == height
                assert {Text(line).cell_len for line in lines} == {width}


def test_space_goes_on_to_what_has_found_no_room():
    mode, shown = monitor_view.Mode(), set()
    for skip in range(10):
        mode.skip = skip
        lines = monitor_view.frame(fleet(3), mode, 40, 20, monitor_parts.Glyphs(), 0)
        shown |= {name for line in lines for name in ("cache 6", "faulty", "line 7", "faults") if name in line.plain}
    assert shown == {"cache 6", "faulty", "line 7", "faults"}


def test_what_an_older_firmware_does_not_tell_is_a_dash():
    text = "\n".join(drawn([answering(status={"role": "proxy"})], 160, 50))
    for shown in ("address -", "groups -", "heap  -", "- free of -", "Wi-Fi -", "faults -", "- of - in use", "cache -"):
        assert re.sub(r" +", " ", shown) in re.sub(r" +", " ", text), shown


def places(value, path=()):
    yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def test_values_of_any_type_are_shown_without_harm():
    for path in places(console_peer.BUSY_PROXY):
        if not path or any(isinstance(key, int) and key > 0 for key in path):
            continue  # one item of a list stands for all
        for odd in (None, "odd", -1, 10**18, 1e300, True, [], [None, {}], {}, {"a": [1]}):
            status = copy.deepcopy(console_peer.BUSY_PROXY)
            inner = status
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = odd
            assert len(drawn([answering(status=status)], 130, 40)) == 40


def test_text_of_a_node_is_neither_markup_nor_control():
    status = {
        "role": "[red]r[/red]",
        "board": "\x1b[2J\x1b]0;title\x07b\u202ed\x9b",
        "state": "running",
        "log": ["a\nb"],
    }
    seen = answering(status=status, port="/dev/x")
    text = "".join(drawn([seen], 100, 20))
    assert "[red]r[/red]" in text
    assert text.isprintable()


def test_a_style_ends_with_its_words():
    lines = monitor_view.frame([answering()], monitor_view.Mode(), 100, 30, monitor_parts.Glyphs(), 0)
    for shown in ("groupcoap monitor", "RPI_PICO_W", "60 KB free of", "7 of 16 in use", "faults"):
        (line,) = [line for line in lines if shown in line.plain]
        assert not line.style, shown


def test_ascii_is_enough():
    assert all(line.isascii() for line in drawn(fleet(3), 130, 40, ascii_only=True))


# What a port sends


def test_records_are_found_wherever_the_bytes_are_split():
    data = b'  1.0 info  x\r\n--> \x1e{"a": 1}\r\n--> \x1e[2]\n  2.0 info  y\r\nhalf'
    for at in range(len(data)):
        framing = Framing()
        assert framing.feed(data[:at]) + framing.feed(data[at:]) == [b'{"a": 1}', b"[2]"]
        assert list(framing.lines) == ["  1.0 info  x", "  2.0 info  y"]


def test_a_record_that_broke_off_does_not_spoil_the_next():
    assert Framing().feed(b'\x1e{"a": \x1e{"b": 2}\n') == [b'{"b": 2}']


def test_a_record_is_at_most_64_kb_long_and_a_line_500_bytes():
    framing = Framing()
    longest = b"1" * 65536
    assert framing.feed(b"\x1e" + longest + b"\n\x1e" + longest + b"1\n\x1e3\n") == [longest, None, b"3"]
    framing.feed(b"x" * 10**6 + b"\n")
    assert len(framing.lines[-1]) <= 500


def test_the_traceback_of_a_plain_repl_that_is_asked_for_status_is_no_log():
    vain = b"status\r\nTraceback (most recent call last):\r\n  File ...\r\nNameError: ...\r\n>>> "
    framing = Framing()
    framing.feed(b"MemoryError: what ended the node\r\n>>> " + 3 * vain)
    assert list(framing.lines) == ["MemoryError: what ended the node"]


@pytest.mark.parametrize(
    "record",
    (b"", b"{", b"\xff\xfe", b"[1]", b"null", b"[" * 60000, b'{"a":' * 9000, b"9" * 60000, b'"x"'),
    ids=lambda record: repr(record[:8]),
)
def test_an_answer_that_is_no_object_is_told(record):
    assert decoded(record)[0] is None
    assert "answer is not" in decoded(record)[1]


def test_values_that_are_no_json_are_dropped():
    status, _ = decoded(b'{"a": NaN, "b": 1e999, "c": [-Infinity], "d": "\\ud800x", "e": 99999999999999999999999}')
    assert status == {"a": None, "b": None, "c": [None], "d": "x", "e": None}
    json.dumps(status, allow_nan=False)


# A link


def test_a_node_that_is_unplugged_resumes_when_it_is_plugged_in_again(peer, link):
    node = peer("a")
    watching = link(node.path)
    wait(lambda: watching.seen().state == "answering", "an answer")
    node.unplug()
    wait(lambda: watching.seen().state == "unplugged", "unplugged")
    assert watching.told[-1][0] is None or watching.seen().error == "unplugged"
    assert watching.seen().status["role"] == "proxy"  # what was known of it stays
    time.sleep(0.5)
    assert watching.seen().since > 0.4
    node.status = console_peer.SERVER
    node.plug()
    wait(lambda: watching.seen().state == "answering", "an answer again")
    assert watching.seen().status["role"] == "server"


def test_a_name_that_leads_to_another_port_now_is_followed(peer, link, tmp_path):
    one, other = peer("one"), peer("other", console_peer.SERVER)
    os.symlink(os.path.realpath(one.path), tmp_path / "port")
    watching = link(tmp_path / "port")
    wait(lambda: watching.seen().state == "answering", "an answer")
    os.unlink(tmp_path / "port")
    os.symlink(os.path.realpath(other.path), tmp_path / "port")
    wait(lambda: watching.seen().status["role"] == "server", "the other node's answer")


def test_a_port_where_three_asks_are_not_answered_has_no_node(peer, link):
    node = peer("a")
    node.mute = True
    watching = link(node.path)
    wait(lambda: len(watching.told) >= 3, "three rounds")
    assert [error for _, error in watching.told[:3]] == ["no answer yet", "no answer yet", monitor_link.NO_NODE]
    assert watching.seen().state == "silent"
    node.mute = False
    wait(lambda: watching.seen().state == "answering", "an answer, as soon as there is a node")


def test_a_dead_node_does_not_hold_up_another(peer, link, tmp_path):
    dead, alive = peer("dead"), peer("alive")
    dead.mute = True
    slow, quick, gone = link(dead.path), link(alive.path), link(tmp_path / "gone")
    wait(lambda: slow.rounds >= 1, "a round of the dead one")
    assert quick.answered >= 2
    assert gone.seen().state == "unplugged"


def test_a_port_that_another_program_has_is_told_and_tried_again(peer, link):
    node = peer("a")
    first = link(node.path)
    wait(lambda: first.seen().state == "answering", "an answer")
    second = link(node.path)
    wait(lambda: second.told, "a round")
    assert second.seen().error == "in use by another program"
    first.stop()
    wait(lambda: second.seen().state == "answering", "an answer, as the port is free")


def test_garbage_does_no_harm_and_is_told(peer, link):
    node = peer("a")
    watching = link(node.path)
    wait(lambda: watching.seen().state == "answering", "an answer")
    chance = random.Random(1)
    node.raw = b"\x1e{nonsense}\n"
    wait(lambda: watching.told[-1][1] == "the answer is not JSON", "nonsense is told")
    node.raw = b"\x1e" + 70_000 * b"x" + b"\n"
    wait(lambda: watching.told[-1][1] == "the answer is longer than 64 KB", "the length is told")
    node.raw = b'\x1e{"error": "no such\\u0007 command"}\n'
    wait(lambda: watching.told[-1][1] == "the node says: no such command", "its error is told")
    node.raw = b""
    for _ in range(20):
        node.say(bytes(chance.randrange(256) for _ in range(1000)))
        assert "".join(watching.seen().lines).isprintable()
    node.say(b"\n")
    node.raw = None
    wait(lambda: watching.seen().state == "answering" and not watching.seen().missed, "an answer again")


# The program, for scripts


def test_json_is_one_object_a_round_and_port_also_of_a_dead_one(peer, tmp_path):
    node, dead = peer("node"), peer("dead")
    dead.mute = True
    begun = time.time()
    ended = run(node.path, dead.path, tmp_path / "gone", "--json", "--count", 2, "--interval", 0.2)
    assert (ended.returncode, ended.stderr) == (0, "")
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert all(list(each) == ["time", "port", "status", "error"] for each in told)
    assert all(begun <= each["time"] <= time.time() for each in told)
    by_port = {port: [e for e in told if e["port"] == port] for port in {each["port"] for each in told}}
    assert {port: len(found) for port, found in by_port.items()} == {
        node.path: 2,
        dead.path: 2,
        str(tmp_path / "gone"): 2,
    }
    assert all((e["status"], e["error"]) == (console_peer.BUSY_PROXY, None) for e in by_port[node.path])
    assert all((e["status"], e["error"]) == (None, "no answer yet") for e in by_port[dead.path])
    assert all((e["status"], e["error"]) == (None, "unplugged") for e in by_port[str(tmp_path / "gone")])


def test_json_comes_at_once_and_goes_on_after_a_replug(peer):
    node = peer("a")
    words = [sys.executable, MONITOR, node.path, "--json", "--interval", "0.2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert json.loads(process.stdout.readline())["status"]["role"] == "proxy"
            node.unplug()
            while json.loads(process.stdout.readline())["error"] != "unplugged":
                pass
            node.plug()
            while json.loads(process.stdout.readline())["status"] is None:
                pass
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            assert process.wait(LONGEST_S) == 0
        finally:
            process.kill()


def test_the_status_is_1_where_no_node_ever_answered(tmp_path):
    ended = run(tmp_path / "gone", "--json", "--count", 2, "--interval", 0.1)
    assert (ended.returncode, ended.stderr, ended.stdout.count("\n")) == (1, "", 2)


def test_without_a_terminal_the_view_is_plain_text_each_round(peer):
    node, other = peer("a"), peer("b", console_peer.SERVER)
    ended = run(node.path, other.path, "--count", 2, "--interval", 0.1)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    assert ended.stdout.count("groupcoap monitor") == 2
    assert ended.stdout.count("line 7 of the log") == 2
    assert ended.stdout.count("requests 1234") == 2


def test_the_svg_shows_the_view_and_names_no_host(peer, tmp_path):
    node = peer("a")
    ended = run(node.path, "--svg", tmp_path / "view.svg", "--width", 130, "--height", 35)
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "")
    drawing = (tmp_path / "view.svg").read_text()
    assert "RPI_PICO_W" in drawing and "224.0.1.188:61616" in drawing
    assert "font-face" not in drawing and "<!--" not in drawing
    assert set(re.findall(r"https?://[^\"' )]*", drawing)) == {"http://www.w3.org/2000/svg"}  # the name of the format
    assert set(re.findall(r"url\((.)", drawing)) == {"#"}


@pytest.mark.parametrize(
    "arguments, said",
    (
        (["--interval", "0"], "argument --interval: expected seconds from 0.1 to 3600, not '0'"),
        (["--interval", "nan"], "argument --interval: expected seconds from 0.1 to 3600, not 'nan'"),
        (["--count", "0"], "argument --count: expected a number from 1 to 1000000000, not '0'"),
        (["--width", "19"], "argument --width: expected a number from 20 to 400, not '19'"),
        (["--svg", "/nonexistent/x.svg"], "argument --svg: expected a file in a folder that is there, not '/non.*'"),
        (["--json", "--svg", "x.svg"], "argument --svg: expected without --json"),
        (["/etc/passwd"], "argument PORT: expected a serial port, not '/etc/passwd'; for example: tools/monitor .*"),
        (["/x", "/x"], "argument PORT: /x is there twice"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ),
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_told_in_one_line(arguments, said):
    ended = run(*arguments, *([] if "/" in arguments[0] else ["/dev/nothing"]))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(f"monitor: {said}\n", ended.stderr)


@pytest.fixture
def monitor():
    """The program as a module."""
    loader = importlib.machinery.SourceFileLoader("monitor", str(MONITOR))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("monitor", loader))
    loader.exec_module(module)
    return module


class Found:
    def __init__(self, device, vid):
        self.device, self.vid = device, vid


def test_without_a_port_the_boards_of_this_computer_are_watched(monitor, monkeypatch):
    ports = [Found("/dev/ttyS0", None), Found("/dev/ttyUSB1", 0x1A86), Found("/dev/ttyACM0", 0x2E8A)]
    monkeypatch.setattr(monitor_link.list_ports, "comports", lambda: ports)
    monkeypatch.setattr(sys, "argv", ["monitor"])
    assert monitor.arguments().ports == ["/dev/ttyACM0", "/dev/ttyUSB1"]


def test_without_a_port_and_without_a_board_an_example_is_told(monitor, monkeypatch, capsys):
    monkeypatch.setattr(monitor_link.list_ports, "comports", list)
    monkeypatch.setattr(sys, "argv", ["monitor"])
    with pytest.raises(SystemExit) as ended:
        monitor.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "monitor: argument PORT: no board is plugged in that could be found; for example: tools/monitor /dev/ttyACM0\n"
    )


# The program on a terminal


class Terminal:
    """tools/monitor on a pty of this size. What it draws is read back as lines."""

    def __init__(self, arguments, width, height, folder, **more):
        self.width, self.height = width, height
        self._master, self._slave = pty.openpty()
        self.resize(width, height)
        self.settings = termios.tcgetattr(self._slave)
        environment = {**os.environ, "TERM": "xterm-256color", **more}
        for name in {"NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR"} - set(more):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, MONITOR, *map(str, arguments), "--interval", "0.2"],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            cwd=folder,
            env=environment,
            preexec_fn=self._own,
        )
        self.received = ""

    def _own(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, width, height):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def press(self, keys):
        os.write(self._master, keys.encode())

    def take(self):
        while select.select([self._master], [], [], 0.02)[0]:
            self.received += os.read(self._master, 65536).decode("utf-8", "replace")
        return self.received

    def lines(self):
        """Of the last whole frame."""
        frames = re.findall(r"\x1b\[\?7l\x1b\[H(.*?)\x1b\[\?7h", self.take(), re.DOTALL)
        return re.sub(r"\x1b\[[0-9;]*m", "", frames[-1]).split("\r\n") if frames else []

    def wait(self, text):
        """Until a frame has this in one of its lines; the frame."""
        wait(lambda: any(text in line for line in self.lines()), f"{text!r} in {self.lines()}")
        return self.lines()

    def end(self):
        """Its exit status; it must have put the terminal back as it was."""
        wait(lambda: self.take() and self.process.poll() is not None, "its end")
        assert self.received.endswith("\x1b[?25h\x1b[?1049l")
        assert termios.tcgetattr(self._slave) == self.settings
        return self.process.returncode

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def terminal(tmp_path):
    made = []

    def start(arguments, width=100, height=30, **environment):
        made.append(Terminal(arguments, width, height, tmp_path, **environment))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.mark.parametrize("width, height", SIZES)
def test_the_live_view_fills_the_terminal_and_ends_by_q(peer, terminal, tmp_path, width, height):
    screen = terminal([peer("a").path, tmp_path / "gone"], width, height)
    screen.wait("unplugged")
    lines = screen.wait("7 of 16 in use")
    assert len(lines) == height
    assert {Text(line).cell_len for line in lines} == {width}
    screen.press("q")
    assert screen.end() == 0


def test_ctrl_c_ends_the_live_view_with_status_0(peer, terminal):
    screen = terminal([peer("a").path])
    screen.wait("7 of 16")
    screen.press("\x03")
    assert screen.end() == 0


def test_a_terminal_of_another_size_is_drawn_anew(peer, terminal):
    screen = terminal([peer("a").path], 160, 50)
    screen.wait("7 of 16")
    screen.resize(40, 20)
    wait(lambda: [Text(line).cell_len for line in screen.lines()] == [40] * 20, "40 columns")


def test_arrows_and_tab_select_a_node(peer, terminal):
    screen = terminal([peer("a").path, peer("b", console_peer.SERVER).path])
    screen.wait("7 of 16")
    screen.press("\x1b[B")
    screen.wait("requests 1234")
    screen.press("\x1b[A")
    screen.wait("7 of 16")
    screen.press("\t")
    screen.wait("requests 1234")


def test_p_keeps_the_view_as_it_is(peer, terminal):
    node = peer("a")
    screen = terminal([node.path])
    screen.wait("7 of 16")
    screen.press("p")
    screen.wait("paused")
    node.status = {**console_peer.BUSY_PROXY, "faults": 99}
    asked = len(node.asked)
    wait(lambda: len(node.asked) > asked + 2, "it goes on asking")
    assert not any("faults 99" in line for line in screen.lines())
    screen.press("p")
    screen.wait("faults 99")


def test_j_writes_what_is_known_of_all_nodes(peer, terminal, tmp_path):
    node, other = peer("a"), peer("b", console_peer.SERVER)
    screen = terminal([node.path, other.path])
    screen.wait("2 answering")
    screen.press("j")
    line = screen.wait("wrote monitor-")[-1]
    written = json.loads((tmp_path / line.split()[1]).read_text())
    assert [each["status"] for each in written["nodes"]] == [console_peer.BUSY_PROXY, console_peer.SERVER]
    assert abs(written["time"] - time.time()) < LONGEST_S


def test_a_question_mark_shows_the_keys(peer, terminal):
    screen = terminal([peer("a").path])
    screen.wait("7 of 16")
    screen.press("?")
    screen.wait("Ctrl-] comes back")
    screen.press("x")
    screen.wait("7 of 16")


def test_r_opens_the_plain_repl_once_the_user_has_said_yes(peer, terminal):
    node = peer("a")
    screen = terminal([node.path])
    screen.wait("7 of 16")
    screen.press("r")
    screen.wait("stop the node and open the plain REPL of a? y/n")
    screen.press("n")
    screen.wait("q quit")
    assert "stop" not in node.asked
    screen.press("ry")
    wait(lambda: screen.take().endswith(">>> "), "the prompt")
    assert node.asked[-1] == "stop"
    screen.press("1+1\r\x03")
    wait(lambda: node.typed == b"\r1+1\r\x03", "what is typed arrives, Ctrl-C too")
    assert screen.process.poll() is None
    screen.press("\x1d")
    screen.wait("a is stopped: reset it, or r and Ctrl-D, to run it again")
    screen.wait("no node running")
    node.mute = False
    screen.wait("1 answering")
    screen.press("q")
    assert screen.end() == 0


def test_a_port_that_goes_away_under_the_plain_repl_leads_back_to_the_view(peer, terminal):
    node = peer("a")
    screen = terminal([node.path])
    screen.wait("7 of 16")
    screen.press("ry")
    wait(lambda: screen.take().endswith(">>> "), "the prompt")
    node.unplug()
    screen.wait("a is stopped: ")
    screen.wait("unplugged")
    node.mute = False
    node.plug()
    screen.wait("1 answering")


def test_no_color_is_honoured(peer, terminal):
    path = peer("a").path
    colours = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    plain = terminal([path], NO_COLOR="1")
    plain.wait("7 of 16")
    assert not colours.search(plain.received)
    plain.press("q")
    plain.end()
    coloured = terminal([path])
    coloured.wait("7 of 16")
    assert colours.search(coloured.received)


def test_a_dumb_terminal_gets_plain_text(peer, terminal):
    screen = terminal([peer("a").path, "--count", "1"], TERM="dumb")
    wait(lambda: screen.process.poll() is not None, "its end")
    assert screen.process.returncode == 0
    assert "7 of 16" in screen.take() and "\x1b" not in screen.received


def test_keys_come_out_of_what_a_terminal_sends():
    assert list(monitor_live.keys(b"q\x1b[A\x1bOB\tj\x1b[6~p")) == ["q", "up", "down", "down", "j", " ", "p"]
    assert list(monitor_live.keys(b"\x1b")) == ["escape"]
    assert list(monitor_live.keys(b"\x1b[99;5Rq")) == ["escape"]

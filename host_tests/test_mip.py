"""The packages of mip/: what is in them, and what mpremote installs from them."""

import json
import subprocess
import sys

import peers
import pytest
import secure_keys
import support

sys.path.insert(0, str(support.REPO / "tools"))
import romfs  # noqa: E402

MIP = support.REPO / "mip"


def package(name):
    return json.loads((MIP / name / "package.json").read_text())


def installed(name):
    """{target: url} of a package and all that it depends on."""
    value = package(name)
    found = {target: (MIP / name / url).resolve() for target, url in value["urls"]}
    for dep, _ in value["deps"]:
        found |= installed(dep.split("/")[1])
    return found


def tool(*arguments):
    command = [sys.executable, support.REPO / "tools/packages.py", *arguments]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)


def test_the_packages_are_up_to_date():
    done = tool("--check")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_each_file_is_there_and_goes_where_it_is_imported_from():
    for name in ("core", "node", "server", "proxy", "client", "oscore", "oscore-group"):
        for target, path in installed(name).items():
            assert path.is_file() and str(path).endswith(("/lib/" + target, "/firmware/" + target)), (target, path)


@pytest.mark.parametrize("role", romfs.ROLES)
def test_a_role_has_all_that_it_imports_and_nothing_of_the_other(role):
    files = set(installed(role))
    assert files >= {
        f"{name.replace('.', '/')}.py" for name in romfs.modules(role) if name.startswith("groupcoap.net.")
    }
    assert f"{role}_app.py" in files and "groupcoap/numbers.py" in files
    others = {"server": ("groupcoap/proxy/", "proxy_app"), "proxy": ("groupcoap/directory", "server_app")}
    assert not [file for file in files if file.startswith(others[role])]


def test_security_is_for_those_who_want_it():
    for name in romfs.ROLES:
        assert not [file for file in installed(name) if "oscore" in file]
        needed = {file for file in romfs.modules(name) if file.startswith("groupcoap.oscore")}
        files = {file[:-3].replace("/", ".").removesuffix(".__init__") for file in installed("oscore-group")}
        assert needed <= files
    groups = [file for file in installed("oscore") if "group" in file.split("oscore/")[-1] or "25519" in file]
    assert not [file for file in groups if file.startswith("groupcoap/oscore/")]
    assert "groupcoap/oscore/curve/edwards.py" in installed("oscore-group")


def test_no_file_of_a_node_and_its_security_is_in_two_packages():
    names = ["core", "node", "server", "proxy", "oscore", "oscore-group"]
    files = [target for name in names for target, _ in package(name)["urls"]]
    assert len(files) == len(set(files))


def test_a_client_has_no_firmware():
    assert all(file.startswith("groupcoap/") for file in installed("client"))


def test_no_file_is_in_two_packages_of_one_role():
    for role in romfs.ROLES:
        names = [role, "node", "core"]
        files = [target for name in names for target, _ in package(name)["urls"]]
        assert len(files) == len(set(files))


def test_for_a_forge_every_path_is_a_whole_address(tmp_path):
    done = tool("--from", "github:ORG/REPO", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    value = json.loads((tmp_path / "server/package.json").read_text())
    assert value["deps"] == [["github:ORG/REPO/mip/node/package.json", ""]]
    assert ["server_app.py", "github:ORG/REPO/firmware/server_app.py"] in value["urls"]
    assert all(url.startswith("github:ORG/REPO/") and ".." not in url for _, url in value["urls"])


def test_mpremote_installs_a_role_and_its_node_runs(board, lan):
    b, group = board(), lan.group()
    done = tool("--port", b.port.resolve(), "server")
    assert done.returncode == 0, done.stdout + done.stderr
    files = {str(path.relative_to(b.flash / "lib")) for path in (b.flash / "lib").rglob("*.mpy")}
    assert {"run.mpy", "server_app.mpy", "groupcoap/server.mpy"} <= files
    assert not [file for file in files if "proxy_app" in file or file.startswith("groupcoap/proxy")]
    config = peers.server_config(group, address=lan.address(), multicast_interface="127.0.0.1")
    (b.flash / "config.json").write_text(json.dumps(config))
    (b.flash / "lib/board.py").write_bytes((support.REPO / "boards/UNIX/board.py").read_bytes())
    for name in ("boot.py", "main.py"):
        (b.flash / name).write_bytes((support.REPO / "firmware" / name).read_bytes())
    with b.open() as terminal:
        terminal.send("\r\x04")
        terminal.expect(f"ready server coap://{config['address']}:5683")
    client = peers.Peer(lan.address())
    client.send((group, peers.PORT), peers.NON, options=peers.path("temp"))
    assert client.expect().payload == b"21.5"


def with_keys(folder, address):
    keys = secure_keys.group(folder, {"alice": "01", "hall": "02"})
    (folder / "group.json").write_bytes(keys["hall"].read_bytes())
    return peers.server_config(address=address, multicast_interface="127.0.0.1", security={"files": ["group.json"]})


def test_a_node_without_the_package_says_which_one_its_keys_need(board, lan, tmp_path):
    b = board("--heap", "400K")
    for words, last in (("server", "expected the package oscore"), ("oscore-group", "ready server")):
        done = tool("--port", b.port.resolve(), words)
        assert done.returncode == 0, done.stdout + done.stderr
        (b.flash / "config.json").write_text(json.dumps(with_keys(tmp_path, lan.address())))
        (b.flash / "group.json").write_bytes((tmp_path / "group.json").read_bytes())
        (b.flash / "group.json").chmod(0o600)
        (b.flash / "lib/board.py").write_bytes((support.REPO / "boards/UNIX/board.py").read_bytes())
        for name in ("boot.py", "main.py"):
            (b.flash / name).write_bytes((support.REPO / "firmware" / name).read_bytes())
        with b.open() as terminal:
            terminal.send("\r\x04")
            terminal.expect(last)


def test_mpremote_installs_the_sources_from_the_folder_of_the_repository(board, monkeypatch):
    monkeypatch.chdir(support.REPO)
    b = board("--heap", "400K")
    b.mpremote("mip", "install", "mip/client/package.json")
    script = "from groupcoap.net.client import Client; import groupcoap.hot; print(Client.__name__)"
    assert b.mpremote("exec", script) == "Client\n"
    assert not [path for path in (b.flash / "lib").iterdir() if path.name != "groupcoap"]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["server"], "ROLE and --port: expected both or none"),
        (
            ["--port", "tty", "server", "router"],
            "ROLE: expected one of server, proxy, client, oscore, oscore-group, not 'router'",
        ),
        (["--from", "ORG/REPO"], "--from: expected an address such as github:ORG/REPO, not 'ORG/REPO'"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(arguments, expected):
    done = tool(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and expected in done.stderr, done.stderr


def test_an_unknown_port_is_told_in_one_line(tmp_path):
    done = tool("--port", tmp_path / "tty", "server")
    assert done.returncode == 1
    assert (
        done.stderr == f"packages: {tmp_path / 'tty'}: no such port; is the board plugged in? mpremote connect list\n"
    )

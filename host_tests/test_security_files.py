"""Files of keys and the configuration that names them, as a node reads them: what is wrong is told in one line, which
names the file and the key and never a secret; what is right becomes security contexts."""

import json
import os
import re
import subprocess
import sys

import pytest
import support
from test_bad_input import assert_refused, run

sys.path[:0] = [str(support.REPO / name) for name in ("firmware", "tools")]
import keys  # noqa: E402

SECRET = "5ec2e7" * 6  # 18 bytes, to be found in what is said
SEED = bytes(range(32))
SEED2 = bytes(range(1, 33))
VMS = ("unix port", "CPython")


def credential(seed, name="x"):
    return keys.credential_of(name, keys.public_of(seed)).hex()


MANAGER = credential(bytes(32), "manager")
OWN, OTHER = credential(SEED), credential(SEED2)


def oscore(**more):
    table = {
        "name": "alice",
        "master_secret": SECRET,
        "master_salt": "",
        "sender_id": "01",
        "recipient_id": "02",
        **more,
    }
    return {"oscore": {key: value for key, value in table.items() if value is not ...}}


def group(**more):
    table = {
        "name": "building",
        "gid": "0a01",
        "master_secret": SECRET,
        "sender_id": "25",
        "private_key": SEED.hex(),
        "credential": OWN,
        "manager_credential": MANAGER,
        "members": [member()],
        **more,
    }
    return {"group": {key: value for key, value in table.items() if value is not ...}}


def member(**more):
    return {"name": "kitchen", "id": "01", "credential": OTHER, **more}


def checker(**more):
    table = {"name": "attic", "gid": "0b", "signature_encryption_key": "5e" * 16, "manager_credential": MANAGER, **more}
    return {"checker": {key: value for key, value in table.items() if value is not ...}}


def key(**more):
    table = {"name": "x", "private_key": SEED.hex(), "credential": OWN, **more}
    return {"key": {key: value for key, value in table.items() if value is not ...}}


# What is wrong with one file, and what is said of it behind its path.
WRONG = [
    (b"", "expected JSON"),
    (b"{", "expected JSON"),
    (b"\xff\xfe", "expected JSON"),
    (b"[" * 20000, "expected JSON"),
    (b"x" * 24577, "expected at most 24576 bytes"),
    ([], "expected an object with one key, of checker, group, key, oscore"),
    (None, "expected an object with one key"),
    (SECRET, "expected an object with one key"),
    ({}, "expected an object with one key"),
    ({"role": "server"}, "expected an object with one key"),
    ({**oscore(), **group()}, "expected an object with one key"),
    ({"oscore": SECRET}, "oscore: expected an object with keys algorithm, id_context"),
    ({"oscore": [SECRET]}, "oscore: expected an object with keys"),
    (oscore(master_secrets=SECRET), "oscore.master_secrets: unknown key; expected one of algorithm"),
    (oscore(name=...), "oscore.name: expected a name of 1 to 32 letters, digits, hyphens, dots and underscores"),
    (oscore(name=SECRET), "oscore.name: expected a name"),
    (oscore(name="192.0.2.1"), "oscore.name: expected a name"),
    (oscore(master_secret=...), "oscore.master_secret: expected 16 to 64 bytes in hexadecimal, but it is missing"),
    (oscore(master_secret=None), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_secret=SECRET[:30]), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_secret=SECRET[:33]), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_secret="00" * 65), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_secret=SECRET[:34] + " "), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_secret=SECRET[:34] + " 0"), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_secret=SECRET[:34] + "xy"), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_secret=SECRET[:34] + "éé"), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_secret=[1] * 16), "oscore.master_secret: expected 16 to 64 bytes"),
    (oscore(master_salt="00" * 33), "oscore.master_salt: expected 0 to 32 bytes"),
    (oscore(sender_id=...), "oscore.sender_id: expected 0 to 7 bytes in hexadecimal, but it is missing"),
    (oscore(sender_id="0011223344556677"), "oscore.sender_id: expected 0 to 7 bytes"),
    (oscore(sender_id=1), "oscore.sender_id: expected 0 to 7 bytes"),
    (oscore(sender_id=None), "oscore.sender_id: expected 0 to 7 bytes"),
    (oscore(recipient_id=...), "oscore.recipient_id: expected 0 to 7 bytes"),
    (oscore(id_context="00" * 33), "oscore.id_context: expected 0 to 32 bytes in hexadecimal or null"),
    (oscore(algorithm=-65534), "oscore.algorithm: expected one of 10, 30"),
    (oscore(algorithm=None), "oscore.algorithm: expected one of 10, 30"),
    (group(gid=""), "group.gid: expected 1 to 32 bytes"),
    (group(gid="00" * 33), "group.gid: expected 1 to 32 bytes"),
    (group(private_key=SECRET), "group.private_key: expected 32 bytes in hexadecimal or null"),
    (group(credential="00" * 257), "group.credential: expected 1 to 256 bytes in hexadecimal or null"),
    (
        group(manager_credential=...),
        "group.manager_credential: expected 1 to 256 bytes in hexadecimal, but it is missing",
    ),
    (group(aead=11), "group.aead: expected one of 10, 30, None"),
    (group(group_encryption=-65533), "group.group_encryption: expected one of"),
    (group(signature=-7), "group.signature: expected one of -8, None"),
    (group(key_agreement=-28), "group.key_agreement: expected one of -27, None"),
    (group(members={}), "group.members: expected a list of at most 32"),
    (
        group(members=[member(name=f"n{i}", id=f"{i:02x}") for i in range(33)]),
        "group.members: expected a list of at most 32",
    ),
    (group(members=[member(), 5]), "group.members[1]: expected an object with keys credential, id, name"),
    (group(members=[member(colour=1)]), "group.members[0].colour: unknown key"),
    (group(members=[member(id=None)]), "group.members[0].id: expected 0 to 7 bytes"),
    (group(members=[member(credential="")]), "group.members[0].credential: expected 1 to 256 bytes"),
    (group(members=[member(), member(id="02")]), "group.members[1].name: expected another than other members have"),
    (group(members=[member(), member(name="hall")]), "group.members[1].id: expected another than other members have"),
    (checker(signature_encryption_key="5e" * 15), "checker.signature_encryption_key: expected 16 bytes"),
    (checker(master_secret=SECRET), "checker.master_secret: unknown key"),
    (checker(group_encryption=None), "checker.group_encryption: expected one of 10, 30, -65534"),
    (key(private_key=...), "key.private_key: expected 32 bytes"),
    (key(private_key=None), "key.private_key: expected 32 bytes in hexadecimal"),
]

# What is wrong with several: the number of the one that is named, and what is said of it. {0} is the path of the first.
WRONG_TOGETHER = [
    ([oscore(recipient_id="01")], 0, "oscore: sender_id equals recipient_id"),
    ([oscore(), oscore()], 1, "oscore.name: expected another than in {0}"),
    ([oscore(), oscore(name="bob")], 1, "oscore.recipient_id: expected another than in {0}"),
    ([oscore(), oscore(name="bob", recipient_id="03")], 1, "oscore.sender_id: expected another than in {0}"),
    ([group(), group(gid="0a02")], 1, "group.name: expected another than in {0}"),
    ([group(), group(name="attic")], 1, "group.gid: expected another than in {0}"),
    ([group(), checker(name="building")], 1, "checker.name: expected another than in {0}"),
    ([group(), checker(gid="0a01")], 1, "checker.gid: expected another than in {0}"),
    ([group(sender_id=None)], 0, "group.sender_id: missing; expected beside private_key and credential"),
    ([group(credential=...)], 0, "group.credential: missing; expected beside sender_id"),
    (
        [group(private_key=...)],
        0,
        "group.private_key: missing; expected here, or in a file of keys in front of this one",
    ),
    ([group(private_key=...), key()], 0, "group.private_key: missing"),
    ([key(private_key=SEED2.hex())], 0, "key.private_key: expected that of the credential"),
    ([key(credential="a0")], 0, "key: credential: expected"),
    ([group(private_key=SEED2.hex())], 0, "group.private_key: expected that of the credential"),
    ([group(members=[member(credential="00")])], 0, "group.members[0]: credential: expected"),
    ([group(members=[member(id="25")])], 0, "group: group building: two have one Sender ID"),
    ([group(deterministic_id="01")], 0, "group: group building: two have one Sender ID"),
    ([group(members=[member(credential=OWN)])], 0, "group: group building: two have one Sender ID or one key"),
    ([group(sender_id="00112233445566", group_encryption=-65534)], 0, "group: group building: Sender ID of 7 bytes"),
    ([group(aead=None, signature=None)], 0, "group: group building: expected algorithms"),
    ([oscore(id_context="0a01"), group()], None, "security.files: alice: its id_context is the Gid of a group"),
]

RIGHT_TOGETHER = [
    ([oscore()], [1, 0, 0, ["alice"]]),
    ([oscore(), oscore(name="bob", sender_id="03", recipient_id="04")], [2, 0, 0, ["alice", "bob"]]),
    ([oscore(), oscore(name="bob", id_context="", master_secret="00" * 16)], [2, 0, 0, ["alice", "bob"]]),
    ([group()], [0, 1, 0, []]),
    ([group(sender_id=None, private_key=None, credential=None), oscore()], [1, 1, 0, ["alice"]]),
    ([key(), group(private_key=None)], [0, 1, 0, []]),
    ([group(aead=None, key_agreement=None, group_encryption=-65534, members=[])], [0, 1, 0, []]),
    ([group(signature=None, group_encryption=None, master_salt="aa")], [0, 1, 0, []]),
    ([checker(members=[member()]), group(), oscore()], [1, 1, 1, ["alice"]]),
    ([oscore(master_secret=SECRET.upper(), sender_id="", id_context=None, algorithm=30)], [1, 0, 0, ["alice"]]),
]


@pytest.fixture(scope="module", params=VMS)
def told(request, tmp_path_factory):
    """(told(contents), paths(contents)): what this VM says of these files, and where they are."""
    folder = tmp_path_factory.mktemp("files")
    places, asked = {}, []
    lone, together = [[case[0]] for case in WRONG], [case[0] for case in WRONG_TOGETHER + RIGHT_TOGETHER]
    for contents in lone + together:
        paths = []
        for content in contents:
            paths.append(str(folder / f"{len(places)}-{len(paths)}.json"))
            with open(os.open(paths[-1], os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
                f.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        places[name_of(contents)] = paths
        asked.append(paths if contents in together else paths[0])
    lines = said_by(request.param, asked)
    return lambda contents: lines[list(places).index(name_of(contents))], lambda contents: places[name_of(contents)]


def name_of(contents):
    return repr(contents)


def said_by(vm, asked):
    """The lines that this VM prints of these paths and lists of paths."""
    program = support.REPO / "host_tests/vm/security_files.py"
    parts = [str(support.REPO / name) for name in ("lib", "firmware")]
    if vm == "CPython":
        parts.append(str(support.REPO / "tools/cpython"))
        command, environment = [sys.executable, program], {"PYTHONPATH": ":".join(parts)}
    else:
        command, environment = [support.micropython(), program], {"MICROPYPATH": ":".join([*parts, ".frozen"])}
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(asked), done.stdout[-300:] + done.stderr
    return lines


def assert_tells_no_secret(line):
    for secret in (SECRET[:12], SEED.hex()[8:24], "5e" * 8):
        assert secret not in line.lower(), line


@pytest.mark.parametrize(("content", "words"), WRONG, ids=[f"{case[1][:60]}-{i}" for i, case in enumerate(WRONG)])
def test_what_is_wrong_with_a_file_names_it_and_the_key_and_no_secret(content, words, told):
    line, (path,) = told[0]([content]), told[1]([content])
    assert line.startswith(f"{path}: {words}"), line
    assert_tells_no_secret(line)


@pytest.mark.parametrize(("contents", "index", "words"), WRONG_TOGETHER, ids=[case[2][:60] for case in WRONG_TOGETHER])
def test_what_does_not_go_together_names_the_file_and_no_secret(contents, index, words, told):
    line, paths = told[0](contents), told[1](contents)
    place = "" if index is None else f"{paths[index]}: "
    assert line.startswith(place + words.replace("{0}", paths[0])), line
    assert_tells_no_secret(line)


@pytest.mark.parametrize(("contents", "found"), RIGHT_TOGETHER, ids=[str(case[1]) for case in RIGHT_TOGETHER])
def test_what_is_right_becomes_contexts(contents, found, told):
    assert json.loads(told[0](contents)) == found


@pytest.mark.parametrize("vm", VMS)
@pytest.mark.parametrize("mode", [0o601, 0o602, 0o604, 0o610, 0o620, 0o640])
def test_a_file_that_others_may_use_is_refused(mode, vm, tmp_path):
    path = tmp_path / "alice.json"
    path.write_text(json.dumps(oscore()))
    path.chmod(mode)
    assert said_by(vm, [str(path)]) == [f"{path}: others may read it: chmod 600 {path}"]
    path.chmod(0o400)
    assert said_by(vm, [str(path)]) == ['"oscore"']


@pytest.mark.parametrize("vm", VMS)
def test_a_file_that_is_not_there_is_told(vm, tmp_path):
    line = said_by(vm, [str(tmp_path / "nowhere.json")])[0]
    assert line == f"{tmp_path}/nowhere.json: cannot be read (error 2)"
    (tmp_path / "folder").mkdir(mode=0o700)
    assert re.fullmatch(
        f"{tmp_path}/folder: (cannot be read .*|expected JSON)", said_by(vm, [str(tmp_path / "folder")])[0]
    )


# What they are made into


class Store:
    """Records in RAM; `names` are those that were asked for."""

    def __init__(self):
        self.names = []
        self._records = {}

    def read(self, name):
        self.names.append(name)
        return self._records.get(name)

    def write(self, name, data):
        self._records[name] = bytes(data)


def loaded(tmp_path, *contents, store=None, **more):
    import security

    for i, content in enumerate(contents):
        with open(os.open(tmp_path / f"{i}.json", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as f:
            json.dump(content, f)
    settings = {"files": [f"{i}.json" for i in range(len(contents))], "sequence_ahead": 64}
    return security.load(settings, f"{tmp_path}/", store or Store(), **more)


def test_a_context_is_that_of_its_file(tmp_path):
    contexts, _, names = loaded(tmp_path, oscore(master_salt="aa", id_context="37cb", sender_id="", algorithm=30))
    (context,) = contexts.contexts
    assert (context.name, context.sender_id, context.recipient_id, context.id_context) == (
        "alice",
        b"",
        b"\2",
        b"\x37\xcb",
    )
    assert names == ["alice"]


def test_a_group_is_that_of_its_file(tmp_path):
    contexts, _, names = loaded(tmp_path, group(group_encryption=-65534, deterministic_id="07", master_salt="aa"))
    (found,) = contexts.groups
    assert (found.name, found.gid, found.sender_id, found.deterministic_id) == ("building", b"\x0a\1", b"\x25", b"\7")
    assert (found.key.public, found.credential) == (keys.public_of(SEED), bytes.fromhex(OWN))
    assert [(each.name, each.id, each.credential) for each in found.members] == [
        ("kitchen", b"\1", bytes.fromhex(OTHER))
    ]
    assert found.manager_credential == bytes.fromhex(MANAGER)
    assert (found.aead.tag_length, found.group_encryption.tag_length, names) == (
        8,
        0,
        [],
    )  # nobody's name is a member's


def test_replay_windows_are_not_known_after_a_start_but_the_first(tmp_path):
    """What was received before is not known: without proof of freshness it could be replayed (RFC 8613 B.1.2)."""
    store = Store()
    for doubt, valid in ((False, True), (False, False), (True, False)):
        contexts, _, _ = loaded(tmp_path, oscore(), group(), store=store)
        contexts.begin(doubt)
        windows = contexts.contexts[0].window, contexts.groups[0].members[0].window
        assert [window.valid for window in windows] == [valid, valid]
    contexts, _, _ = loaded(tmp_path, oscore(), group())
    contexts.begin(True)
    assert not contexts.contexts[0].window.valid and not contexts.groups[0].members[0].window.valid


def test_windows_of_a_silent_server_have_a_floor(tmp_path):
    store = Store()
    silent = group(sender_id=None, private_key=None, credential=None)
    for numbers, floor in (((0, 3, 2), 64), ((66, 67, 1000), 1064), ((1063,), 1064)):
        contexts, _, _ = loaded(tmp_path, silent, store=store)
        contexts.begin()
        window = contexts.groups[0].members[0].window
        for number in numbers:
            window.take(number)
        assert not [n for n in numbers if window.take(n)]
        contexts, _, _ = loaded(tmp_path, silent, store=store)
        window = contexts.groups[0].members[0].window
        assert not window.check(floor - 1) and window.check(floor), floor


@pytest.mark.parametrize("adjacent", [False, True])
def test_a_proxys_peers_are_its_next_hops(adjacent, tmp_path):
    contexts, _, _ = loaded(tmp_path, oscore(), adjacent=adjacent)
    assert contexts.contexts[0].adjacent is adjacent


def names_of(tmp_path, *contents):
    store = Store()
    loaded(tmp_path, *contents, store=store)
    return store.names


def test_sequence_numbers_belong_to_the_key_whatever_it_is_called(tmp_path):
    one = names_of(tmp_path, oscore())
    assert one == names_of(tmp_path, oscore(name="bob", recipient_id="05"))
    others = [
        oscore(sender_id="03"),
        oscore(sender_id="0101"),
        oscore(master_salt="01"),
        oscore(master_secret="00" * 16),
        oscore(id_context="01"),
        oscore(id_context=""),
    ]
    names = one + [name for other in others for name in names_of(tmp_path, other)]
    assert len(set(names)) == len(names) == 7
    assert all(re.fullmatch("[0-9a-f]{24}", name) and name not in SECRET for name in names)


def test_sequence_numbers_that_cannot_be_read_are_told(tmp_path):
    from config_schema import ConfigError

    class Failing(Store):
        def __init__(self, error):
            self.error = error

        def read(self, name):
            raise self.error

    for error, words in (
        (OSError(5, "x"), "oscore.sender_id: its sequence number"),
        (ValueError("damaged record 7"), "damaged"),
    ):
        with pytest.raises(ConfigError, match=words):
            loaded(tmp_path, oscore(), store=Failing(error))


# The configuration


def config(role="server", **more):
    found = {"role": role, "address": "127.0.0.9", **more}
    return {**found, "proxy": found.get("proxy", {})} if role == "proxy" else found


def secured(**more):
    return config(security={"files": ["a.json"], **more})


TOWARDS = [{"context": "next", "address": "192.0.2.2"}]
CONFIG_WRONG = [
    (config(security=[]), "security", "echo_freshness"),
    (config(security={}), "security.files", "missing"),
    (secured(files=[]), "security.files", "at least one"),
    (secured(files="a.json"), "security.files", "list"),
    (secured(files=[f"{i}.json" for i in range(17)]), "security.files", "16"),
    (secured(files=["a.json", "a.json"]), "security.files[1]", "twice"),
    (secured(files=[5]), "security.files[0]", "path"),
    (secured(files=[""]), "security.files[0]", "path"),
    (secured(files=["keys/"]), "security.files[0]", "path"),
    (secured(files=["a\nb"]), "security.files[0]", "path"),
    (secured(files=["é" * 65]), "security.files[0]", "128"),
    (secured(state=""), "security.state", "path"),
    (secured(keys=[]), "security.keys", "files"),
    (secured(required="yes"), "security.required", "true"),
    (secured(sequence_ahead=0), "security.sequence_ahead", "65535"),
    (secured(sequence_ahead=65536), "security.sequence_ahead", "65535"),
    (secured(exchanges=0), "security.exchanges", "255"),
    (secured(exchanges=256), "security.exchanges", "255"),
    (secured(signatures=0), "security.signatures", "16"),
    (secured(signatures=17), "security.signatures", "16"),
    (secured(pairwise_answers=1), "security.pairwise_answers", "true"),
    (secured(check_signatures=1), "security.check_signatures", "true"),
    (secured(echo_freshness=1), "security.echo_freshness", "true"),
    (
        config("proxy", security={"files": ["a"], "check_signatures": True, "towards": TOWARDS}),
        "security.check_signatures",
        "without towards",
    ),
    (config(resources={"temp": {"protected": "no"}}), "resources.temp.protected", "true"),
    (config("proxy", proxy={"allow": [{"client": "alice"}]}), "proxy.allow[0].client", "security"),
    (config("proxy", proxy={"allow": [{"client": "not a name"}]}), "proxy.allow[0].client", "IPv4"),
    (config("proxy", proxy={"allow": [{"client": "1st"}]}), "proxy.allow[0].client", "IPv4"),
    (config("proxy", proxy={"allow": [{"client": "x" * 33}]}), "proxy.allow[0].client", "IPv4"),
    (config("proxy", proxy={"allow": [{"client": ""}]}), "proxy.allow[0].client", "IPv4"),
    (
        config("proxy", security={"files": ["a"]}, proxy={"allow": [{"client": "a"}, {"client": "a"}]}),
        "proxy.allow[1].client",
        "twice",
    ),
]
DEFAULTS = {
    "files": ["keys/a.json"],
    "state": "sequences",
    "required": True,
    "sequence_ahead": 64,
    "exchanges": 16,
    "signatures": 4,
    "pairwise_answers": False,
    "check_signatures": False,
    "echo_freshness": False,
    "towards": [],
}
CHECK = """
import json, sys
import config
for value in json.load(sys.stdin):
    try:
        found = config.check(value)
        print(json.dumps([found["security"], "config_security" in sys.modules]))
    except config.ConfigError as e:
        print(e)
"""


def checked(*values):
    """What the unix port's node says of these configurations."""
    path = f"{support.REPO / 'lib'}:{support.REPO / 'firmware'}:.frozen"
    done = subprocess.run(
        [support.micropython(), "-c", CHECK],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MICROPYPATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def said():
    return dict(zip(map(json.dumps, [case[0] for case in CONFIG_WRONG]), checked(*[case[0] for case in CONFIG_WRONG])))


@pytest.mark.parametrize(
    ("value", "place", "word"), CONFIG_WRONG, ids=[f"{c[1]}-{i}" for i, c in enumerate(CONFIG_WRONG)]
)
def test_wrong_configuration_names_its_key(value, place, word, said):
    line = said[json.dumps(value)]
    assert line.startswith(place) and line[len(place)] in ":." and word in line, line


def test_keys_have_their_defaults_and_a_node_without_security_loads_nothing_of_it():
    without, plain, with_it = map(json.loads, checked(config(), config("proxy"), secured(files=["keys/a.json"])))
    assert without == plain == [None, False]
    assert with_it == [DEFAULTS, True]


def test_a_client_may_be_a_name_or_an_address():
    allow = [{"client": "alice", "groups": ["224.0.1.187"]}, {"client": "192.0.2.9"}]
    (line,) = checked(config("proxy", security={"files": ["a"]}, proxy={"allow": allow}))
    assert json.loads(line)[0]["files"] == ["a"]


@pytest.mark.parametrize("of_board", [False, True])
def test_files_are_relative_to_the_configurations_folder(of_board, tmp_path):
    import config as module

    path = tmp_path / "config.json"
    path.write_text(json.dumps(secured()))
    assert module.load(str(path))["security"]["folder"] == f"{tmp_path}/"
    import security

    assert security.full("/", "keys/a.json") == "/keys/a.json"
    assert security.full("", "keys/a.json") == "keys/a.json"
    assert security.full("x/", "/etc/a.json") == "/etc/a.json"


# The node


def keyed(tmp_path, lan, name, content=None, **more):
    """The path of a configuration whose only file of keys has this content."""
    (tmp_path / "keys").mkdir(exist_ok=True)
    with open(os.open(tmp_path / "keys/a.json", os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
        json.dump(content or oscore(), f)
    path = tmp_path / "config.json"
    value = {**config(*name), "address": lan.address(), "security": {"files": ["keys/a.json"]}, **more}
    path.write_text(json.dumps(value))
    return path


def test_a_node_tells_what_is_wrong_with_a_file_in_one_line(tmp_path, lan):
    path = keyed(tmp_path, lan, [], oscore(master_secret=SECRET[:20]))
    process = run("node", path)
    assert_refused(process, f"groupcoap: {tmp_path}/keys/a.json: oscore.master_secret: ", "16 to 64 bytes")
    assert SECRET[:10] not in process.stderr


def test_a_node_tells_of_a_client_whose_context_is_not_there(tmp_path, lan):
    allow = [{"client": "192.0.2.9"}, {"client": "alice"}, {"client": "bob"}]
    path = keyed(tmp_path, lan, ["proxy"], proxy={"allow": allow})
    assert_refused(
        run("node", path), 'proxy.allow[2].client: expected the name of a security context (alice), not "bob"'
    )


def test_a_node_tells_of_a_folder_that_cannot_be_made(tmp_path, lan):
    path = keyed(tmp_path, lan, [], security={"files": ["keys/a.json"], "state": "no/such/folder"})
    assert_refused(run("node", path), "security.state: no/such/folder cannot be made")


MODULES = """
import sys, run
config = run.load(sys.argv[1])
if config["security"]:
    import security
    security.load_keys(config)
    run.forget_checks()
print([name for name in sys.modules if "oscore" in name or "secur" in name or name.startswith("config")])
"""


@pytest.mark.parametrize("with_keys", [False, True])
def test_a_node_without_keys_loads_nothing_of_them_and_one_with_keys_drops_the_checks(with_keys, tmp_path, lan):
    path = keyed(tmp_path, lan, [], **({} if with_keys else {"security": None}))
    if not with_keys:
        value = json.loads(path.read_text())
        del value["security"]
        path.write_text(json.dumps(value))
    environment = {**os.environ, "MICROPYPATH": f"{support.REPO / 'lib'}:{support.REPO / 'firmware'}:.frozen"}
    command = [support.micropython(), "-c", MODULES, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("groupcoap.oscore.context" in done.stdout) is with_keys
    assert "groupcoap.oscore.group" not in done.stdout  # no group, no code of groups
    assert "config" not in done.stdout and "secur" not in done.stdout
    assert (tmp_path / "sequences").is_dir() is with_keys

"""`groupcoap keygen` and `groupcoap group`: the files that they write, and what is wrong, told without a secret."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import stat
import subprocess
import sys

import cbor2
import pytest
import support
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path[:0] = [str(support.REPO / name) for name in ("firmware", "tools")]
import client_keys  # noqa: E402
import keys  # noqa: E402
import keys_group  # noqa: E402
import secret_file  # noqa: E402
import security  # noqa: E402

TOOL = str(support.REPO / "tools/groupcoap")
LOADER = importlib.machinery.SourceFileLoader("groupcoap_tool", TOOL)
GROUPCOAP = importlib.util.module_from_spec(importlib.util.spec_from_loader("groupcoap_tool", LOADER))
LOADER.exec_module(GROUPCOAP)
SECRETS = ("master_secret", "master_salt", "private_key", "signature_encryption_key")


class Folder:
    """A folder in which the tool runs, and the secrets that were in its files so far."""

    def __init__(self, path):
        self.path = path
        self.secrets = set()

    def run(self, *arguments):
        """Run tools/groupcoap, which tells no secret: its status, and what it has said on stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        before = os.getcwd(), sys.argv
        os.chdir(self.path)
        sys.argv = ["groupcoap", *map(str, arguments)]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = GROUPCOAP.main()
        except SystemExit as e:
            status = e.code
        finally:
            os.chdir(before[0])
            sys.argv = before[1]
        for path in self.path.rglob("*.json"):
            self.secrets |= secrets_in(json.loads(path.read_text()))
        shown = out.getvalue() + err.getvalue()
        assert not [secret for secret in self.secrets if secret in shown.lower()], shown
        return status, out.getvalue(), err.getvalue()

    def __call__(self, *arguments):
        """What it prints, having done what it was told."""
        status, out, err = self.run(*arguments)
        assert (status, err) == (0, ""), err
        return out

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json"))

    def refused(self, *arguments):
        """The one line by which it refuses, having changed nothing."""
        before = self.content()
        status, out, err = self.run(*arguments)
        assert (status, out, err.count("\n")) == (2, "", 1), out + err
        assert self.content() == before
        return err

    def content(self):
        return {path: path.read_bytes() for path in self.path.rglob("*") if path.is_file()}

    def read(self, name):
        return next(iter(json.loads((self.path / name).read_text()).values()))


def secrets_in(value):
    """All that is secret in a decoded file."""
    if isinstance(value, list):
        return {secret for item in value for secret in secrets_in(item)}
    if not isinstance(value, dict):
        return set()
    found = {secret for item in value.values() for secret in secrets_in(item)}
    return found | {item for key, item in value.items() if key in SECRETS and item}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def group(folder):
    """A folder with a group of two members, and the key pair of a third node."""
    folder("group", "new", "building")
    folder("group", "add", "building", "kitchen")
    folder("group", "add", "building", "hall")
    folder("keygen", "alice")
    return folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def public(credential):
    """The public key in a credential, read as others do."""
    claims = cbor2.loads(bytes.fromhex(credential))
    assert set(claims) == {2, 8} and set(claims[8]) == {1}
    key = claims[8][1]
    assert (key[1], key[3], key[-1]) == (1, -8, 6) and set(key) == {1, 3, -1, -2}
    return key[-2]


# A pair of nodes


def test_two_nodes_get_the_same_secrets_and_each_others_ids(folder):
    shown = folder.json("keygen", "alice", "proxy")
    alice, proxy = folder.read("keys/alice--proxy.json"), folder.read("keys/proxy--alice.json")
    assert (alice["name"], proxy["name"]) == ("proxy", "alice")  # who the other is
    for key in ("master_secret", "master_salt", "id_context", "algorithm"):
        assert alice[key] == proxy[key]
    assert (alice["sender_id"], alice["recipient_id"]) == (proxy["recipient_id"], proxy["sender_id"]) == ("01", "02")
    assert (len(alice["master_secret"]), len(alice["master_salt"])) == (32, 16)
    assert shown["written"][0] == {
        "path": "keys/alice--proxy.json",
        "for": "alice",
        "peer": "proxy",
        "sender_id": "01",
        "recipient_id": "02",
    }


def test_secrets_are_made_anew_each_time(folder):
    for name in ("alice", "bob"):
        folder("keygen", name, "proxy")
    assert (
        folder.read("keys/alice--proxy.json")["master_secret"] != folder.read("keys/bob--proxy.json")["master_secret"]
    )


def test_no_two_contexts_of_a_node_have_the_same_ids(folder):
    nodes = ("a", "b", "c", "d")
    pairs = [(one, two) for one in nodes for two in nodes if one < two]
    for pair in pairs:
        folder("keygen", *pair)
    for name in nodes:
        files = [folder.read(path) for path in folder.path.glob(f"keys/{name}--*.json")]
        assert len({found["recipient_id"] for found in files}) == len(files) == 3
        assert all(found["recipient_id"] != found["sender_id"] for found in files)


def test_ids_of_two_bytes_follow_those_of_one():
    taken = {keys.as_id(number) for number in range(1, 256)}
    assert (keys.free_id(taken, ()), keys.free_id(taken, [b"\1\0"])) == (b"\1\0", b"\1\1")


def test_files_that_are_there_stay_unless_forced(folder):
    folder("keygen", "alice", "proxy")
    (folder.path / "keys/alice--proxy.json").unlink()
    assert "keys/proxy--alice.json: is there already; --force" in folder.refused("keygen", "alice", "proxy")
    before = folder.content()
    folder("keygen", "alice", "proxy", "--force")
    assert folder.content() != before and folder.read("keys/proxy--alice.json")["recipient_id"] == "01"


# A node's key pair


def test_a_key_pair_is_that_of_another_implementation(folder):
    shown = folder.json("keygen", "alice")
    found = folder.read("keys/alice.key.json")
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(found["private_key"]))
    assert public(found["credential"]) == private.public_key().public_bytes_raw()
    assert cbor2.loads(bytes.fromhex(found["credential"]))[2] == "alice"
    assert (folder.path / "keys/alice.credential").read_text() == found["credential"] + "\n"
    assert shown["written"][1] == {"path": "keys/alice.credential", "credential": found["credential"]}


def test_aiocoap_takes_the_credential(folder):
    from aiocoap import oscore

    folder("keygen", "alice")
    credential = bytes.fromhex(folder.read("keys/alice.key.json")["credential"])
    assert oscore.Ed25519().from_kccs(credential) == public(credential.hex())
    _, theirs = oscore.Ed25519().generate_with_ccs()
    made = keys.credential_of("a", cbor2.loads(theirs)[8][1][-2])
    assert cbor2.loads(made) == {2: "a", **cbor2.loads(theirs)}


# Modes


def test_files_are_for_their_owner_only_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        folder("keygen", "alice", "proxy", "--folder", "a/keys")
        folder("keygen", "alice", "--folder", "a/keys")
        folder("group", "new", "building", "--folder", "a/keys")
        folder("group", "add", "building", "kitchen", "--folder", "a/keys")
        folder("group", "export", "building", "--folder", "a/keys")
        folder("group", "export", "building", "--checker", "--folder", "a/keys", "--output", "checker.json")
    finally:
        os.umask(before)
    files = {path.name: mode(path) for path in folder.path.rglob("*") if path.is_file()}
    assert files.pop("alice.credential") == 0o644  # public
    assert set(files.values()) == {0o600} and len(files) == 6
    assert mode(folder.path / "a/keys") == 0o700


def test_a_file_has_its_mode_before_it_has_a_byte(tmp_path, monkeypatch):
    seen = []
    real = os.open

    def watched(path, flags, how=0o777, **more):
        handle = real(path, flags, how, **more)
        if flags & os.O_CREAT:
            seen.append((how, stat.S_IMODE(os.fstat(handle).st_mode), os.fstat(handle).st_size))
        return handle

    monkeypatch.setattr(os, "open", watched)
    before = os.umask(0)
    try:
        secret_file.write({tmp_path / "a": "secret", tmp_path / "b": "secret"})
    finally:
        os.umask(before)
    assert seen == [(0o600, 0o600, 0)] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_of_two_files_none_is_there_where_one_cannot_be(tmp_path):
    (tmp_path / "b").write_text("old")
    with pytest.raises(FileExistsError) as e:
        secret_file.write({tmp_path / "a": "1", tmp_path / "b": "2"})
    assert e.value.filename == str(tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        secret_file.write({tmp_path / "a": "1", tmp_path / "no/c": "2"}, force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("b", "old")]


@pytest.mark.parametrize("there", [False, True])
def test_a_file_system_without_links_overwrites_nothing_either(there, tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "a"
    if there:
        path.write_text("old")
        with pytest.raises(FileExistsError):
            secret_file.write({path: "new"})
    else:
        secret_file.write({path: "new"})
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("old" if there else "new", 1)


# A group


def test_a_members_file_has_all_that_it_needs_and_no_other_private_key(group):
    shown = group.json("group", "export", "building")
    assert [(each["path"], each["id"], each["private_key"]) for each in shown["written"]] == [
        ("keys/kitchen--building.json", "01", True),
        ("keys/hall--building.json", "02", True),
    ]
    manager, kitchen, hall = (
        group.read(f"keys/{n}") for n in ("building.group.json", *(w["path"][5:] for w in shown["written"]))
    )
    assert {key: kitchen[key] for key in ("name", "aead", "group_encryption", "signature", "key_agreement")} == {
        "name": "building",
        "aead": 10,
        "group_encryption": 10,
        "signature": -8,
        "key_agreement": -27,
    }
    for key in ("gid", "master_secret", "master_salt"):
        assert kitchen[key] == hall[key] == manager[key]
    assert kitchen["manager_credential"] == manager["credential"]
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(kitchen["private_key"]))
    assert public(kitchen["credential"]) == private.public_key().public_bytes_raw()
    assert kitchen["members"] == [{"name": "hall", "id": "02", "credential": hall["credential"]}]
    text = (group.path / "keys/kitchen--building.json").read_text()
    assert manager["private_key"] not in text and hall["private_key"] not in text
    assert len(manager["gid"]) == 8


def test_a_private_key_made_elsewhere_stays_there(group):
    credential = group.read("keys/alice.key.json")["credential"]
    group("group", "add", "building", "alice", "--credential", "keys/alice.credential")
    shown = group.json("group", "export", "building", "alice")
    assert shown["written"][0]["private_key"] is False
    exported = group.read("keys/alice--building.json")
    assert (exported["private_key"], exported["credential"], exported["sender_id"]) == (None, credential, "03")
    assert group.read("keys/alice.key.json")["private_key"] not in (group.path / "keys/building.group.json").read_text()

    group("group", "export", "building", "alice", "--key", "keys/alice.key.json", "--output", "whole.json")
    assert group.read("whole.json") == {**exported, "private_key": group.read("keys/alice.key.json")["private_key"]}


def test_a_credential_may_be_given_in_hexadecimal(group):
    credential = group.read("keys/alice.key.json")["credential"]
    group("group", "add", "building", "alice", "--credential", credential)
    assert group.read("keys/building.group.json")["members"][-1]["credential"] == credential


def test_a_silent_member_has_no_id_and_nobody_knows_it(group):
    group("group", "add", "building", "lamp", "--silent")
    group("group", "export", "building")
    lamp = group.read("keys/lamp--building.json")
    assert (lamp["sender_id"], lamp["private_key"], lamp["credential"]) == (None, None, None)
    assert [member["name"] for member in lamp["members"]] == ["kitchen", "hall"]
    assert [member["name"] for member in group.read("keys/hall--building.json")["members"]] == ["kitchen"]


@pytest.mark.parametrize(
    ("options", "algorithms"),
    [
        ([], (10, 10, -8, -27)),
        (["--mode", "group"], (None, 10, -8, None)),
        (["--mode", "pairwise"], (10, None, None, -27)),
        (["--encryption", "aes-ctr"], (10, -65534, -8, -27)),
        (["--mode", "group", "--encryption", "aes-ctr", "--gid", "0a01"], (None, -65534, -8, None)),
    ],
)
def test_algorithms_follow_from_the_modes(options, algorithms, folder):
    folder("group", "new", "building", *options)
    folder("group", "add", "building", "kitchen")
    folder("group", "export", "building")
    found = folder.read("keys/kitchen--building.json")
    assert tuple(found[key] for key in ("aead", "group_encryption", "signature", "key_agreement")) == algorithms
    assert "--gid" not in options or found["gid"] == "0a01"


def test_a_deterministic_client_has_an_id_of_its_own(folder):
    folder("group", "new", "building", "--deterministic")
    shown = folder.json("group", "add", "building", "kitchen")
    folder("group", "export", "building")
    assert folder.read("keys/kitchen--building.json")["deterministic_id"] == "01"
    assert shown["written"][0]["id"] == "02"


def test_a_checker_has_what_signatures_need_and_no_way_to_the_messages(group):
    shown = group.json("group", "export", "building", "--checker")
    manager, found = group.read("keys/building.group.json"), group.read("keys/building.checker.json")
    assert shown["written"] == [{"path": "keys/building.checker.json", "kind": "checker", "gid": manager["gid"]}]
    text = (group.path / "keys/building.checker.json").read_text()
    for key in ("master_secret", "private_key"):
        assert manager[key] not in text
    assert [member["name"] for member in found["members"]] == ["kitchen", "hall"]


def test_key_for_the_keystream_of_signatures_is_that_of_aiocoap(group):
    from aiocoap import oscore

    group("group", "export", "building", "--checker")
    manager = group.read("keys/building.group.json")
    seed, credential = (bytes.fromhex(manager["members"][0][key]) for key in ("private_key", "credential"))
    theirs = oscore.SimpleGroupContext(
        oscore.algorithms["AES-CCM-16-64-128"],
        oscore.hashfunctions["sha256"],
        oscore.Ed25519(),
        oscore.algorithms["AES-CCM-16-64-128"],
        oscore.EcdhSsHkdf256(),
        bytes.fromhex(manager["gid"]),
        bytes.fromhex(manager["master_secret"]),
        bytes.fromhex(manager["master_salt"]),
        b"\1",
        seed,
        credential,
        {},
        bytes.fromhex(manager["credential"]),
    )
    assert theirs.signature_encryption_key.hex() == group.read("keys/building.checker.json")["signature_encryption_key"]


def test_rekeying_changes_gid_and_secrets_and_gives_no_id_twice(group):
    before = group.read("keys/building.group.json")
    shown = group.json("group", "rekey", "building", "--remove", "hall")
    group("group", "add", "building", "cellar")
    after = group.read("keys/building.group.json")
    assert int(after["gid"], 16) == int(before["gid"], 16) + 1 and shown["written"][0]["gid"] == after["gid"]
    assert after["master_secret"] != before["master_secret"] and after["master_salt"] != before["master_salt"]
    assert after["members"][0] == before["members"][0] and after["credential"] == before["credential"]
    assert [(member["name"], member["id"]) for member in after["members"]] == [("kitchen", "01"), ("cellar", "03")]


def test_the_last_gid_is_followed_by_the_first(folder):
    folder("group", "new", "building", "--gid", "ffff")
    assert folder.json("group", "rekey", "building")["written"][0]["gid"] == "0000"


def test_show_tells_the_members(group):
    shown = group.json("group", "show", "building")
    assert [(member["name"], member["id"]) for member in shown["members"]] == [("kitchen", "01"), ("hall", "02")]
    assert "kitchen: Sender ID 01" in group("group", "show", "building")


def test_two_who_add_members_at_a_time_lose_none(group):
    command = [sys.executable, TOOL, "group", "add", "building"]
    names = [f"node{i}" for i in range(6)]
    running = [subprocess.Popen([*command, name], cwd=group.path, stdout=subprocess.DEVNULL) for name in names]
    assert [process.wait(60) for process in running] == [0] * 6
    members = group.read("keys/building.group.json")["members"]
    assert {member["name"] for member in members} == {"kitchen", "hall", *names}
    assert len({member["id"] for member in members}) == 8


def test_a_group_has_33_speaking_members_at_most(group):
    path = group.path / "keys/building.group.json"
    table = security.read(str(path), keys_group.SCHEMAS)[1]
    for number in range(3, 34):
        credential = keys.credential_of(f"n{number}", bytes([number]) * 32)
        table["members"].append(
            {"name": f"n{number}", "id": keys.as_id(number), "private_key": None, "credential": credential}
        )
    table["next_id"] = 34
    path.write_text(keys.text_of("manager", table))
    assert "as many members" in group.refused("group", "add", "building", "more")
    group("group", "add", "building", "lamp", "--silent")
    group("group", "export", "building", "hall")
    kind, found = security.read(str(group.path / "keys/hall--building.json"))  # a node takes it
    assert len(found["members"]) == 32
    assert "at most 32" in str(pytest.raises(security.ConfigError, exported_with_one_more, group).value)


def exported_with_one_more(group):
    group("group", "export", "building", "lamp")
    security.read(str(group.path / "keys/lamp--building.json"))


# What is wrong


WRONG = [
    (["keygen"], "NODE"),
    (["keygen", "1st"], "a letter first"),
    (["keygen", "a/b"], "letters"),
    (["keygen", "../a", "b"], "letters"),
    (["keygen", "x" * 33], "32"),
    (["keygen", "alice", "alice"], "another node"),
    (["keygen", "alice", "b", "c"], "unrecognized"),
    (["keygen", "alice", "--folder", "keys/alice.credential"], "keys/alice.credential: "),
    (["keygen", "alice"], "keys/alice.key.json: is there already; --force"),
    (["group"], "new|add|export"),
    (["group", "drop", "building"], "drop"),
    (["group", "new"], "GROUP"),
    (["group", "new", "building"], "keys/building.group.json: is there already; --force"),
    (["group", "new", "b", "--gid", "xyz"], "1 to 32 bytes"),
    (["group", "new", "b", "--gid", ""], "1 to 32 bytes"),
    (["group", "new", "b", "--gid", "00" * 33], "1 to 32 bytes"),
    (["group", "new", "b", "--mode", "none"], "--mode"),
    (["group", "new", "b", "--mode", "pairwise", "--encryption", "aes-ctr"], "--encryption: expected none"),
    (["group", "new", "b", "--mode", "group", "--deterministic"], "--deterministic: expected --mode both"),
    (["group", "add", "building"], "MEMBER"),
    (["group", "add", "attic", "kitchen"], "keys/attic.group.json: is not there; `groupcoap group new attic`"),
    (["group", "add", "building", "kitchen"], "a member kitchen already"),
    (["group", "add", "building", "x", "--silent", "--credential", "a2"], "--credential: expected none"),
    (["group", "add", "building", "x", "--credential", "a2"], "--credential: "),
    (["group", "add", "building", "x", "--credential", "nowhere"], "nowhere: No such file"),
    (
        ["group", "add", "building", "x", "--credential", "keys/alice.key.json"],
        "keys/alice.key.json: expected a credential",
    ),
    (["group", "add", "building", "x", "--credential", "keys"], "keys: "),
    (
        ["group", "add", "building", "x", "--credential", "a108a101a40101032720062158200100" + "00" * 31],
        "--credential: ",
    ),
    (["group", "export", "building", "attic"], "no member attic"),
    (["group", "export", "building", "--output", "x"], "--output: expected one MEMBER"),
    (["group", "export", "building", "hall", "kitchen", "--key", "x"], "--key: expected one MEMBER"),
    (["group", "export", "building", "hall", "--key", "keys/alice.key.json"], "expected the key of hall"),
    (
        ["group", "export", "building", "hall", "--key", "keys/building.group.json"],
        "keys/building.group.json: expected",
    ),
    (["group", "export", "building", "hall", "--output", "no/x"], "no/x: No such file"),
    (["group", "export", "building", "hall", "--checker"], "--checker: expected without MEMBER"),
    (["group", "rekey", "building", "--remove", "attic"], "no member attic"),
    (["group", "show", "attic"], "keys/attic.group.json: is not there"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What `group` has, made once."""
    found = Folder(tmp_path_factory.mktemp("made"))
    found("group", "new", "building")
    for name in ("kitchen", "hall"):
        found("group", "add", "building", name)
    found("keygen", "alice")
    return found


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(case[0])[:60] for case in WRONG])
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_written(arguments, words, made):
    line = made.refused(*arguments)
    assert line.startswith("groupcoap: ") and words in line


def test_a_private_key_given_as_a_credential_is_not_shown(made):
    key = made.read("keys/alice.key.json")["private_key"]
    assert "--credential: " in made.refused("group", "add", "building", "x", "--credential", key)


def test_a_credential_whose_key_signs_for_nobody_is_refused(made):
    weak = keys.credential_of("x", b"\1" + bytes(31)).hex()
    assert "a point of small order" in made.refused("group", "add", "building", "x", "--credential", weak)


def test_the_same_credential_is_no_second_member(group):
    group("group", "add", "building", "alice", "--credential", "keys/alice.credential")
    assert "another" in group.refused("group", "add", "building", "x", "--credential", "keys/alice.credential")


def test_a_group_without_members_or_signatures_exports_none(folder):
    folder("group", "new", "building", "--mode", "pairwise")
    assert "no members yet" in folder.refused("group", "export", "building")
    assert "group mode" in folder.refused("group", "export", "building", "--checker")
    assert "group mode" in folder.refused("group", "add", "building", "lamp", "--silent")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.pop("master_secret"), "manager.master_secret: expected 16 to 64 bytes in hexadecimal"),
        (lambda table: table.update(master_secret="00" * 15), "manager.master_secret: expected 16 to 64 bytes"),
        (lambda table: table.update(private_key=table["private_key"] + " "), "manager.private_key: expected 32 bytes"),
        (lambda table: table.update(colour="red"), "manager.colour: unknown key"),
        (lambda table: table["members"][0].update(id=5), "manager.members[0].id: expected 0 to 7 bytes"),
        (lambda table: table.update(next_id=0), "manager.next_id: expected a whole number"),
        (lambda table: table.update(members={}), "manager.members: expected a list"),
    ],
)
def test_a_managers_file_that_is_damaged_is_told_without_a_secret(change, words, group):
    path = group.path / "keys/building.group.json"
    value = json.loads(path.read_text())
    change(value["manager"])
    path.write_text(json.dumps(value))
    line = group.refused("group", "add", "building", "x")
    assert f"groupcoap: keys/building.group.json: {words}" in line
    assert not re.search("[0-9a-f]{16}", line)


def test_a_managers_file_that_others_may_read_is_refused(group):
    (group.path / "keys/building.group.json").chmod(0o640)
    line = group.refused("group", "show", "building")
    assert line == "groupcoap: keys/building.group.json: others may read it: chmod 600 keys/building.group.json\n"


@pytest.mark.parametrize("arguments", [["keygen"], ["group"], ["group", "export"]])
def test_help_has_examples(arguments, folder):
    shown = folder(*arguments, "--help")
    assert shown.startswith("usage: ") and "examples:" in shown


# What the files are good for


class Store:
    def read(self, name):
        return None

    def write(self, name, data):
        pass


def loaded(folder, *files):
    """(contexts, checkers, names) of a node whose configuration names these."""
    settings = {"files": [f"keys/{file}.json" for file in files], "sequence_ahead": 64}
    return security.load(settings, f"{folder.path}/", Store())


def contexts(folder, *files):
    return loaded(folder, *files)[0]


def finish(steps):
    while not steps.step():
        pass
    return steps


def sent(seal, opener, checker=None, code=1):
    """A message that one seals and another opens: (the exchange of the one, that of the other), payload checked."""
    from groupcoap.message import Message, Writer

    plain, buf, out = (Writer(bytearray(1280)) for _ in range(3))
    plain.begin(1, code, 7, b"tok")
    plain.payload(b"hello")
    m = Message()
    m.parse(plain.buf, plain.end)
    exchange, sealing = seal(m, buf)
    finish(sealing).finish()
    protected = Message()
    protected.parse(buf.buf, buf.end)
    if checker is not None:
        checked = finish(checker.check_request(protected))
        assert checked.valid and checked.member.name == "alice"
    found = finish(opener(protected)).finish(out)
    assert b"hello" in bytes(out.buf[: out.end]) and b"hello" not in bytes(buf.buf[: buf.end])
    return exchange, found


def test_what_one_node_protects_the_other_opens(folder):
    folder("keygen", "alice", "proxy")
    alice, proxy = contexts(folder, "alice--proxy").contexts[0], contexts(folder, "proxy--alice")
    _, found = sent(alice.seal_request, proxy.open_request)
    assert found.name == "alice"


def test_what_a_member_protects_another_opens(group):
    group("group", "add", "building", "alice", "--credential", "keys/alice.credential")
    group("group", "add", "building", "lamp", "--silent")
    group("group", "export", "building")
    alice = contexts(group, "alice.key", "alice--building").groups[0]
    group("group", "export", "building", "--checker")
    _, (checker,), names = loaded(group, "building.checker")
    assert names == []
    for name in ("kitchen--building", "lamp--building"):
        _, found = sent(alice.seal_request, contexts(group, name).open_request, checker)
        assert found.name == "alice"
    hall = contexts(group, "hall--building")
    to = [member for member in alice.members if member.name == "hall"][0]
    _, found = sent(lambda m, out: alice.seal_request(m, out, to=to), hall.open_request)
    assert found.name == "alice"


def test_who_was_taken_out_opens_nothing_after_a_rekeying(group):
    from groupcoap.oscore.errors import Rejected

    group("group", "export", "building")
    old = contexts(group, "hall--building")
    group("group", "rekey", "building", "--remove", "hall")
    group("group", "add", "building", "cellar")
    group("group", "export", "building", "--force")
    kitchen = contexts(group, "kitchen--building").groups[0]
    _, found = sent(kitchen.seal_request, contexts(group, "cellar--building").open_request)
    assert found.name == "kitchen"
    with pytest.raises(Rejected):
        sent(kitchen.seal_request, old.open_request)


def test_commands_that_run_at_the_same_time_never_use_a_number_twice(folder):
    folder.run("keygen", "alice", "bob")
    file = str(folder.path / "keys/alice--bob.json")
    running = [client_keys._load([file], False)[0][0].sequence for _ in range(3)]
    taken = [each.take() for i in range(5 * client_keys.AHEAD) for each in running[: 1 + i % 3]]
    running.append(client_keys._load([file], False)[0][0].sequence)
    taken.append(running[-1].take())
    assert len(taken) == len(set(taken)) and max(taken) < len(taken) + len(running) * client_keys.AHEAD

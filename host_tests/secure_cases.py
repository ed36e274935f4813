"""Cases of OSCORE and Group OSCORE between a client and a server, of aiocoap or ours, as processes on real sockets.

Every case is a function of a World, which knows whose client and whose server it has; test_secure_interop.py has the
pairs that run. `without` names pairs in which a case cannot be, and why.
"""

import contextlib
import json
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import foreign
import peers
import secure_keys
import support

AIOCOAP, OURS = "aiocoap", "groupcoap"
PAIRS = [(AIOCOAP, AIOCOAP), (AIOCOAP, OURS), (OURS, AIOCOAP), (OURS, OURS)]

HEAP = "512K"  # of a node with security
LONG = {AIOCOAP: "".join(f"{i:09}\n" for i in range(300)), OURS: "".join(f"{i:09}\n" for i in range(100))}
GROUP = {"alice": "25", "bob": "26", "kitchen": "01", "hall": "02", "attic": "03"}
NO_BLOCKS_IN_GROUP_MODE = "aiocoap's client cannot go on after a block that came in group mode"

CASES = []


def case(function=None, without=(), reason=""):
    """Note a case for all pairs but `without`."""
    if function is None:
        return lambda function: case(function, without, reason)
    assert bool(without) == bool(reason)
    function.without = without
    CASES.append(function)
    return function


class World:
    def __init__(self, client, server, folder, lan, node):
        self.client, self.server, self.folder, self.lan = client, server, folder, lan
        self._node, self._stack = node, contextlib.ExitStack()
        self.closing = self._stack.close
        self.long = LONG[server]

    # Servers

    def serve(self, *keys, group=None, value="21.5", lost=False, group_mode=None, address=None):
        """Start a server that holds these key files: its URI. lost: it has forgotten what it had received.

        group_mode: are requests in group mode answered so, rather than pairwise? None: as the server does by default.
        """
        address = address or self.lan.address()
        start = {AIOCOAP: self._serve_aiocoap, OURS: self._serve_ours}[self.server]
        start(address, keys, group, value, lost, group_mode)
        return f"coap://{address}"

    def _serve_aiocoap(self, address, keys, group, value, lost, group_mode):
        command = [sys.executable, support.REPO / "host_tests/aiocoap_secure.py", "server", address, "--value", value]
        for key in keys:
            command += "--key", key
        if group:
            command += "--group", group
        command += ["--lost"] * lost + ["--answer-in-group-mode"] * bool(group_mode)
        self._stack.enter_context(foreign.serving(address, *command))

    def _serve_ours(self, address, keys, group, value, lost, group_mode):
        security = {"files": [str(key) for key in keys], "required": True}
        security["state"] = str(self.folder / f"state-{address}")
        if group_mode is not None:
            security["pairwise_answers"] = not group_mode
        config = peers.server_config(group, value, address=address, block_size=256, notify_interval_s=0)
        config["security"] = security
        config["resources"]["temp"]["observable"] = True
        config["resources"]["big"] = {"value": self.long}
        config["resources"]["open"] = {"value": "open", "protected": False}
        node = self._node(config, HEAP)
        if lost:  # what a node has received it does not keep: it starts with windows that are not valid
            node.kill()
            self._node(config, HEAP)

    def proxy(self, groups=(), client="127.0.0.1", keys=()):
        """A forward-proxy of ours, for a client by its address, or its name in one of these key files: its URI."""
        config = peers.proxy_config(client, list(groups))
        if keys:
            config["security"] = {"files": [str(key) for key in keys], "state": str(self.folder / "state-proxy")}
        return self._node(config, HEAP if keys else "256K").uri

    # Clients

    def ask(self, *how, **more):
        """Send a request, see start(): the responses, each {"code", "payload", "by", "source"}."""
        return self.start(*how, **more).rest()

    def start(self, uri, key, method="get", payload=None, to=None, deterministic=False, observe=0, **more):
        """Start a client: a Client. `key`: its file, None: unprotected; `to`: in pairwise mode, to this member.

        more: non, block_size, seconds (for which a group's responses are collected), proxy (a URI), proxy_key (a file
        of what the client shares with the proxy), again (only aiocoap's: a replay).
        """
        make = {AIOCOAP: self._aiocoap_client, OURS: self._our_client}[self.client]
        command = make(uri, key, method, payload, to, deterministic, observe, **more)
        return self._stack.enter_context(Client(self.client, command))

    @staticmethod
    def _aiocoap_client(
        uri,
        key,
        method,
        payload,
        to,
        deterministic,
        observe,
        non=False,
        block_size=None,
        seconds=None,
        proxy=None,
        proxy_key=None,
        again=0,
    ):
        command = [sys.executable, support.REPO / "host_tests/aiocoap_secure.py", "request", method, uri]
        named = {"key": key, "pairwise": to, "payload": payload, "observe": observe or None, "block-size": block_size}
        named |= {"collect": seconds, "proxy": proxy, "proxy-key": proxy_key, "again": again or None}
        if proxy and seconds:
            named["outer"] = f"{peers.MULTICAST_TIMEOUT}={peers.uint(int(seconds)).hex()}"
        for name, value in named.items():
            if value is not None:
                command += f"--{name}", str(value)
        return command + ["--deterministic"] * deterministic + ["--non"] * non

    @staticmethod
    def _our_client(
        uri, key, method, payload, to, deterministic, observe, non=False, block_size=None, seconds=None, proxy=None,
        proxy_key=None,
    ):  # fmt: skip
        command = [sys.executable, support.REPO / "tools/groupcoap", "observe" if observe else method, uri]
        command += [payload] if payload is not None else []
        named = {"key": key, "to": to, "count": observe or None, "block-size": block_size, "proxy": proxy}
        named["timeout"] = None if seconds is None else max(1, int(seconds))
        for name, value in named.items():
            if value is not None:
                command += f"--{name}", str(value)
        command += ["--proxy-key", proxy_key] if proxy_key else []
        command += ["--multicast-interface", "127.0.0.1"] if seconds and not proxy else []
        return command + ["--deterministic"] * deterministic + ["--non"] * non + ["--json"]

    def assert_sent(self, key, count):
        """So many requests have been sent with this key file, where the client keeps their number beside it."""
        if self.client == AIOCOAP:
            assert key.with_name(f"{key.name}.sequence").read_text() == str(count)


class Client:
    """A client's process, and its lines as they come."""

    def __init__(self, kind, command):
        self._kind = kind
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._timer = threading.Timer(60, self._process.kill)

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    def next(self):
        """The next response."""
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return self._response(json.loads(line))

    def rest(self):
        """All further responses, once the process has ended."""
        out, err = self._process.communicate()
        print(err, end="", file=sys.stderr)
        return [self._response(json.loads(line)) for line in out.splitlines()]

    def _response(self, found):
        if self._kind == OURS and "code" in found:
            found["source"] = urlsplit(found["origin"]).hostname
            found.setdefault("by", None)
        return found


def told(responses):
    """(code, payload, by whom) of each."""
    assert all("code" in response for response in responses), responses
    return [(response["code"], response["payload"], response["by"]) for response in responses]


def without_security(responses):
    """The codes of responses that are not protected."""
    return [code for code, _, by in told(responses) if by is None]


def believed(responses):
    """Those that are said to be verified."""
    return [response for response in responses if response.get("by") is not None]


def in_mode(mode, responses):
    """The responses, which must have come in this mode, where the client says in which."""
    assert {response.get("mode", mode) for response in responses} == {mode}
    return responses


# OSCORE


def alice(world, **more):
    """A server that knows alice: (its URI, alice's key file)."""
    at_client, at_server = secure_keys.oscore(world.folder, "alice", "server", **more)
    return world.serve(at_server), at_client


@case
def oscore_get(world):
    uri, key = alice(world)
    assert told(world.ask(f"{uri}/temp", key)) == [("2.05", "21.5", "server")]


@case
def oscore_non_confirmable(world):
    uri, key = alice(world)
    assert told(world.ask(f"{uri}/temp", key, non=True)) == [("2.05", "21.5", "server")]


@case
def oscore_with_id_context(world):
    uri, key = alice(world, id_context="37cbf3210017a2d3")
    assert told(world.ask(f"{uri}/temp", key)) == [("2.05", "21.5", "server")]


@case
def oscore_with_a_tag_of_16_bytes(world):
    uri, key = alice(world, algorithm=secure_keys.AES_CCM_16_128_128)
    assert told(world.ask(f"{uri}/temp", key)) == [("2.05", "21.5", "server")]


@case
def oscore_with_empty_sender_id(world):
    uri, key = alice(world, ids=("", "01"))
    assert told(world.ask(f"{uri}/temp", key)) == [("2.05", "21.5", "server")]


@case
def oscore_put_then_get_in_further_processes(world):
    uri, key = alice(world)
    for value in ("30", "31"):
        assert told(world.ask(f"{uri}/temp", key, "put", value)) == [("2.04", "", "server")]
        assert told(world.ask(f"{uri}/temp", key)) == [("2.05", value, "server")]


@case
def oscore_error_is_protected(world):
    uri, key = alice(world)
    ((code, _, by),) = told(world.ask(f"{uri}/missing", key))
    assert (code, by) == ("4.04", "server")


@case
def oscore_block_wise_get(world):
    uri, key = alice(world)
    for block_size in (None, 128):
        assert told(world.ask(f"{uri}/big", key, block_size=block_size)) == [("2.05", world.long, "server")]


@case
def oscore_block_wise_put(world):
    uri, key = alice(world)
    body = world.long[::-1]
    assert told(world.ask(f"{uri}/big", key, "put", body, block_size=256)) == [("2.04", "", "server")]
    assert told(world.ask(f"{uri}/big", key)) == [("2.05", body, "server")]


@case
def oscore_observe(world):
    observers, changers = (secure_keys.oscore(world.folder, name, "server", ids) for name, ids in TWO_CLIENTS)
    uri = world.serve(observers[1], changers[1])
    observe(world, uri, observers[0], changers[0], "server")


TWO_CLIENTS = ("alice", ("01", "02")), ("bob", ("03", "04"))


def observe(world, uri, key, changing_key, by, **how):
    observer = world.start(f"{uri}/temp", key, observe=3, **how)
    assert told([observer.next()]) == [("2.05", "21.5", by)]
    for value in ("22", "23"):
        assert told(world.ask(f"{uri}/temp", changing_key, "put", value)) == [("2.04", "", by)]
        assert told([observer.next()]) == [("2.05", value, by)]
    assert observer.rest() == []


@case
def unprotected_request_is_refused(world):
    uri, _ = alice(world)
    assert told(world.ask(f"{uri}/temp", None))[0][0] == "4.01"
    assert told(world.ask(f"{uri}/open", None)) == [("2.05", "open", None)]


@case
def oscore_unknown_context_is_refused(world):
    uri, _ = alice(world)
    stranger, _ = secure_keys.oscore(world.folder, "stranger", "server", ("07", "02"))
    assert without_security(world.ask(f"{uri}/temp", stranger)) == ["4.01"]


@case
def oscore_other_secret_is_refused(world):
    uri, _ = alice(world)
    impostor, _ = secure_keys.oscore(world.folder, "impostor", "server")
    assert without_security(world.ask(f"{uri}/temp", impostor)) == ["4.00"]


@case(without=[(OURS, AIOCOAP), (OURS, OURS)], reason="our client does not replay")
def oscore_replay_is_refused(world):
    uri, key = alice(world)
    found = told(world.ask(f"{uri}/temp", key, again=1))
    assert found == [("2.05", "21.5", "server"), ("4.01", "Replay detected", None)]


@case
def oscore_window_is_recovered_by_an_echo(world):
    at_client, at_server = secure_keys.oscore(world.folder, "alice", "server")
    uri = world.serve(at_server, lost=True)
    for sent in (2, 3):
        assert told(world.ask(f"{uri}/temp", at_client)) == [("2.05", "21.5", "server")]
        world.assert_sent(at_client, sent)


# Group OSCORE, in group mode and pairwise


def building(world, group_mode=None, lost=False, **more):
    """A server that is the building's kitchen: (its URI, key files of all members by name)."""
    keys = secure_keys.group(world.folder, GROUP, **more)
    return world.serve(keys["kitchen"], group_mode=group_mode, lost=lost), keys


def get_in_all_modes(world, **more):
    for group_mode in (False, True):
        uri, keys = building(world, group_mode, name=f"building-{group_mode}", **more)
        found = in_mode("group" if group_mode else "pairwise", world.ask(f"{uri}/temp", keys["alice"]))
        assert told(found) == [("2.05", "21.5", "kitchen")]
        found = in_mode("pairwise", world.ask(f"{uri}/temp", keys["alice"], to="kitchen"))
        assert told(found) == [("2.05", "21.5", "kitchen")]


@case
def group_get(world):
    get_in_all_modes(world)


@case
def group_encryption_without_a_tag(world):
    get_in_all_modes(world, group_encryption=secure_keys.A128CTR)


@case
def group_with_tags_of_16_bytes(world):
    get_in_all_modes(world, aead=secure_keys.AES_CCM_16_128_128, group_encryption=secure_keys.AES_CCM_16_128_128)


@case
def group_with_tags_of_two_lengths(world):
    get_in_all_modes(world, aead=secure_keys.AES_CCM_16_128_128)


@case
def group_impostor_is_refused(world):
    uri, keys = building(world)
    impostor = secure_keys.with_another_key(keys["alice"])
    for to in (None, "kitchen"):
        assert without_security(world.ask(f"{uri}/temp", impostor, to=to)) == ["4.00"]


@case
def group_impostor_is_not_believed(world):
    keys = secure_keys.group(world.folder, GROUP)
    uri = world.serve(secure_keys.with_another_key(keys["kitchen"]), group=(group := world.lan.group()))
    assert uri and not believed(world.ask(f"coap://{group}/temp", keys["alice"], seconds=1))


@case
def group_put_then_get_by_another_member(world):
    uri, keys = building(world)
    assert told(world.ask(f"{uri}/temp", keys["alice"], "put", "30")) == [("2.04", "", "kitchen")]
    assert told(world.ask(f"{uri}/temp", keys["bob"])) == [("2.05", "30", "kitchen")]
    assert told(world.ask(f"{uri}/temp", keys["bob"], "put", "31", to="kitchen")) == [("2.04", "", "kitchen")]
    assert told(world.ask(f"{uri}/temp", keys["alice"], to="kitchen")) == [("2.05", "31", "kitchen")]


@case
def group_block_wise_get_answered_pairwise(world):
    uri, keys = building(world, group_mode=False)
    assert told(world.ask(f"{uri}/big", keys["alice"])) == [("2.05", world.long, "kitchen")]


@case(without=[(AIOCOAP, AIOCOAP), (AIOCOAP, OURS)], reason=NO_BLOCKS_IN_GROUP_MODE)
def group_block_wise_get_answered_in_group_mode(world):
    uri, keys = building(world, group_mode=True)
    assert told(world.ask(f"{uri}/big", keys["alice"])) == [("2.05", world.long, "kitchen")]


@case
def pairwise_block_wise_get_and_put(world):
    uri, keys = building(world)
    body = world.long[::-1]
    assert told(world.ask(f"{uri}/big", keys["alice"], to="kitchen")) == [("2.05", world.long, "kitchen")]
    sent = world.ask(f"{uri}/big", keys["alice"], "put", body, to="kitchen", block_size=256)
    assert told(sent) == [("2.04", "", "kitchen")]
    assert told(world.ask(f"{uri}/big", keys["alice"], to="kitchen")) == [("2.05", body, "kitchen")]


@case
def group_mode_observe(world):
    for group_mode in (False, True):
        uri, keys = building(world, group_mode, name=f"observed-{group_mode}")
        observe(world, uri, keys["alice"], keys["bob"], "kitchen")


@case
def pairwise_observe(world):
    uri, keys = building(world)
    observe(world, uri, keys["alice"], keys["bob"], "kitchen", to="kitchen")


@case
def group_error_is_protected(world):
    uri, keys = building(world)
    for to in (None, "kitchen"):
        ((code, _, by),) = told(world.ask(f"{uri}/missing", keys["alice"], to=to))
        assert (code, by) == ("4.04", "kitchen")


@case
def other_group_is_refused(world):
    uri, _ = building(world)
    others = secure_keys.group(world.folder, GROUP, name="other")
    assert without_security(world.ask(f"{uri}/temp", others["alice"], to="kitchen")) == ["4.01"]


@case(without=[(OURS, AIOCOAP), (OURS, OURS)], reason="our client does not replay")
def group_replay_is_refused(world):
    uri, keys = building(world)
    found = told(world.ask(f"{uri}/temp", keys["alice"], to="kitchen", again=1))
    assert found == [("2.05", "21.5", "kitchen"), ("4.01", "Replay detected", None)]


@case
def group_window_is_recovered_by_an_echo(world):
    uri, keys = building(world, group_mode=False, lost=True)
    for member, to in (("alice", None), ("bob", "kitchen")):
        for sent in (2, 3):
            assert told(world.ask(f"{uri}/temp", keys[member], to=to)) == [("2.05", "21.5", "kitchen")]
            world.assert_sent(keys[member], sent)


# Several servers


def three(world, group_mode=None, **more):
    """Three servers in one multicast group: (its URI, what they are expected to say, key files)."""
    keys, group = secure_keys.group(world.folder, GROUP, **more), world.lan.group()
    rooms = {"kitchen": "21", "hall": "22", "attic": "23"}
    for room, value in rooms.items():
        world.serve(keys[room], group=group, value=value, group_mode=group_mode)
    return f"coap://{group}", [("2.05", value, room) for room, value in sorted(rooms.items())], keys


def by_member(responses):
    return sorted(told(responses), key=lambda response: response[2])


@case
def multicast_in_group_mode(world):
    for group_mode in (False, True):
        uri, expected, keys = three(world, group_mode, name=f"house-{group_mode}")
        found = world.ask(f"{uri}/temp", keys["alice"], seconds=1)
        assert by_member(in_mode("group" if group_mode else "pairwise", found)) == expected


@case
def multicast_to_one_pairwise(world):
    uri, _, keys = three(world)
    assert told(world.ask(f"{uri}/temp", keys["alice"], to="hall", seconds=1)) == [("2.05", "22", "hall")]


# Deterministic requests


@case
def deterministic_get(world):
    uri, keys = building(world, deterministic_id="dc")
    for member in ("alice", "bob", "alice"):  # no replay protection: the server answers the same message again
        found = in_mode("group", world.ask(f"{uri}/temp", keys[member], deterministic=True))
        assert told(found) == [("2.05", "21.5", "kitchen")]


@case(without=[(OURS, AIOCOAP), (OURS, OURS)], reason="our client sends safe methods only as deterministic requests")
def deterministic_put_is_refused(world):
    uri, keys = building(world, deterministic_id="dc")
    ((code, _, by),) = told(world.ask(f"{uri}/temp", keys["alice"], "put", "30", deterministic=True))
    # The draft has a protected 4.01 here; aiocoap's server gives an unprotected 4.00.
    assert (code, by) == (("4.00", None) if world.server == AIOCOAP else ("4.01", "kitchen"))
    assert told(world.ask(f"{uri}/temp", keys["alice"])) == [("2.05", "21.5", "kitchen")]


@case
def deterministic_multicast(world):
    uri, expected, keys = three(world, deterministic_id="dc")
    assert by_member(world.ask(f"{uri}/temp", keys["alice"], deterministic=True, seconds=1)) == expected


# Through a proxy of ours that knows no keys


@case
def end_to_end_through_a_proxy(world):
    uri, key = alice(world)
    proxy = world.proxy()
    assert told(world.ask(f"{uri}/temp", key, proxy=proxy)) == [("2.05", "21.5", "server")]
    assert told(world.ask(f"{uri}/temp", key, "put", "30", proxy=proxy)) == [("2.04", "", "server")]


@case
def end_to_end_with_a_group_through_a_proxy(world):
    uri, expected, keys = three(world, deterministic_id="dc")
    proxy = world.proxy([urlsplit(uri).hostname])
    assert by_member(world.ask(f"{uri}/temp", keys["alice"], proxy=proxy, seconds=2)) == expected
    found = world.ask(f"{uri}/temp", keys["alice"], deterministic=True, proxy=proxy, seconds=2)
    assert by_member(found) == expected


# Through a proxy of ours that has a security context with the client (draft-ietf-core-oscore-capable-proxies)


@case
def two_layers_through_a_proxy(world):
    uri, key = alice(world)
    shared, proxys = secure_keys.oscore(world.folder, "alice", "proxy")
    proxy = world.proxy(client="alice", keys=[proxys])
    found = world.ask(f"{uri}/temp", key, proxy=proxy, proxy_key=shared)
    assert told(found) == [("2.05", "21.5", "server")]


@case
def two_layers_with_a_group_through_a_proxy(world):
    uri, expected, keys = three(world, deterministic_id="dc")
    shared, proxys = secure_keys.oscore(world.folder, "alice", "proxy")
    proxy = world.proxy([urlsplit(uri).hostname], "alice", [proxys])
    for deterministic in (False, True):
        how = {"deterministic": deterministic, "proxy": proxy, "proxy_key": shared, "seconds": 2}
        assert by_member(world.ask(f"{uri}/temp", keys["alice"], **how)) == expected


@case
def proxy_refuses_who_is_not_in_its_list(world):
    uri, key = alice(world)
    _, proxys = secure_keys.oscore(world.folder, "alice", "proxy")
    proxy = world.proxy(client="alice", keys=[proxys])
    stranger, _ = secure_keys.oscore(world.folder, "stranger", "proxy", ("07", "02"))
    assert without_security(world.ask(f"{uri}/temp", key, proxy=proxy, proxy_key=stranger)) == ["4.01"]
    ((code, _, by),) = told(world.ask(f"{uri}/temp", key, proxy=proxy))
    assert code[0] == "4" and by is None

"""Clients and servers, of aiocoap or ours, that share security contexts, as processes on real sockets.

What they are asked to do is in secure_cases.py.
"""

import contextlib
import json
import sys
from urllib.parse import urlsplit

import foreign
import peers
import support

AIOCOAP, OURS = "aiocoap", "groupcoap"

HEAP = "512K"  # of a node with security
CLIENT_S = 30  # after which a client is ended
LONG = {AIOCOAP: "".join(f"{i:09}\n" for i in range(300)), OURS: "".join(f"{i:09}\n" for i in range(100))}


class World:
    def __init__(self, client, server, folder, lan, node):
        self.client, self.server, self.folder, self.lan = client, server, folder, lan
        self._node, self._stack = node, contextlib.ExitStack()
        self.closing = self._stack.close
        self.long = LONG[server]

    # Servers

    def serve(self, *keys, group=None, value="21.5", lost=False, group_mode=None, address=None):
        """Start a server that holds these key files: its URI. lost: it does not know what it has received before.

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
        self._start(config, lost)

    def _start(self, config, lost):
        node = self._node(config, HEAP)
        if lost:  # what a node has received it does not keep: in a second life its windows are in doubt
            node.kill()
            node = self._node(config, HEAP)
        return node.uri

    def proxy(self, groups=(), client="127.0.0.1", keys=(), lost=False, **security):
        """A forward-proxy of ours, for a client by its address, or its name in one of these key files: its URI."""
        address = self.lan.address()
        config = {"address": address, **peers.proxy_config(client, list(groups))}
        if keys:
            security["state"] = str(self.folder / f"state-{address}")
            config["security"] = {"files": [str(key) for key in keys], **security}
        return self._start(config, lost)

    # Clients

    def ask(self, *how, answers=None, **more):
        """Send a request, see start(): the responses, each {"code", "payload", "by", "source"}.

        answers: how many to wait for, and for no others; None: until the client ends.
        """
        client = self.start(*how, **more)
        return client.rest() if answers is None else client.first(answers)

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
        if observe and (proxy or seconds):
            named["count"] = observe
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


class Client(support.Talking):
    """A client's process, and its lines as they come."""

    def __init__(self, kind, command):
        self._kind = kind
        support.Talking.__init__(self, command, CLIENT_S)

    def next(self):
        """The next response."""
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return self._response(json.loads(line))

    def first(self, count):
        """So many responses, or fewer if it has no more; then it is ended."""
        lines = [line for _, line in zip(range(count), self.process.stdout)]
        self.process.kill()
        return [self._response(json.loads(line)) for line in lines]

    def rest(self):
        """All further responses, once the process has ended."""
        out, err = self.process.communicate()
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


def by_member(responses):
    """told(), sorted by who has sent them."""
    return sorted(told(responses), key=lambda response: (response[2] or "", response[1]))


def in_mode(mode, responses):
    """The responses, which must have come in this mode, where the client says in which."""
    assert {response.get("mode", mode) for response in responses} == {mode}
    return responses

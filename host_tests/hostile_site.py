"""A server that wants protection, and hostile clients: what several tests need of both."""

import contextlib

import hostile
import peers
import pytest
import secure_keys
import support
from hostile import told
from peers import GET, path

MEMBERS = {"kitchen": "01", "hall": "02", "attic": "03", "loft": "04", "yard": "05", "shed": "06", "alice": "25"}
MEMBERS["bob"] = "26"
MODES = ["oscore", "group", "pairwise", "deterministic"]
TEMP = path("temp")
MORE_HEAP = 8192  # bytes, after some 2,000 datagrams: room for what the VM and the tables of addresses keep


class Site:
    """The server, and its clients as contexts of the library: alice and mallory by OSCORE, members of the group."""

    def __init__(self, lan, folder):
        keys = secure_keys.group(folder, MEMBERS, deterministic_id="dc")
        pairs = [
            secure_keys.oscore(folder, "alice", "server"),
            secure_keys.oscore(folder, "mallory", "server", ("07", "02")),
        ]
        self.group_address = lan.group()
        self.state = folder / "state"
        resources = {
            "temp": {"value": "21.5", "observable": True},
            "open": {"value": "to all", "protected": False},
        }
        files = [str(path) for path in (pairs[0][1], pairs[1][1], keys["kitchen"])]
        self.config = {
            "role": "server",
            "groups": [self.group_address],
            "leisure_s": 0.1,
            "observers": 4,
            "resources": resources,
            "notify_interval_s": 0,
            "security": {"files": files, "state": str(self.state)},
        }
        self.alice, self.mallory = (hostile.context(path) for path, _ in pairs)
        self.member, self.bob = hostile.group(keys["alice"]), hostile.group(keys["bob"])
        self.files = keys
        self.node = self.peer = None

    def request(self, mode, code=GET, options=TEMP, payload=b""):
        """(Exchange, datagram) of a request by alice that is protected in this mode."""
        if mode == "oscore":
            return hostile.seal_request(self.alice, hostile.plain(code, options, payload))
        to = {"group": None, "pairwise": hostile.member(self.member, "kitchen")}
        to["deterministic"] = hostile.DETERMINISTIC
        return hostile.seal_request(self.member, hostile.plain(code, options, payload), to=to[mode])

    def mallorys(self, code=GET, options=TEMP, payload=b""):
        """The same by mallory, in OSCORE."""
        return hostile.seal_request(self.mallory, hostile.plain(code, options, payload))

    def good(self, exchange, data):
        """Has this request its answer?"""
        answer = hostile.opened(exchange, self.peer.ask(self.node, data))
        return (answer.code, answer.payload) == ("2.05", b"21.5")

    def refusal(self, data):
        """What an only answer says that is not protected."""
        return told(peers.decode(self.peer.ask(self.node, data)))

    def records(self):
        """What the node has on its disk, and since when."""
        return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in self.state.iterdir()}

    def warm(self):
        """Let the node make all that it makes when it first needs it, and fill its tables."""
        for mode in MODES * 8:
            assert self.good(*self.request(mode))
        _, data = self.request("oscore")
        self.refusal(hostile.with_value(data, b"\0"))
        self.peer.ask(self.node, hostile.renewed(hostile.in_a_piece(data)))
        _, data = hostile.seal_request(self.mallory, self.request("oscore")[1])
        self.peer.ask(self.node, hostile.renewed(data))
        for _ in range(40):  # more than there are places for addresses of peers
            hostile.Hostile(self.lan.address()).ping(self.node)
        for _ in range(200):
            self.refusal(hostile.plain(options=TEMP))

    def check(self):
        """It takes valid requests, has said nothing, and has no more heap in use than at first."""
        assert self.peer.ping(self.node) == []
        for mode in MODES:
            assert self.good(*self.request(mode)), mode
        more = self.node.heap() - self.heap
        print(f"heap in use: {more:+}")
        assert more <= MORE_HEAP
        assert (self.node.stderr(), len(self.node.stdout().splitlines())) == ("", 1)


@contextlib.contextmanager
def running(lan, folder):
    """A Site whose server runs until the end of the block."""
    site = Site(lan, folder)
    with peers.heap_node(site.config, lan, folder / "node", "512K") as node:
        site.node, site.lan = node, lan
        site.peer = hostile.Hostile(lan.address())
        site.warm()
        site.heap = node.heap()
        yield site


@pytest.fixture(scope="module", name="whole_site")
def whole_site_fixture(tmp_path_factory):
    with running(support.Lan(), tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(name="site")
def site_fixture(whole_site):
    """The site of all tests of a module, which each leaves as it was."""
    yield whole_site
    whole_site.check()

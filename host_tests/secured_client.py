"""A peer whose requests are protected by the library, for tests of nodes and for the bench."""

import random
import sys

import peers
import support

for place in ("host_tests/bench", "tools/cpython", "lib"):
    sys.path.insert(0, str(support.REPO / place))
import key_files  # noqa: E402
from groupcoap import numbers as n  # noqa: E402
from groupcoap.message import Writer  # noqa: E402


class Client(peers.Peer):
    """context: a Context, or a Group."""

    def __init__(self, address, context):
        super().__init__(address)
        self.context = context
        self._out = Writer(bytearray(1400))
        self._exchange = None

    def ask_protected(self, node, options, **how):
        """Send a GET, NON. how: of `seal_request`."""
        self._mid = self._mid + 1 & 0xFFFF
        data = peers.encode(peers.NON, peers.GET, self._mid, random.randbytes(4), options)
        self._exchange, sealing = self.context.seal_request(key_files.parsed(data), self._out, **how)
        while not sealing.step():
            pass
        sealing.finish()
        self.send_bytes(node, self._out.message())

    def answer(self):
        """The next response to it, a Message of the library."""
        self.socket.settimeout(peers.ANSWER_S)
        opening = self._exchange.open(key_files.parsed(self.socket.recv(1500)))
        while not opening.step():
            pass
        opening.finish(self._out)
        return key_files.parsed(self._out.message())

    def answers(self, count):
        """So many responses: (code, payload) of each."""
        found = [self.answer() for _ in range(count)]
        return [(f"{m.code >> 5}.{m.code & 31:02}", bytes(m.payload())) for m in found]

    def prove_fresh(self, node, options, **how):
        """Ask, and again with the Echo value that comes if the node does not know which requests it has had before."""
        self.ask_protected(node, options, **how)
        m = self.answer()
        value = m.option(n.ECHO) if m.code == n.UNAUTHORIZED else None
        if value is not None:
            self.ask_protected(node, sorted([*options, (n.ECHO, value)]), **how)
            m = self.answer()
        return m

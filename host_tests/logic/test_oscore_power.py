"""Power is lost at every write of the sequence numbers: no nonce is used twice, no replay is taken, and it goes on.

A client and a server live, with each write of either's records broken off in turn: before it is done or when it was.
Whoever loses power starts anew from its records. All that was ever sent is then said again to the server.
"""

from groupcoap import numbers as n
from groupcoap.oscore import aead
from groupcoap.oscore.floor import Floor
from groupcoap.oscore.freshness import Challenges
from secured import Pair, Store, context
from wire import CLIENT, SERVER

VMS = ("cpython", "unix")

AHEAD = 2


class PowerCut(Exception):
    pass


class Flash(Store):
    """Records of both ends, whose write number `cut` is broken off: before it is done or, if `late`, when it was."""

    def __init__(self, cut=-1, late=False):
        Store.__init__(self)
        self.cut = cut
        self.late = late

    def write(self, name, data):
        cut = self.writes == self.cut
        if cut and not self.late:
            self.writes += 1
            raise PowerCut
        Store.write(self, name, data)
        if cut:
            raise PowerCut


class Nonces:
    """Every (key, nonce) that something was sealed with; `twice` are those that came again with another plaintext."""

    def __init__(self):
        self.seen = {}
        self.twice = []
        self._seal = aead.Ccm.seal

    def __enter__(self):
        nonces = self

        def seal(self, nonce, aad, buf, start, length):
            key = (id_of(self), bytes(nonce))
            plaintext = bytes(memoryview(buf)[start : start + length])
            if nonces.seen.get(key, plaintext) != plaintext:
                nonces.twice.append(key)
            nonces.seen[key] = plaintext
            return nonces._seal(self, nonce, aad, buf, start, length)

        aead.Ccm.seal = seal
        return self

    def __exit__(self, *error):
        aead.Ccm.seal = self._seal


def id_of(cipher):
    """A key is told by what it makes of a block: contexts are made anew in each life."""
    probe = bytearray(32)
    Nonces.plain_seal(cipher, bytes(cipher.nonce_length), b"", probe, 0, 8)
    return bytes(probe)


Nonces.plain_seal = aead.Ccm.seal


class Lives:
    """A pair whose ends may start anew, each from its records."""

    def __init__(self, flash):
        self.flash = flash
        self.sent = []  # every request
        self.value = b"21.5"
        self.carried_out = 0
        self.pair = None
        self.start()

    def start(self):
        """Both have power again."""
        while True:
            try:
                server = context("client", b"\x02", b"\x01", self.flash, ahead=AHEAD)
                client = context("server", b"\x01", b"\x02", self.flash, ahead=AHEAD)
                pair = Pair(server=server, client=client)
                pair.gate.contexts.begin()
                break
            except PowerCut:
                pass
        pair.gate.freshness = Challenges(pair.wire.entropy)
        # Message IDs and tokens of another life
        pair.client_port.endpoint.mids[0] += 1000 * len(self.sent)
        self.pair = pair

    def ask(self, **how):
        """A request and its response, with the values that change at the server between: has it been answered?"""
        pair = self.pair
        pair.items = []
        try:
            said = pair.send(**how)
            while said:
                self.sent += [packet.raw for packet in said]
                back = []
                for packet in said:
                    back += pair.server_port.receive(packet.raw, CLIENT)
                said = []
                for packet in back:
                    said += pair.client_port.receive(packet.raw, SERVER)
        except PowerCut:
            self.start()
            return False
        return [item.code for item in pair.items] == [n.CONTENT]

    def notify(self):
        pair = self.pair
        pair.value = b"%d" % len(self.sent)
        try:
            pair.server.changed(pair.resource, pair.wire.now)
            pair.wire.advance(4000)
        except PowerCut:
            self.start()
            return
        for packet in pair.server_port.sent():
            pair.client_port.receive(packet.raw, SERVER)

    def live(self):
        for i in range(6):
            self.ask(confirmable=i % 2 == 0)
        self.ask(observe=True)
        for _ in range(5):
            self.notify()
        self.start()  # of its own accord
        self.ask()
        for _ in range(3):
            self.ask(confirmable=False)

    def replayed(self):
        """How many of all requests ever sent are taken when they are said again, by this life and by a new one?"""
        taken = 0
        for again in range(2):
            if again:
                self.start()
            for at, raw in enumerate(self.sent):
                raw = bytearray(raw)
                raw[2:4] = bytes((at >> 8 | 0x80, at & 255))  # a Message ID that is not known
                pair = self.pair
                before = len(pair.asked)
                try:
                    pair.server_port.receive(bytes(raw), CLIENT)
                except PowerCut:
                    self.start()
                taken += len(pair.asked) - before
        return taken


def test_no_nonce_twice_and_no_replay_wherever_power_is_lost():
    flash = Flash()
    Lives(flash).live()
    writes = flash.writes
    assert writes > 8, writes
    for cut in range(writes + 1):
        for late in (False, True):
            with Nonces() as nonces:
                lives = Lives(Flash(cut, late))
                lives.live()
                assert not nonces.twice, (cut, late)
                assert lives.replayed() == 0, (cut, late)
                assert not nonces.twice, (cut, late)
                assert lives.ask() or lives.ask(), (cut, late)  # and it goes on


def test_records_that_are_lost_are_seen_by_this_test():
    """The same, where a power cut takes the records along: the test would see nonces come again."""
    with Nonces() as nonces:
        lives = Lives(Flash())
        lives.ask()
        lives.flash.files.clear()
        lives.start()
        lives.pair.value = b"22.0"
        lives.ask(path="temp", accept=0)
        assert nonces.twice


def test_floor_takes_nothing_twice_wherever_power_is_lost():
    for cut in range(12):
        for late in (False, True):
            flash = Flash(cut, late)
            taken = []
            floor = Floor(flash, "w", AHEAD)
            for number in (0, 1, 2, 5, 4, 3, 9, 9, 20, 21, 30, 29, 31, 40, 0, 31, 50, 51, 70, 90):
                for n_ in (number, number - 1, number):
                    try:
                        if n_ >= 0 and floor.take(n_):
                            taken.append(n_)
                    except PowerCut:
                        floor = Floor(flash, "w", AHEAD)
                if number in (9, 40):
                    floor = Floor(flash, "w", AHEAD)
            assert len(set(taken)) == len(taken) and (70 in taken or 90 in taken), (cut, late, taken)

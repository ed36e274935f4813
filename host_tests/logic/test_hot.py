"""The hot loops in Viper and in plain Python give the same results."""

from array import array

from groupcoap import _plain, _viper
from groupcoap.message import Message
from wire import CLIENT, OTHER, datagram

VMS = ("unix",)

ROUNDS = 3000


class Random:
    """Pseudo-random numbers, the same on every run."""

    def __init__(self, seed=1):
        self.seed = seed

    def below(self, bound):
        self.seed = self.seed * 1103515245 + 12345 & 0x7FFFFFFF
        return (self.seed >> 8) % bound

    def bytes(self, count):
        return bytes([self.below(256) for _ in range(count)])

    def size(self):
        return (self.below(4), self.below(30), 266 + self.below(8))[self.below(3)]

    def message(self):
        """Mostly a valid message, at times one with a byte changed or cut off, at times any bytes."""
        options = sorted([(self.number(), self.bytes(self.size())) for _ in range(self.below(6))])
        code = (1, 2, 0x45, 0x84)[self.below(4)]
        payload = self.bytes(self.below(3) * self.below(20))
        data = bytearray(datagram(self.below(4), code, self.below(65536), self.bytes(self.below(9)), options, payload))
        how = self.below(6)
        if how == 0:
            data[self.below(len(data))] = self.below(256)
        elif how == 1:
            data = data[: self.below(len(data) + 1)]
        elif how == 2:
            data = bytearray(self.bytes(self.below(30)))
            if data:
                data[0] = 0x40 | data[0] & 0x3F
        return bytes(data)

    def number(self):
        return (11, 11, self.below(30), 240 + self.below(40), self.below(65536))[self.below(5)]


def scanned(module, data):
    fields = Message(1000).fields
    return module.scan(data, len(data), fields), fields


def same_both(name, *arguments):
    """Both functions' result, and what they have done to a buffer of their own, given as the first argument."""
    outcomes = []
    for module in (_plain, _viper):
        buf = bytearray(600)
        outcomes.append((getattr(module, name)(buf, *arguments), bytes(buf)))
    assert outcomes[0] == outcomes[1], (name, arguments)
    return outcomes[0]


def test_scan_gives_the_same():
    random, valid = Random(), 0
    for _ in range(ROUNDS):
        data = random.message()
        plain, viper = scanned(_plain, data), scanned(_viper, data)
        assert plain[0] == viper[0], data
        if plain[0] >= 0:
            assert plain[1] == viper[1], data
            valid += 1
    assert ROUNDS // 2 < valid < ROUNDS


def test_walk_gives_the_same():
    random = Random(2)
    for _ in range(ROUNDS):
        data = random.message()
        path, fields = scanned(_plain, data)
        if path >= 0:
            other = array("i", fields)
            while True:
                target = random.below(2) * random.number()
                found = _plain.walk(data, fields, target)
                assert _viper.walk(data, other, target) == found and other == fields, data
                if found < 0:
                    break


def test_head_gives_the_same():
    random = Random(3)
    for _ in range(ROUNDS):
        same_both("head", random.below(20), random.number(), random.below(2) * random.below(60000) + random.size())


def test_copy_gives_the_same():
    random = Random(4)
    for _ in range(200):
        src = random.bytes(100)
        same_both("copy", random.below(200), src, random.below(50), random.below(50))


def test_same_gives_the_same():
    random = Random(5)
    for _ in range(ROUNDS):
        a = random.bytes(20)
        b = bytearray(a)
        b[random.below(20)] ^= random.below(2)
        at, count = random.below(10), random.below(10)
        assert _plain.same(a, at, b, at, count) == _viper.same(a, at, b, at, count)


def test_match_gives_the_same():
    random, found = Random(10), 0
    for _ in range(ROUNDS):
        rows = bytearray(random.bytes(4 * 32))
        for i in range(4):
            rows[32 * i] = i
            rows[32 * i + 8] = (0, 6, 18)[random.below(3)]
        slot = random.below(4)
        token, peer = bytearray(rows[32 * slot : 32 * slot + 8]), bytearray(rows[32 * slot + 9 : 32 * slot + 27])
        changed = (bytearray(1), token, peer)[random.below(3)]
        changed[random.below(len(changed))] ^= 1 << random.below(8)
        data = datagram(1, 0x45, 7, bytes(token[: 8 - random.below(2) * random.below(9)]))
        slots = 1 + random.below(4)
        outcome = _plain.match(rows, slots, data, peer)
        assert _viper.match(rows, slots, data, peer) == outcome
        found += outcome >= 0
    assert 0 < found < ROUNDS


def test_answer_gives_the_same():
    random, full = Random(6), 0
    for _ in range(ROUNDS):
        data = random.message()
        if scanned(_plain, data)[0] < 0:
            continue
        options, payload = random.bytes(20), random.bytes(20)
        size, length, room = random.below(20), random.below(20), 20 + random.below(40)
        last = random.below(65536) | random.below(2) * 0xFFFF
        outcomes = []
        for module in (_plain, _viper):
            buf, mids = bytearray(100), array("i", (last, room))
            outcomes.append((module.answer(buf, data, 0x45, mids, options, size, payload, length), buf, mids))
        assert outcomes[0] == outcomes[1], data
        full += not outcomes[0][0]
    assert full


def test_path_is_gives_the_same():
    random, found = Random(7), 0
    for _ in range(ROUNDS):
        data = random.message()
        value, fields = scanned(_plain, data)
        if value < 0:
            continue
        path = bytearray()
        _plain.walk(data, fields, 11)
        while fields[4] == 11 and fields[6] < 256:
            path += bytes((fields[6],)) + data[fields[5] : fields[5] + fields[6]]
            if _plain.walk(data, fields, 11) < 0:
                break
        if random.below(2) and path:
            path[random.below(len(path))] ^= random.below(2)
        path = bytes(path[: len(path) - random.below(2) * random.below(3)])
        outcome = _plain.path_is(data, fields, path, len(path))
        assert _viper.path_is(data, fields, path, len(path)) == outcome, (data, path)
        found += outcome
    assert found


def test_relay_gives_the_same():
    random, full = Random(8), 0
    for _ in range(ROUNDS):
        data = random.message()
        value, fields = scanned(_plain, data)
        if value < 0:
            continue
        token = random.below(9)
        count = (b"\0\0\0", b"\xff\0\0", b"\xff\xff\0", b"\xff\xff\xff")[random.below(4)]
        client = b"another slot" + count + bytes((token,)) + random.bytes(8)
        number = random.below(2) * random.number()
        look = random.below(2) << random.below(30)
        name = bytes((5 + random.below(18),)) + random.bytes(23)
        last, room = random.below(65536) | random.below(2) * 0xFFFF, 100 + random.below(1000)
        outcomes = []
        for module in (_plain, _viper):
            buf, row = bytearray(1500), bytearray(client)
            mids = array("i", [last, room] + [-1] * 128)
            outcomes.append((module.relay(buf, data, fields, row, 1, mids, number, name, look), buf, row, mids))
        assert outcomes[0] == outcomes[1], (data, number)
        full += not outcomes[0][0]
    assert full


def table(module, sets, address_bytes):
    # As `Recent` makes it
    words = 1 + (2 + address_bytes + module.KEY_BYTES_A_WORD - 1) // module.KEY_BYTES_A_WORD
    rows = array("i", b"\xff" * (4 * (5 + 4 * sets * words)))
    rows[0], rows[1], rows[2], rows[3], rows[4] = words, sets - 1, 247000, 145000, address_bytes
    return rows


def test_recent_gives_the_same():
    for address_bytes in (6, 18):
        random, new = Random(9), 0
        plain, viper = table(_plain, 4, address_bytes), table(_viper, 4, address_bytes)
        now = 0x3FFF0000
        for _ in range(ROUNDS):
            now = now + random.below(20000) & 0x3FFFFFFF
            peer = (CLIENT, OTHER)[random.below(2)] + bytes(12)
            peer = peer[:address_bytes]
            data = datagram(random.below(2), 1, random.below(24) * 257 & 0xFFFF)
            outcome = _plain.recent(plain, peer, data, now, 1)
            assert _viper.recent(viper, peer, data, now, 1) == outcome
            new += not outcome
        assert ROUNDS // 20 < new < ROUNDS - ROUNDS // 20

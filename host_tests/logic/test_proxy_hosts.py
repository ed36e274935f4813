"""Names of targets, and how long they are remembered."""

from groupcoap.proxy.target import remembering
from wire import SERVER, Wire

IP = SERVER[:4]


class Looked:
    """What is remembered, on a simulated clock; asked: what the system was asked for."""

    def __init__(self):
        self.wire = Wire()
        self.asked = []
        self.known = ["a", "b"]
        self.find = remembering(self.resolve, lambda: self.wire.now)

    def resolve(self, name):
        self.asked.append(name)
        if name == "a..b":
            raise ValueError("label empty or too long")
        if name == "gone":
            raise OSError(-2)
        return IP if name in self.known else None


def test_a_name_is_looked_up_once_a_minute():
    looked = Looked()
    for span in (0, 59999):
        looked.wire.advance(span)
        assert looked.find("a") == IP
    assert looked.asked == ["a"]
    looked.wire.advance(1)
    assert looked.find("a") == IP and looked.asked == ["a", "a"]


def test_that_a_name_is_not_there_is_remembered_for_10_s():
    for name in ("nobody", "a..b", "gone"):
        looked = Looked()
        for span in (0, 9999):
            looked.wire.advance(span)
            assert looked.find(name) is None
        assert looked.asked == [name]
        looked.wire.advance(1)
        looked.known.append(name)
        looked.find(name)
        assert looked.asked == [name, name]


def test_eight_names_are_remembered_and_no_more():
    looked = Looked()
    for _ in range(2):
        for name in "abcdefgh":
            looked.find(name)
    assert looked.asked == list("abcdefgh")
    for name in "iai":
        looked.find(name)
    assert looked.asked == list("abcdefghia")


def test_what_was_found_long_ago_is_not_new_when_the_clock_has_gone_round():
    looked = Looked()
    looked.find("a")
    for _ in range(6):
        looked.wire.advance(0x0A000000)
    looked.find("a")
    assert looked.asked == ["a", "a"]

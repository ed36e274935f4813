"""Properties of the codec, and of whole endpoints, over random messages and random bytes.

What aiocoap accepts and this codec refuses, or the reverse, is left out of the comparison: only what both accept must
mean the same to both.
"""

import aiocoap
import pytest
from groupcoap import numbers as n
from groupcoap.endpoint import Endpoint
from groupcoap.message import FormatError, Message, Writer
from groupcoap.proxy.access import AllowList, Client
from groupcoap.proxy.forward import ForwardProxy
from groupcoap.proxy.relay import Relay
from groupcoap.server import Resource, Server
from groupcoap.timers import Timers, after
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wire import CLIENT, GROUP, MULTICAST_TIMEOUT, NEAR_WRAP, PROXY, SERVER, datagram

CODES = [code for code in range(1, 256) if code >> 5 in (0, 2, 3, 4, 5)]

# Lengths and deltas around the places where their encoding changes
sizes = st.one_of(st.integers(0, 16), st.sampled_from((267, 268, 269, 270, 524, 525)))
values = sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size))
numbers = st.one_of(
    st.integers(0, 30), st.integers(230, 300), st.integers(0, 65535), st.sampled_from((12, 13, 268, 269))
)
options = st.lists(st.tuples(numbers, values), max_size=6).map(lambda pairs: sorted(pairs, key=lambda pair: pair[0]))
header = st.integers(0, 3), st.sampled_from(CODES), st.integers(0, 65535), st.binary(max_size=8)
messages = st.tuples(*header, options, st.binary(max_size=40))
small_options = st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=14)), max_size=3).map(sorted)
small = st.tuples(*header, small_options, st.binary(max_size=4))


def written(kind, code, mid, token, pairs, payload):
    w = Writer(bytearray(8192))
    w.begin(kind, code, mid, token)
    for number, value in pairs:
        w.option(number, value)
    w.payload(payload)
    return w.message()


def parsed(data):
    """The fields of a datagram, or None where it is refused."""
    m = Message()
    try:
        m.parse(data, len(data))
    except FormatError:
        return None
    return m.type(), m.code, m.mid(), m.token(), m.options(), bytes(m.payload())


@settings(max_examples=400)
@given(messages)
def test_decoding_inverts_encoding(message):
    assert parsed(written(*message)) == message


@settings(max_examples=200)
@given(messages)
def test_encoding_is_that_of_the_simplest_encoder(message):
    assert written(*message) == datagram(*message)


@settings(max_examples=200)
@given(messages)
def test_every_prefix_parses_or_is_refused(message):
    data = written(*message)
    for length in range(len(data)):
        parsed(data[:length])


@settings(max_examples=60)
@given(small, st.randoms(use_true_random=False))
def test_every_change_of_a_byte_parses_or_is_refused(message, random):
    data = bytearray(written(*message))
    for i, old in enumerate(data):
        for new in {old ^ 1 << bit for bit in range(8)} | {0, 0xFF, random.randrange(256)} - {old}:
            data[i] = new
            parsed(bytes(data))
        data[i] = old


@settings(max_examples=400)
@given(st.binary(max_size=80))
def test_random_bytes_parse_or_are_refused(data):
    parsed(data)


@settings(max_examples=200)
@given(messages, st.binary(max_size=40))
def test_bytes_behind_the_datagram_are_not_looked_at(message, rest):
    data = written(*message)
    m = Message()
    m.parse(data + rest, len(data))
    assert m.options() == message[4] and bytes(m.payload()) == message[5]


def agrees(data):
    """Does aiocoap read the same out of this datagram, if both accept it? None where one does not."""
    ours = parsed(data)
    if ours is None:
        return None
    try:
        theirs = aiocoap.Message.decode(data)
    except Exception:  # aiocoap's own classes, and ValueError and others out of its option classes
        return None
    pairs = [(int(option.number), option.encode()) for option in theirs.opt.option_list()]
    header = int(theirs.mtype), int(theirs.code), theirs.mid, theirs.token
    return ours[:4] == header and _stripped(ours[4]) == _stripped(pairs) and ours[5] == theirs.payload


def _stripped(pairs):
    # aiocoap gives integers back without leading zeros: they are left out of the comparison.
    return [(number, value.lstrip(b"\0")) for number, value in pairs]


@settings(max_examples=300)
@given(messages)
def test_agrees_with_aiocoap_on_messages(message):
    assert agrees(written(*message)) is not False


@settings(max_examples=300)
@given(messages, st.data())
def test_agrees_with_aiocoap_on_changed_messages(message, data):
    changed = bytearray(written(*message))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    assert agrees(bytes(changed)) is not False


def test_aiocoap_accepts_what_is_compared():
    message = datagram(n.CON, n.PUT, 7, b"tk", [(n.URI_PATH, b"a"), (n.NO_RESPONSE, b"\x1a"), (65000, b"x")], b"p")
    assert agrees(message) is True


# Whole endpoints


def a_server(timers, transmit):
    endpoint = Endpoint(transmit, timers, lambda count: bytes(count))
    server = Server(endpoint, SERVER)
    server.join(250)
    server.failed = fail
    resource = Resource("temp", content_format=0, group=True)
    server.add(resource, GET=lambda m: b"21.5", PUT=lambda m: None, POST=lambda m: b"x")
    endpoint.role = server
    endpoint.start(NEAR_WRAP)
    return [endpoint]


def a_proxy(timers, transmit):
    down = Endpoint(transmit, timers, lambda count: bytes(count))
    up = Endpoint(transmit, timers, lambda count: bytes(count), token_slots=4)
    relay = Relay(down, up)
    local = Server(down, PROXY)
    local.failed = fail
    access = AllowList([Client(CLIENT[:4], (GROUP,), True)])
    down.role = ForwardProxy(relay, local, access, PROXY, resolve=lambda name: None)
    up.role = local
    for endpoint in (down, up):
        endpoint.start(NEAR_WRAP)
    return [down, up]


def fail(error):
    raise AssertionError("a resource's handler raised") from error


TARGETS = (
    b"coap://224.0.1.187/temp", b"coap://192.0.2.5/a?b", b"coap://192.0.2.1/temp", b"coap://h/", b"coap://", b"\xff"
)  # fmt: skip
CRIS = (b"\x82\x20\x81\x44\xe0\x00\x01\xbb", b"\x82\x20\x81\x44\xc0\x00\x02\x05", b"\x80", b"\x82\x20\xf6", b"\x81\xf5")
known = st.sampled_from(
    (1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 14, 15, 16, 17, 23, 24, 27, 35, 39, 235, 239, 248, 258, 65000, 65004)
)
pairs = st.one_of(
    st.tuples(known, st.binary(max_size=12)),
    st.tuples(st.just(n.PROXY_URI), st.sampled_from(TARGETS)),
    st.tuples(st.just(n.PROXY_CRI), st.sampled_from(CRIS)),
    st.tuples(st.just(n.PROXY_SCHEME), st.sampled_from((b"coap", b"coaps", b"\xff"))),
    st.tuples(st.just(n.URI_HOST), st.sampled_from((b"224.0.1.187", b"192.0.2.5", b"[::1]", b"h", b"\xff"))),
    st.tuples(st.just(MULTICAST_TIMEOUT), st.sampled_from((b"", b"\x0a"))),
    st.tuples(st.just(n.URI_PATH), st.just(b"temp")),
)  # fmt: skip
sensible = st.tuples(
    st.integers(0, 3), st.one_of(st.integers(0, 7), st.sampled_from(CODES)), st.integers(0, 3),
    st.sampled_from((b"", b"t", b"\0" * 4, b"\0\0\0\1\0\0\0\0")),
    st.lists(pairs, max_size=5).map(sorted), st.binary(max_size=4),
).map(lambda message: datagram(*message))  # fmt: skip
arrivals = st.lists(
    st.tuples(
        st.one_of(sensible, sensible, st.binary(max_size=60)),
        st.integers(0, 1), st.sampled_from((CLIENT, SERVER)), st.integers(0, 1), st.sampled_from((0, 1, 900, 60000)),
    ), max_size=12,
)  # fmt: skip


@pytest.mark.parametrize("make", [a_server, a_proxy])
def test_endpoints_live_through_random_datagrams(make):
    @settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
    @given(arrivals)
    def live(arrived):
        timers, sent = Timers(), []
        endpoints = make(timers, lambda buf, length, peer: sent.append(bytes(buf[:length])))
        now = NEAR_WRAP
        for data, which, peer, group, pause in arrived:
            endpoints[which % len(endpoints)].receive(data, len(data), peer, group, now)
            now = after(now, pause)
            timers.poll(now)
        timers.poll(after(now, 300000))
        for data in sent:  # and all that they send can be read
            assert parsed(data) is not None

    live()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=40)), max_size=6))
def test_endpoints_live_through_random_bytes(arrived):
    for make in (a_server, a_proxy):
        timers = Timers()
        endpoints = make(timers, lambda buf, length, peer: None)
        for which, data in arrived:
            endpoints[which % len(endpoints)].receive(data, len(data), CLIENT, 0, NEAR_WRAP)
        timers.poll(after(NEAR_WRAP, 300000))

"""CRIs against the test vectors of draft-ietf-core-href, which are those of its version 07; URIs and CRIs at random.

A vector is five checks: `encode` (its CRI, decoded and encoded again), `to-uri` and `from-uri` (its CRI reference and
URI reference), `resolve` (against the base CRI) and `resolved-uri`. DIFFERENT lists what doesn't agree, and why.
"""

import ipaddress
import json
from pathlib import Path
from urllib.parse import urljoin

import pytest
from groupcoap import cbor, cri, uri
from groupcoap.cri_reference import from_uri, resolve
from hypothesis import given
from hypothesis import strategies as st

FILE = json.loads((Path(__file__).parent / "vectors" / "cri_tests.json").read_text())
VECTORS = FILE["test-vectors"]
BASE = cri.decode(bytes.fromhex(FILE["base-cri"]))


# Why a vector differs from the draft's current form.
NULL = "a CRI's own empty path or query is [], null is for references"
PET = "percent-encoded text is not supported"
USERINFO = "user information is not supported"

# Index of the vector: its URI reference, the checks that fail, the reason.
DIFFERENT = {
    0: ("", "encode to-uri from-uri resolve resolved-uri", "[0] is sent as [], which is vector 94"),
    12: ("../a/b/../c/.", "from-uri", "RFC 3986 keeps the slash that a last dot segment leaves: a/c/"),
    17: ("a:?b", "encode from-uri resolve", NULL),
    19: ("a:#b", "encode from-uri resolve", NULL),
    23: ("//a?b", "resolve", NULL),
    24: ("//a#b", "resolve", NULL),
    28: ("//192.168.0.97?b", "resolve", NULL),
    29: ("//192.168.0.97#b", "resolve", NULL),
    31: ("/#b", "resolve", NULL),
    35: ("/a#b", "resolve", NULL),
    41: ("a://b?c", "encode from-uri resolve", NULL),
    42: ("a://b#c", "encode from-uri resolve", NULL),
    46: ("a://192.168.0.98?c", "encode from-uri resolve", NULL),
    47: ("a://192.168.0.98#c", "encode from-uri resolve", NULL),
    48: ("a:?c", "encode from-uri resolve", NULL),
    49: ("a:#c", "encode from-uri resolve", NULL),
    54: ("a:b#c", "encode from-uri resolve", NULL),
    55: ("a:?b&c", "encode from-uri resolve", NULL),
    56: ("a:?b#c", "encode from-uri resolve", NULL),
    59: ("//a:25186?c", "resolve", NULL),
    60: ("//a:25186#c", "resolve", NULL),
    62: ("//a/#c", "resolve", NULL),
    66: ("//a/b#c", "resolve", NULL),
    67: ("//a?b&c", "resolve", NULL),
    68: ("//a?b#c", "resolve", NULL),
    71: ("//192.168.0.97:25186?c", "resolve", NULL),
    72: ("//192.168.0.97:25186#c", "resolve", NULL),
    74: ("//192.168.0.97/#c", "resolve", NULL),
    78: ("//192.168.0.97/b#c", "resolve", NULL),
    79: ("//192.168.0.97?b&c", "resolve", NULL),
    80: ("//192.168.0.97?b#c", "resolve", NULL),
    86: ("/a/#c", "resolve", NULL),
    90: ("/a/b#c", "resolve", NULL),
    96: (
        "//a%2Ea",
        "encode to-uri from-uri resolve resolved-uri",
        "no dot in a label: the vector itself says that it is invalid",
    ),
    97: ("//a%3Aa", "encode to-uri from-uri resolve resolved-uri", PET),
    100: ("/a%3Ba", "encode to-uri from-uri resolve resolved-uri", PET),
    103: ("/?a%23a", "encode to-uri from-uri resolve resolved-uri", PET),
    106: ("#%2F", "encode to-uri from-uri resolve resolved-uri", PET),
    108: (
        "//non!port.x",
        "encode to-uri from-uri resolve resolved-uri",
        "percent-encoded text has at least one byte string, here there is none",
    ),
    109: ("//non%21port.x", "encode to-uri from-uri resolve resolved-uri", PET),
    110: ("//alice%40example.com@example.com", "encode to-uri from-uri resolve resolved-uri", USERINFO),
    111: ("//c+%2B@example.com", "encode to-uri from-uri resolve resolved-uri", PET),
    113: ("math://equation=E%3Dmc%C2%B2/", "encode to-uri from-uri resolve resolved-uri", PET),
}


def checks(vector):
    """Names of the checks that this vector fails, with spaces between them."""
    reference = bytes.fromhex(vector["cri"])
    resolved = bytes.fromhex(vector["resolved-cri"])
    results = {
        "encode": (lambda: cri.encode(cri.decode(reference)), reference),
        "to-uri": (lambda: cri.to_uri(cri.decode(reference)), vector["uri-from-cri"]),
        "from-uri": (lambda: cri.encode(from_uri(vector["uri"])), reference),
        "resolve": (lambda: cri.encode(resolve(BASE, cri.decode(reference))), resolved),
        "resolved-uri": (lambda: cri.to_uri(resolve(BASE, cri.decode(reference))), vector["resolved-uri"]),
    }
    if vector["uri"] is None:  # no URI reference expresses this one: `to_uri` has to refuse it
        del results["from-uri"]
    failed = []
    for name, (function, expected) in results.items():
        try:
            result = function()
        except ValueError:
            result = None
        if result != expected:
            failed.append(name)
    return " ".join(failed)


@pytest.mark.parametrize("index", range(len(VECTORS)), ids=lambda index: "%d:%s" % (index, VECTORS[index]["uri"]))
def test_vector_agrees_unless_listed(index):
    uri_reference, failing, _reason = DIFFERENT.get(index, (VECTORS[index]["uri"], "", ""))
    assert VECTORS[index]["uri"] == uri_reference
    assert checks(VECTORS[index]) == failing


TEXT = st.text(max_size=6) | st.sampled_from(["a", "", ".", "..", "a:b", "a.b", "A", "%41", "192"])
TEXTS = st.lists(TEXT, max_size=3)
HOSTS = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
PORTS = st.sampled_from([0, 80, 5683, 5684, 65535, 65536])
AUTHORITIES = st.builds(
    lambda host, port: [*host, *port], TEXTS | st.tuples(HOSTS) | st.tuples(HOSTS, TEXT), st.lists(PORTS, max_size=1)
)
HEADS = st.tuples(
    st.integers(-30, -1) | st.none() | st.sampled_from(["a", "x+y"]) | TEXT, AUTHORITIES | st.none() | st.booleans()
) | st.tuples(st.integers(0, 130) | st.just(True))
TAILS = st.tuples(TEXTS | st.none(), TEXTS | st.none(), TEXT | st.none())
LIKE_CRI = st.builds(lambda head, tail, size: [*head, *tail][:size], HEADS, TAILS, st.integers(0, 5))


def decoded(data):
    """Cri of `data`, or None where it is refused, with ValueError and nothing else."""
    try:
        return cri.decode(data)
    except ValueError:
        return None


@given(LIKE_CRI)
def test_what_is_decoded_is_encoded_to_an_equal_cri(items):
    one = decoded(cbor.dumps(items))
    if one is not None:
        assert decoded(cri.encode(one)) == one


@given(LIKE_CRI)
def test_cri_survives_being_a_uri(items):
    one = decoded(cbor.dumps(items))
    if one is None:
        return
    try:
        text = cri.to_uri(one)
    except ValueError:
        return
    again = from_uri(text)
    assert cri.to_uri(again) == text
    if one.scheme is not None:  # references may say the same in several ways
        assert again == one


@given(LIKE_CRI, LIKE_CRI)
def test_reference_is_resolved_to_a_full_cri_or_refused(base, reference):
    base, reference = decoded(cbor.dumps(base)), decoded(cbor.dumps(reference))
    if base is None or reference is None:
        return
    try:
        resolved = resolve(base, reference)
    except ValueError:
        return
    assert decoded(cri.encode(resolved)) == resolved and resolved.scheme is not None


@given(LIKE_CRI, st.integers(0, 0xFFFF), st.integers(0, 255))
def test_changed_byte_is_decoded_or_a_value_error(items, at, byte):
    data = bytearray(cbor.dumps(items))
    data[at % len(data)] = byte
    decoded(data)


@given(st.text(max_size=30) | st.text("a1:/?#[]@.%&+", max_size=20))
def test_text_is_a_uri_or_a_value_error(text):
    try:
        one = from_uri(text)
    except ValueError:
        return
    assert decoded(cri.encode(one)) == one


# urllib loses empty segments inside a path, and merges with a base before that is normal: neither occurs here.
SEGMENTS = st.lists(st.sampled_from(["a", "b", ".", ".."]), min_size=1, max_size=5).map("/".join)
END = st.sampled_from(["", "/"])


@given(st.sampled_from(["", "a", "a/", "a/b", "a/b/", "a/b/c/d"]), END, SEGMENTS, END)
def test_path_is_resolved_as_urllib_does(base, root, segments, end):
    base = "http://h/" + base
    reference = root + segments + end
    assert cri.to_uri(resolve(from_uri(base), from_uri(reference))) == urljoin(base, reference)


# Reply-From of a forward-proxy, with and without a port, and of two reverse-proxies.
REPLY_FROM = [
    "82208244c000020519f0b0",
    "82208144c0000205",
    "82268144c000020582f68244c000020619f0b0",
    "82208144c000020582f5816161",
]


@given(st.sampled_from(REPLY_FROM), st.integers(0, 0xFFFF), st.integers(0, 255), st.integers(0, 30))
def test_damaged_reply_from_is_read_or_a_value_error(value, at, byte, size):
    data = bytearray.fromhex(value)
    data[at % len(data)] = byte
    try:
        address, origin, second = cri.read_reply_from(data[:size])
    except ValueError:
        return
    assert origin.address == address and (second is None or second.scheme is None)


@given(st.text(max_size=30) | st.text("a1:/?#[]@.%&+", max_size=20).map("coap://".__add__))
def test_text_is_a_coap_uri_or_a_value_error(text):
    try:
        normal = str(uri.parse(text))
    except ValueError:
        return
    assert str(uri.parse(normal)) == normal


@given(st.ip_addresses())
def test_ip_address_has_the_text_that_ipaddress_gives_it(ip):
    assert uri.ip_bytes(str(ip)) == ip.packed
    if ip.version == 4 or not ip.ipv4_mapped:  # whose text differs between versions of CPython
        assert uri.ip_text(ip.packed) == str(ip)


@given(st.text("0123456789abf:.", max_size=25))
def test_text_is_an_ip_address_where_ipaddress_says_so(text):
    try:
        expected = ipaddress.ip_address(text).packed
    except ValueError:
        expected = None
    try:
        assert uri.ip_bytes(text) == expected
    except ValueError:
        assert expected is None

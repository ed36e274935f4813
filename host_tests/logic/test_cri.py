"""CRIs, and the options Reply-From and Response-Forwarding (draft-ietf-core-href, draft-ietf-core-groupcomm-proxy)."""

import gc

from groupcoap import cbor, cri, cri_reference, origin, uri
from groupcoap.cri import Cri

IP = b"\xc0\x00\x02\x05"  # 192.0.2.5
IP6 = uri.ip_bytes("2001:db8::5")
BASE = Cri("coap", ["h"], None, ["a", "b"], ["q"], "f")


def refusal(function, *arguments):
    """Text of the ValueError that the call raises, or None."""
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)


def decode(items):
    return cri.decode(cbor.dumps(items))


def both(text, items):
    """A URI reference and its interchange form."""
    assert cri.encode(cri_reference.from_uri(text)) == cbor.dumps(items)
    assert cri.to_uri(decode(items)) == text
    assert cri.encode(decode(items)) == cbor.dumps(items)


def test_cri_of_the_draft_figures():
    both("coap://198.51.100.1:61616/.well-known/core", [-1, [b"\xc6\x33\x64\x01", 61616], [".well-known", "core"]])
    both("/.well-known/core?rt=temperature-c", [True, [".well-known", "core"], ["rt=temperature-c"]])
    both("did:web:alice:bob", [-6, True, ["web:alice:bob"]])


def test_references_of_the_draft_table():
    both("a", [1, ["a"]])
    both("./this:that", [1, ["this:that"]])
    both("a/b", [1, ["a", "b"]])
    both("../a", [2, ["a"]])
    both("../../a", [3, ["a"]])
    both("/a", [True, ["a"]])


def test_cri_with_a_host_name_has_labels():
    both("coap://a.example.com", [-1, ["a", "example", "com"]])


def test_cri_with_an_ipv6_host():
    both("coap://[2001:db8::5]:61616/a", [-1, [IP6, 61616], ["a"]])


def test_cri_without_a_path_has_an_empty_array_before_the_query():
    both("coap://192.0.2.5?a&b", [-1, [IP], [], ["a", "b"]])
    both("coap://192.0.2.5#a", [-1, [IP], [], [], "a"])


def test_path_of_a_cri_keeps_a_lone_empty_segment():
    both("coap://192.0.2.5/", [-1, [IP], [""]])
    both("coap://192.0.2.5", [-1, [IP]])
    both("coap://192.0.2.5//a", [-1, [IP], ["", "a"]])
    both("/", [True, [""]])


def test_every_known_scheme_number():
    for name, number in (
        ("coap", 0), ("coaps", 1), ("http", 2), ("https", 3), ("urn", 4), ("did", 5), ("coap+tcp", 6),
        ("coaps+tcp", 7), ("coap+ws", 24), ("coaps+ws", 25),
    ):  # fmt: skip
        assert cri.to_uri(decode([-1 - number, [IP]])) == name + "://192.0.2.5"


def test_scheme_without_a_number_here_is_a_name():
    both("a://b/c", ["a", ["b"], ["c"]])


def test_scheme_name_with_a_number_is_encoded_as_the_number():
    assert cri.encode(decode(["coap", [IP]])) == cbor.dumps([-1, [IP]])


def test_scheme_number_without_a_name_here_has_no_uri():
    assert decode([-1060, ["h"]]).scheme == -1060
    assert "name is known" in refusal(cri.to_uri, decode([-1060, ["h"]]))


def test_default_port_is_left_out():
    assert cri.encode(decode([-1, [IP, 5683]])) == cbor.dumps([-1, [IP]])
    assert cri.encode(decode([-2, [IP, 5684]])) == cbor.dumps([-2, [IP]])
    assert cri.encode(decode([-2, [IP, 5683]])) == cbor.dumps([-2, [IP, 5683]])
    assert cri.encode(decode([None, [IP, 5683]])) == cbor.dumps([None, [IP, 5683]])


def test_address_is_packed():
    assert decode([-1, [IP]]).address == uri.pack(IP, 5683)
    assert decode([-2, [IP6]]).address == uri.pack(IP6, 5684)
    assert decode([-1, [IP, 61616], ["a"]]).address == uri.pack(IP, 61616)


def test_address_is_none_without_ip_or_port():
    assert decode([-1, ["h"]]).address is None
    assert decode([-3, [IP]]).address is None
    assert decode([1, ["a"]]).address is None


def test_cri_without_authority_is_rooted_or_rootless():
    both("a:", ["a"])
    both("a:/b/c", ["a", None, ["b", "c"]])
    both("a:b/c", ["a", True, ["b", "c"]])
    both("a:?b", ["a", None, [], ["b"]])


def test_empty_host_name_is_no_labels():
    both("file:///a", ["file", [], ["a"]])
    both("file://", ["file", []])


def test_empty_reference_keeps_the_whole_base():
    both("", [])
    assert cri_reference.resolve(BASE, decode([])) == BASE


def test_percent_encoding_is_only_in_the_uri():
    both("coap://h/a%2Fa%25a/%C3%BC?a%26b#%5B%5D", [-1, ["h"], ["a/a%a", "ü"], ["a&b"], "[]"])
    both("coap://non%3Aport.x", [-1, ["non:port", "x"]])


def test_escaped_delimiter_has_no_cri():
    for text in ("/a%3Ba", "/a%40a", "/?a%2Fa", "#%2F", "//non%21port.x", "did:web:alice:7%3A1-balun"):
        assert "escaped delimiter" in refusal(cri_reference.from_uri, text)


def test_escaped_unreserved_character_is_that_character():
    assert cri_reference.from_uri("/%61%2D%7e") == cri_reference.from_uri("/a-~")
    assert cri_reference.from_uri("//a%2Eb").host == ["a", "b"]


def test_uri_that_is_not_utf8_has_no_cri():
    assert "UTF-8" in refusal(cri_reference.from_uri, "/%ff") and "UTF-8" in refusal(
        cri_reference.from_uri, "coap://h?%ff"
    )


def test_dot_segments_of_a_uri_become_discard():
    assert cri_reference.from_uri("a/./b") == decode([1, ["a", "b"]])
    assert cri_reference.from_uri("../a/../b/..") == decode([2, [""]])
    assert cri_reference.from_uri("a/../../b") == decode([2, ["b"]])
    assert cri_reference.from_uri(".") == cri_reference.from_uri("./") == decode([1, [""]])
    assert cri_reference.from_uri("/a/../../b/.") == decode([True, ["b", ""]])
    assert cri_reference.from_uri("coap://h/a/../b") == decode([-1, ["h"], ["b"]])


def test_first_segment_that_would_be_misread_stands_behind_a_dot():
    assert cri.to_uri(decode([1, ["", "a"]])) == ".//a"
    assert cri.to_uri(decode([1, [""]])) == "./"


def test_zone_identifier_is_kept():
    item = [-1, [uri.ip_bytes("fe80::1"), "eth0", 61616]]
    assert decode(item).zone == "eth0" and cri.encode(decode(item)) == cbor.dumps(item)
    assert "zone-id" in refusal(cri.to_uri, decode(item))


def test_reference_that_no_uri_reference_expresses():
    for items in ([0, ["p"]], [0, None, []], [1], [2], [True], [True, [], ["a&a"]], [True, ["", "a"]]):
        assert "a URI reference can express" in refusal(cri.to_uri, decode(items))
    assert "a scheme before" in refusal(cri.to_uri, decode([None, True, ["a"]]))


def test_reference_that_only_a_cri_expresses_is_resolved():
    assert cri_reference.resolve(BASE, decode([0, ["p"]])) == decode([-1, ["h"], ["a", "b", "p"]])
    assert cri_reference.resolve(BASE, decode([0, None, []])) == decode([-1, ["h"], ["a", "b"]])
    assert cri_reference.resolve(BASE, decode([1])) == decode([-1, ["h"], ["a"]])
    assert cri_reference.resolve(BASE, decode([True])) == decode([-1, ["h"]])


def test_resolve_discards_segments():
    assert cri_reference.resolve(BASE, decode([1, ["p"]])) == decode([-1, ["h"], ["a", "p"]])
    assert cri_reference.resolve(BASE, decode([2, ["p"]])) == decode([-1, ["h"], ["p"]])
    assert cri_reference.resolve(BASE, decode([127, ["p"]])) == decode([-1, ["h"], ["p"]])
    assert cri_reference.resolve(BASE, decode([True, ["p"]])) == decode([-1, ["h"], ["p"]])


def test_resolve_keeps_what_comes_before_the_first_section_set():
    assert cri_reference.resolve(BASE, decode([0, None, ["r"]])) == decode([-1, ["h"], ["a", "b"], ["r"]])
    assert cri_reference.resolve(BASE, decode([0, None, None, "g"])) == decode([-1, ["h"], ["a", "b"], ["q"], "g"])
    assert cri_reference.resolve(BASE, decode([0, []])) == decode([-1, ["h"], ["a", "b"]])


def test_resolve_replaces_the_authority_with_its_port():
    base = decode([-1, [IP, 61616], ["a"], ["q"]])
    assert cri_reference.resolve(base, decode([None, ["g"]])) == decode([-1, ["g"]])
    assert cri_reference.resolve(base, decode([None, ["g", 5683], ["b"]])) == decode([-1, ["g"], ["b"]])
    assert cri_reference.resolve(base, decode([True, ["b"]])) == decode([-1, [IP, 61616], ["b"]])


def test_resolve_leaves_a_full_cri_as_it_is():
    for items in (["a"], ["a", None, ["b"]], [-1, ["g"]]):
        assert cri_reference.resolve(BASE, decode(items)) == decode(items)


def test_resolve_makes_a_rootless_base_rooted():
    base = decode(["a", True, ["b"]])
    assert cri_reference.resolve(base, decode([True, ["c"]])) == decode(["a", None, ["c"]])
    assert cri_reference.resolve(base, decode([0, ["c"]])) == decode(["a", True, ["b", "c"]])
    assert refusal(cri_reference.resolve, base, decode([1]))  # rootless and empty


def test_resolve_does_not_change_its_base():
    base = decode([-1, ["h"], ["a"], ["q"]])
    cri_reference.resolve(base, decode([0, ["p"], ["r"]]))
    assert base == decode([-1, ["h"], ["a"], ["q"]])


def test_base_of_a_reference_has_a_scheme():
    assert "a base with a scheme" in refusal(cri_reference.resolve, decode([1, ["a"]]), decode([1, ["a"]]))


def test_cris_are_equal_by_component():
    assert decode([-1, [IP], ["a"]]) == decode(["coap", [IP, 5683], ["a"]])
    assert decode([True, ["a"]]) != decode([1, ["a"]])
    assert decode([-1, [IP]]) != decode([-2, [IP]]) and decode([-1, [IP]]) != [-1, [IP]]


def test_item_that_is_no_cri_is_refused():
    for items in (
        0, "coap://h", {}, None, [None], [None, None], [None, None, ["a"]], [False], [1.5], [b"coap"], [["coap"]],
        [-1, b"h"], [-1, "h"], [-1, False], [-1, 1], [-1, {}], [-1, ["h"], "a"], [-1, ["h"], ["a"], "q"],
        [-1, ["h"], ["a"], ["q"], 1], [-1, ["h"], ["a"], ["q"], "f", "g"], [1, ["a"], ["q"], "f", "g"],
        [-1, ["h"], [1]], [-1, ["h"], [], [None]], [1, {}], ["", ["h"]], [-1, IP],
    ):  # fmt: skip
        assert refusal(decode, items), items


def test_sections_after_the_fragment_are_refused():
    assert "after the fragment" in refusal(decode, [-1, ["h"], ["a"], ["q"], "f", "g"])
    assert "after the fragment" in refusal(decode, [1, ["a"], ["q"], "f", "g"])


def test_cri_is_checked_where_it_is_made():
    assert "scheme-id below 0" in refusal(Cri, 0, ["h"])
    assert "scheme-id below 0" in refusal(Cri, -1.0, ["h"])
    assert "no discard" in refusal(Cri, "coap", ["h"], None, None, None, None, 1)
    assert "no discard" in refusal(Cri, "a", None, None, None, None, None, 1)
    assert "no discard" in refusal(Cri, None, ["h"], None, None, None, None, 1)
    assert "discard: true or 0-127" in refusal(Cri, None, None, None, None, None, None, 1.0)
    assert "zone-id" in refusal(Cri, "coap", ["h"], None, None, None, None, True, "eth0")
    assert "zone-id" in refusal(Cri, "coap", IP, None, None, None, None, True, 1)
    assert "authority" in refusal(Cri, "a", "h") and "authority" in refusal(Cri, "a", None, 80)
    assert "port" in refusal(Cri, "coap", IP, 80.0)


def test_repr_shows_the_interchange_form():
    assert repr(Cri("coap", ["h"], 61616, ["a"])) == "Cri([-1, ['h', 61616], ['a']])"


def test_trailing_default_is_refused():
    for items in ([0], [1, None], [-1, [IP], []], [-1, [IP], ["a"], []], [-1, [IP], ["a"], ["b"], None], ["a", None]):
        assert "trailing" in refusal(decode, items), items


def test_null_path_of_a_full_cri_is_the_empty_path():
    assert cri.encode(decode([-1, [IP], None, ["q"]])) == cbor.dumps([-1, [IP], [], ["q"]])


def test_scheme_that_is_none_is_refused():
    for scheme in ("Coap", "1a", "a b", "a_b", "é"):
        assert "scheme" in refusal(decode, [scheme, ["h"]])


def test_host_that_is_none_is_refused():
    for host in (b"", b"abc", bytes(15), bytes(17)):
        assert "4 or 16 bytes" in refusal(decode, [-1, [host]])
    for host in ("a.b", "Ahost", "hostZ", "."):
        assert "lower case, no dots" in refusal(decode, [-1, [host]])
    for authority in ([IP, IP], [IP, 1, 2], [IP, 1, "z"], [IP, "z", "z"], [IP, None]):
        assert "authority: host-ip, zone-id, port" in refusal(decode, [-1, authority])
    for authority in ([1, "h"], ["h", IP], ["h", True], [""]):
        assert "host-name: texts" in refusal(decode, [-1, authority])


def test_ip_address_as_labels_is_refused():
    assert "host-ip" in refusal(decode, [-1, ["192", "0", "2", "5"]])


def test_port_that_is_none_is_refused():
    for port in (65536, -1, 1 << 40):
        assert "port: 0-65535" in refusal(decode, [-1, [IP, port]])
    assert decode([-1, [IP, 65535]]).port == 65535 and decode([-1, [IP, 0]]).port == 0


def test_discard_beyond_127_is_refused():
    assert decode([127, ["a"]]).discard == 127
    assert "discard" in refusal(decode, [128, ["a"]])


def test_dot_segment_in_a_path_is_refused():
    for items in ([-1, ["h"], ["."]], [1, ["a", ".."]]):
        assert "no . or .." in refusal(decode, items)


def test_path_that_a_uri_without_authority_cannot_have_is_refused():
    assert "empty first segment" in refusal(decode, ["a", None, ["", "b"]])
    assert "rootless" in refusal(decode, ["a", True]) and "rootless" in refusal(decode, ["a", True, [""]])
    both("a:/", ["a", None, [""]])


def test_coap_cri_without_a_host_is_refused():
    for items in ([-1], [-1, None, ["a"]], [-8, True, ["a"]], [-2, [], ["a"]], [-1, [5683], ["a"]]):
        assert "a host in a CoAP CRI" in refusal(decode, items)


def test_unsupported_features_are_refused():
    assert refusal(decode, [-4, [False, "alice", "example", "com"]])
    assert refusal(decode, [-1, ["h"], [["a", b";", "a"]]])
    assert "user information" in refusal(cri_reference.from_uri, "https://alice@example.com")


def test_bytes_that_are_no_cbor_are_refused():
    for data in (b"", b"\x82\x20", b"\x82\x20\x81\x44\xc0\x00\x02", b"\x9f\x20\xff", b"\x81\x01\x00"):
        assert refusal(cri.decode, data)


def test_reply_from_is_written_as_one_cri():
    buf = bytearray(30)
    assert origin.write_reply_from(buf, 0, uri.pack(IP, 61616)) == 11
    assert buf[:11].hex() == "82208244c000020519f0b0"
    assert buf[11:] == bytes(19)


def test_reply_from_leaves_the_default_port_out():
    buf = bytearray(30)
    assert origin.write_reply_from(buf, 2, memoryview(uri.pack(IP))) == 8
    assert buf[:11].hex() == "000082208144c0000205" + "00"


def test_reply_from_is_what_encode_writes():
    buf = bytearray(30)
    for ip in (IP, IP6):
        for port in (0, 23, 24, 255, 256, 5682, 5683, 5684, 65535):
            size = origin.write_reply_from(buf, 3, uri.pack(ip, port))
            assert bytes(buf[3 : 3 + size]) == cri.encode(Cri("coap", ip, port))
    assert size == 23


def reply_from(*items):
    return cri.read_reply_from(b"".join([cbor.dumps(item) for item in items]))


def test_reply_from_names_the_origin():
    address, origin, second = reply_from([-1, [IP, 61616]])
    assert address == uri.pack(IP, 61616) and origin == Cri("coap", IP, 61616) and second is None
    assert reply_from([-7, [IP6]])[0] == uri.pack(IP6, 5683)


def test_reply_from_with_a_host_name_has_no_address():
    address, origin, second = reply_from([-1, ["proxy", "example"]])
    assert address is None and origin.host == ["proxy", "example"] and second is None


def test_reply_from_of_a_reverse_proxy_has_a_second_cri():
    assert reply_from([-7, [IP]], [None, [IP6, 61616]])[2] == Cri(None, IP6, 61616)
    assert reply_from([-7, [IP]], [None, ["s1"], ["a"]])[2] == Cri(None, ["s1"], None, ["a"])
    assert reply_from([-7, ["h"]], [True, ["a", "b"]])[2].path == ["a", "b"]


def test_reply_from_may_have_two_nulls_before_the_path():
    assert reply_from([-1, [IP]], [None, None, ["a"]])[2] == Cri(path=["a"])


def test_reply_from_may_be_a_memoryview():
    assert cri.read_reply_from(memoryview(bytes.fromhex("ff82208144c0000205"))[1:])[0] == uri.pack(IP)


def test_reply_from_has_one_or_two_cris():
    assert "at most one CRI reference" in refusal(reply_from)
    assert "at most one CRI reference" in refusal(reply_from, [-1, [IP]], [True, ["a"]], [True, ["a"]])
    assert refusal(cri.read_reply_from, b"\x82\x20\x81\x44\xc0")


def test_first_cri_of_reply_from_is_scheme_and_authority():
    for items in (
        [None, [IP]], [True, ["a"]], [], [-5, None, ["a"]], [-5, True, ["a"]],
        [-1, [IP], ["a"]], [-1, [IP], [], ["q"]], [-1, [IP], [], [], "f"], ["a"], ["a", []],
    ):  # fmt: skip
        assert "scheme and authority" in refusal(reply_from, items), items


def test_second_cri_of_reply_from_is_authority_or_path():
    for items in (
        [-1, [IP]], [1, ["a"]], [0, ["a"]], [], [True], [None, None], [None, True, ["a"]], [True, [], ["q"]],
        [True, ["a"], ["q"]], [True, ["a"], None, "f"], [None, [IP], None, ["q"]], 0,
    ):  # fmt: skip
        assert refusal(reply_from, [-1, [IP]], items), items
    assert "null or true" in refusal(reply_from, [-1, [IP]], [-1, [IP]])


def test_second_cri_of_reply_from_has_no_authority_beside_a_host_name():
    assert "host-ip in the first" in refusal(reply_from, [-1, ["h"]], [None, ["s1"]])


def test_response_forwarding_is_a_tagged_ip_address():
    buf = bytearray(24)
    assert origin.write_response_forwarding(buf, 1, IP) == 8
    assert buf[:10].hex() == "00d9010444c0000205" + "00"
    assert origin.write_response_forwarding(buf, 0, IP6) == 20
    assert bytes(buf[:20]) == cbor.dumps(cbor.CBORTag(260, IP6))


def test_response_forwarding_leaves_the_port_of_an_address():
    buf = bytearray(24)
    assert origin.write_response_forwarding(buf, 0, uri.pack(IP, 61616)) == 8
    assert buf[:9].hex() == "d9010444c000020500"
    assert origin.write_response_forwarding(buf, 0, uri.pack(IP6, 61616)) == 20 and buf[20] == 0


def test_response_forwarding_with_the_tags_of_rfc_9164():
    buf = bytearray(24)
    assert origin.write_response_forwarding(buf, 0, IP, 52) == 7
    assert bytes(buf[:7]) == cbor.dumps(cbor.CBORTag(52, IP))
    assert origin.write_response_forwarding(buf, 0, IP6, 54) == 19
    assert bytes(buf[:19]) == cbor.dumps(cbor.CBORTag(54, IP6))
    for tag in (24, 255, 256, 65535):
        size = origin.write_response_forwarding(buf, 0, IP, tag)
        assert bytes(buf[:size]) == cbor.dumps(cbor.CBORTag(tag, IP))


def test_response_forwarding_is_read_under_three_tags():
    for tag, ip in ((260, IP), (260, IP6), (52, IP), (54, IP6)):
        assert cri.response_forwarding_ip(memoryview(cbor.dumps(cbor.CBORTag(tag, ip)))) == ip


def test_response_forwarding_that_is_no_tagged_ip_address_is_refused():
    for item in (IP, cbor.CBORTag(52, IP6), cbor.CBORTag(54, IP), cbor.CBORTag(260, b"abc"), cbor.CBORTag(261, IP)):
        assert "tag 260, 52 or 54" in refusal(cri.response_forwarding_ip, cbor.dumps(item))
    assert refusal(cri.response_forwarding_ip, cbor.dumps(cbor.CBORTag(260, "abcd")))
    assert refusal(cri.response_forwarding_ip, b"\xd9\x01\x04\x44\xc0")


def test_options_are_written_without_allocating():
    if not hasattr(gc, "mem_alloc"):
        return  # CPython
    buf = bytearray(30)
    for address in (uri.pack(IP, 61616), uri.pack(IP6), uri.pack(IP, 200)):
        before = gc.mem_alloc()
        for _ in range(20):
            origin.write_reply_from(buf, 3, address)
            origin.write_response_forwarding(buf, 3, address)
        assert gc.mem_alloc() == before

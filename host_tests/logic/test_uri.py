"""CoAP URIs and packed addresses (RFC 7252 §6, RFC 3986, RFC 5952)."""

from groupcoap import uri
from groupcoap.ip import packed


def refusal(function, *arguments):
    """Text of the ValueError that the call raises, or None."""
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)


def test_ipv4_text_and_bytes():
    for text, ip in (("192.0.2.5", b"\xc0\x00\x02\x05"), ("0.0.0.0", bytes(4)), ("255.255.255.255", b"\xff" * 4)):
        assert uri.ip_bytes(text) == ip
        assert uri.ip_text(ip) == text


def test_ipv4_that_is_none_is_refused():
    for text in ("", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.", "1.2.3.-4", "1.2.3.+4", "1.2.3.a", "a"):
        assert refusal(uri.ip_bytes, text) == "address %r: expected an IPv4 or IPv6 address" % text


def test_digits_of_other_scripts_are_no_digits():
    assert refusal(uri.ip_bytes, "1.2.3.٤")
    assert uri.parse("coap://1.2.3.%D9%A4").address is None


def test_ipv6_bytes():
    assert uri.ip_bytes("::") == bytes(16)
    assert uri.ip_bytes("::1") == bytes(15) + b"\x01"
    assert uri.ip_bytes("ff02::fd").hex() == "ff0200000000000000000000000000fd"
    assert uri.ip_bytes("2001:DB8:0:1:2:3:4:5").hex() == "20010db8000000010002000300040005"
    assert uri.ip_bytes("1::").hex() == "0001" + "00" * 14
    assert uri.ip_bytes("1:2:3:4:5:6:7::").hex() == "0001000200030004000500060007" + "0000"


def test_ipv6_with_embedded_ipv4():
    assert uri.ip_bytes("::ffff:192.0.2.5").hex() == "00000000000000000000ffffc0000205"
    assert uri.ip_bytes("1:2:3:4:5:6:1.2.3.4").hex() == "00010002000300040005000601020304"
    assert uri.ip_bytes("64:ff9b::1.2.3.4").hex() == "0064ff9b000000000000000001020304"


def test_ipv6_that_is_none_is_refused():
    for text in (
        ":", ":::", "1:", ":1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "g::",
        "fe80::1%eth0", "[::1]", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "::+1", "::1.2.3.256", "1:2:3:4:5:6:7:1.2.3.4",
    ):  # fmt: skip
        assert refusal(uri.ip_bytes, text)


def test_ipv6_text_is_canonical():
    for text in (
        "::", "::1", "1::", "ff02::fd", "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1", "1:0:0:2::3", "fe80::abcd:0:1",
        "1:2:3:4:5:6:7:8", "::ffff:192.0.2.5", "0:1:1:1:1:1:1:1", "1::ffff:c000:205", "::ff:c000:205",
    ):  # fmt: skip
        assert uri.ip_text(uri.ip_bytes(text)) == text
    assert uri.ip_text(uri.ip_bytes("2001:DB8:0:0:1:0:0:1")) == "2001:db8::1:0:0:1"  # RFC 5952 §4.2.3: the first


def test_ip_text_takes_a_memoryview():
    assert uri.ip_text(memoryview(b"x\xc0\x00\x02\x05")[1:]) == "192.0.2.5"
    assert uri.ip_text(memoryview(uri.ip_bytes("ff02::fd"))) == "ff02::fd"


def test_ip_of_another_length_is_refused():
    assert refusal(uri.ip_text, b"abcdef") == "IP address of 6 bytes: expected 4 or 16"


def test_packed_address_is_ip_then_port():
    assert uri.pack("127.0.0.2") == b"\x7f\x00\x00\x02\x16\x33"
    assert uri.pack(b"\x7f\x00\x00\x02", 61616) == b"\x7f\x00\x00\x02\xf0\xb0"
    assert uri.pack(memoryview(b"\x7f\x00\x00\x02"), 0) == b"\x7f\x00\x00\x02\x00\x00"
    assert uri.pack("ff02::fd", 1234) == uri.ip_bytes("ff02::fd") + b"\x04\xd2"


def test_address_that_cannot_be_packed_is_refused():
    assert refusal(uri.pack, b"\x7f\x00\x00") and refusal(uri.pack, "127.0.0.2", 65536)
    assert refusal(uri.pack, "127.0.0.2", -1) and refusal(uri.pack, "host")


def test_packed_address_from_text():
    assert packed("192.0.2.5") == b"\xc0\x00\x02\x05\x16\x33"
    assert packed("192.0.2.5:61616") == b"\xc0\x00\x02\x05\xf0\xb0"
    assert packed("192.0.2.5", 7) == b"\xc0\x00\x02\x05\x00\x07"
    assert packed("[ff02::fd]:1234") == uri.pack("ff02::fd", 1234) and packed("[::1]") == uri.pack("::1")


def test_text_that_is_no_packed_address():
    for text in (
        "", "x", "192.0.2", "192.0.2.5:", "192.0.2.5:65536", "192.0.2.5:-1", "192.0.2.5:1:2", ":5683", "ff02::fd",
        "[ff02::fd", "[ff02::fd]x5683", "[ff02::fd]:", "[192.0.2.5]", "192.0.2.5/24", "host:5683",
    ):  # fmt: skip
        assert "expected an IP address" in refusal(packed, text), text


def test_address_text_leaves_the_default_port_out():
    assert uri.address_text(uri.pack("127.0.0.2")) == "127.0.0.2"
    assert uri.address_text(uri.pack("127.0.0.2", 61616)) == "127.0.0.2:61616"
    assert uri.address_text(uri.pack("127.0.0.2", 61616), 61616) == "127.0.0.2"
    assert uri.address_text(uri.pack("127.0.0.2"), None) == "127.0.0.2:5683"


def test_address_text_of_ipv6_has_brackets():
    assert uri.address_text(uri.pack("ff02::fd", 1234)) == "[ff02::fd]:1234"
    assert uri.address_text(memoryview(uri.pack("ff02::fd"))) == "[ff02::fd]"


def test_multicast_addresses():
    for text in ("224.0.0.0", "224.0.1.187", "239.255.255.255", "ff02::fd", "ff00::"):
        assert uri.is_multicast(uri.ip_bytes(text)) and uri.is_multicast(uri.pack(text))
    for text in ("223.255.255.255", "240.0.0.0", "192.0.2.5", "255.255.255.255", "fe80::1", "::e000:1", "e000::1"):
        assert not uri.is_multicast(uri.ip_bytes(text)) and not uri.is_multicast(uri.pack(text))


def test_uri_with_ipv4_host():
    u = uri.parse("coap://224.0.1.187:61616/a/b?x=1&y")
    assert (u.scheme, u.host, u.port) == ("coap", "224.0.1.187", 61616)
    assert u.address == uri.pack("224.0.1.187", 61616)
    assert u.path == [b"a", b"b"] and u.query == [b"x=1", b"y"]


def test_uri_with_ipv6_host():
    u = uri.parse("coap://[FF02:0::FD]/.well-known/core")
    assert u.host == "ff02::fd" and u.address == uri.pack("ff02::fd")
    assert u.path == [b".well-known", b"core"]


def test_uri_with_a_host_name_has_no_address():
    u = uri.parse("coap://Example.COM/")
    assert u.host == "example.com" and u.address is None and u.port == 5683


def test_host_is_percent_decoded():
    assert uri.parse("coap://caf%C3%A9%41").host == "caféa"
    assert "UTF-8" in refusal(uri.parse, "coap://%ff")


def test_host_of_numbers_that_is_no_ipv4_address_is_a_name():
    u = uri.parse("coap://300.1.1.1")
    assert u.host == "300.1.1.1" and u.address is None


def test_port_defaults_to_that_of_the_scheme():
    ports = {"coap": 5683, "coaps": 5684, "coap+tcp": 5683, "coaps+tcp": 5684, "coap+ws": 80, "coaps+ws": 443}
    for scheme in ports:
        assert uri.parse(scheme + "://192.0.2.5").port == ports[scheme]
    assert uri.parse("coaps://192.0.2.5").address == uri.pack("192.0.2.5", 5684)
    assert uri.parse("coap://192.0.2.5:").port == 5683


def test_unknown_scheme_has_no_default_port():
    u = uri.parse("http://192.0.2.5/x")
    assert u.scheme == "http" and u.port is None and u.address is None and u.path == [b"x"]
    assert uri.parse("http://192.0.2.5:80/").address == uri.pack("192.0.2.5", 80)


def test_scheme_is_lower_case():
    assert uri.parse("CoAP://h").scheme == "coap"
    assert uri.parse("Z+a.0-9://h").scheme == "z+a.0-9"


def test_path_is_percent_decoded_after_it_is_split():
    assert uri.parse("coap://h/a%2Fb/%c3%a9/%25/%00").path == [b"a/b", b"\xc3\xa9", b"%", b"\0"]


def test_query_is_percent_decoded_after_it_is_split():
    assert uri.parse("coap://h?a%26b=%3D&c/?d").query == [b"a&b==", b"c/?d"]


def test_lone_slash_is_no_path():
    assert uri.parse("coap://h").path == [] and uri.parse("coap://h/").path == []


def test_empty_segments_are_kept():
    assert uri.parse("coap://h/a/").path == [b"a", b""]
    assert uri.parse("coap://h//").path == [b"", b""]


def test_empty_query_is_one_empty_argument():
    assert uri.parse("coap://h/?").query == [b""] and uri.parse("coap://h/").query == []


def test_dot_segments_are_removed():
    assert uri.parse("coap://h/a/./b/../c").path == [b"a", b"c"]
    assert uri.parse("coap://h/../a/..").path == []
    assert uri.parse("coap://h/a/b/..").path == [b"a", b""]
    assert uri.parse("coap://h/a/%2e%2E/b").path == [b"b"]


def test_uri_may_be_bytes():
    for text in (b"coap://h/a", bytearray(b"coap://h/a"), memoryview(b"xcoap://h/a")[1:]):
        assert uri.parse(text).path == [b"a"]


def test_relative_uri_is_refused():
    for text in ("", "/a", "a/b", "//h/a", "?q", "192.0.2.5"):
        assert refusal(uri.parse, text) == "URI is relative: expected scheme://host"


def test_bad_scheme_is_refused():
    for text in ("1coap://h", "co_ap://h", "://h", "+a://h"):
        assert "is no scheme" in refusal(uri.parse, text)


def test_uri_without_authority_is_refused():
    assert refusal(uri.parse, "coap:h/a") == "URI has no authority: expected // after coap:"


def test_empty_host_is_refused():
    for text in ("coap://", "coap:///a", "coap://:5683/"):
        assert refusal(uri.parse, text) == "URI has an empty host"


def test_user_information_is_refused():
    assert "user information" in refusal(uri.parse, "coap://user@h/")


def test_fragment_is_refused():
    assert "fragment" in refusal(uri.parse, "coap://h/a#") and "fragment" in refusal(uri.parse, "coap://h/#x")


def test_bad_percent_escape_is_refused():
    for escape in ("%", "%a", "%zz", "%1g", "%+1", "%1_"):
        assert "expected two hexadecimal digits" in refusal(uri.parse, "coap://h/" + escape)
        assert "expected two hexadecimal digits" in refusal(uri.parse, "coap://h?" + escape)
        assert "expected two hexadecimal digits" in refusal(uri.parse, "coap://h" + escape)


def test_bad_port_is_refused():
    for port in ("65536", "-1", "1x", "+1", "1_0", "5683:", "%35", "999999999999999999999"):
        assert "expected 0-65535" in refusal(uri.parse, "coap://192.0.2.5:" + port)


def test_port_may_have_zeros_before_it():
    assert uri.parse("coap://192.0.2.5:005684").port == 5684
    assert uri.parse("coap://h:0").port == 0 and uri.parse("coap://h:65535").port == 65535


def test_bad_ipv6_host_is_refused():
    for host in ("[", "[]", "[::1", "[::1]x", "[1.2.3.4]", "[fe80::1%25eth0]", "[v1.x]", "[:::]"):
        assert "expected an IPv6 address in brackets" in refusal(uri.parse, "coap://" + host + "/")


def test_ipv6_host_without_brackets_is_refused():
    assert refusal(uri.parse, "coap://::1/")


def test_bytes_that_no_uri_holds_are_refused():
    for char in ' \t\n\x00\x7f"<>\\^`{|}é':
        assert "has to be percent-encoded" in refusal(uri.parse, "coap://h/a" + char)
    for char in "[]":
        assert "has to be percent-encoded" in refusal(uri.parse, "coap://h/a" + char)


def test_text_of_a_uri_is_normal():
    for text in (
        "coap://192.0.2.5/", "coap://192.0.2.5:61616/a/b?x=1&y", "coap://[ff02::fd]/", "coap://[::1]:1/",
        "coap://h//", "coap://h/a/", "coap://h/?", "coap://h/a%2Fb?c%26d/?", "http://h:80/", "coaps+ws://h/",
        "coap://caf%C3%A9/!$&'()*+,;=:@", "coap://h/?!$'()*+,;=:@/?%23&%25", "coap://az09/AZaz09-._~@?AZaz09-._~",
    ):  # fmt: skip
        assert str(uri.parse(text)) == text


def test_text_of_a_uri_leaves_the_default_port_out():
    assert str(uri.parse("CoAPs://H:5684")) == "coaps://h/"
    assert str(uri.parse("coap://h:5684")) == "coap://h:5684/"


def test_uri_is_composed_from_the_parts_of_a_request():
    assert uri.compose("coap", "192.0.2.5") == "coap://192.0.2.5/"
    assert uri.compose("coap", "ff02::fd", 61616, [b"a b"], [b"c&d", b"e"]) == "coap://[ff02::fd]:61616/a%20b?c%26d&e"
    assert uri.compose("coap", "h", path=[memoryview(b"\xc3\xa9")]) == "coap://h/%C3%A9"

"""Link format: listings, filters, listings in blocks, groups, and reading (RFC 6690, groupcomm-bis §2.2.3)."""

from groupcoap.errors import BadRequest
from groupcoap.link_parser import parse
from groupcoap.links import Listing


class Item:
    """A resource, as a listing wants it."""

    def __init__(self, path, **fields):
        self.segments = [segment.encode() for segment in path.split("/")]
        for name in fields:
            setattr(self, name, fields[name])


TEMP = Item("temp", rt="temperature-c core.s", interface="sensor", content_format=0, observable=True)
LIGHT = Item("light/1", rt="light-lux", interface="actuator sensor", content_format=60, size=400, title="Hall")
BARE = Item("bare", rt=None, interface=None, content_format=None, observable=False, size=None, title=None)
ALL = (TEMP, LIGHT, BARE)

TEMP_LINK = b'</temp>;rt="temperature-c core.s";if="sensor";ct=0;obs'
LIGHT_LINK = b'</light/1>;rt="light-lux";if="actuator sensor";ct=60;title="Hall";sz=400'
BARE_LINK = b"</bare>"

IN_GROUP = "coap://239.1.2.3:5685"
GP1 = Item("gp/gp1", rt="g.light", attributes=(("gpt", "light"),), bases=(IN_GROUP,))
GP5 = Item("gp/gp5", rt="g.lock", bases=(IN_GROUP, "coap://239.1.2.4"))


def listed(*query, resources=ALL, base=None):
    return Listing(resources, query, base).text()


def raises(function, *arguments, error=ValueError):
    try:
        function(*arguments)
    except error as e:
        return str(e)
    raise AssertionError("no error")


# Writing


def test_listing_has_every_resource_with_its_attributes():
    assert listed() == TEMP_LINK + b"," + LIGHT_LINK + b"," + BARE_LINK


def test_path_is_percent_encoded_segment_by_segment():
    item = Item("")
    item.segments = [b"a b", b"x/y", b"100%", b"\xc3\xa9", b"a,b;c>", b""]
    assert listed(resources=[item]) == b"</a%20b/x%2Fy/100%25/%C3%A9/a,b;c%3E/>"


def test_root_is_a_slash():
    item = Item("")
    item.segments = []
    assert listed(resources=[item]) == b"</>"


def test_quotes_and_backslashes_are_escaped():
    assert listed(resources=[Item("a", title='the "big" \\ one')]) == b'</a>;title="the \\"big\\" \\\\ one"'


def test_several_content_formats_are_quoted():
    assert listed(resources=[Item("a", content_format=(0, 60))]) == b'</a>;ct="0 60"'


def test_zero_is_an_attribute_too():
    assert listed(resources=[Item("a", content_format=0, size=0)]) == b"</a>;ct=0;sz=0"


def test_attributes_of_an_application_come_last():
    item = Item("a", rt="x", attributes=(("gpt", "light"), ("hidden", True)))
    assert listed(resources=[item]) == b'</a>;rt="x";gpt="light";hidden'


# Filters


def test_filter_on_rt_and_if_matches_any_of_the_values():
    assert listed(b"rt=core.s") == TEMP_LINK
    assert listed(b"rt=temperature-c") == TEMP_LINK
    assert listed(b"if=sensor") == TEMP_LINK + b"," + LIGHT_LINK
    assert listed(b"if=actuator") == LIGHT_LINK


def test_filter_matches_whole_values():
    for query in (b"rt=temperature", b"rt=temperature-c core.s", b"rt=", b"rt=ore.s", b"rt=CORE.S", b"ct=6", b"sz=40"):
        assert listed(query) == b"", query


def test_star_at_the_end_matches_beginnings():
    assert listed(b"rt=temp*") == TEMP_LINK
    assert listed(b"rt=core*") == TEMP_LINK
    assert listed(b"rt=light-lux*") == LIGHT_LINK
    assert listed(b"rt=ore*") == b""
    assert listed(b"rt=t*c") == b""


def test_star_alone_matches_what_has_the_attribute():
    assert listed(b"rt=*") == TEMP_LINK + b"," + LIGHT_LINK
    assert listed(b"obs=*") == TEMP_LINK
    assert listed(b"title=*") == LIGHT_LINK


def test_filter_on_href_matches_the_decoded_path():
    spaced = Item("a b")
    assert listed(b"href=/light/1") == LIGHT_LINK
    assert listed(b"href=/light*") == LIGHT_LINK
    assert listed(b"href=light/1") == listed(b"href=/light") == b""
    assert listed(b"href=/a b", resources=[spaced]) == b"</a%20b>"
    assert listed(b"href=*") == listed()


def test_filter_on_numbers():
    several = Item("several", content_format=(0, 60))
    assert listed(b"ct=60", resources=ALL + (several,)) == LIGHT_LINK + b',</several>;ct="0 60"'
    assert listed(b"ct=0") == TEMP_LINK
    assert listed(b"sz=400") == LIGHT_LINK
    assert listed(b"ct=0 60", resources=[several]) == b""


def test_filter_on_obs_needs_no_value():
    assert listed(b"obs") == listed(b"obs=") == TEMP_LINK
    assert listed(b"obs=1") == b""


def test_title_is_one_value():
    item = Item("a", title="Big Hall")
    assert listed(b"title=Big Hall", resources=[item]) and listed(b"title=Big*", resources=[item])
    assert listed(b"title=Hall", resources=[item]) == b""


def test_all_filters_have_to_match():
    assert listed(b"if=sensor", b"ct=60") == LIGHT_LINK
    assert listed(b"ct=60", b"rt=core.s") == b""


def test_unknown_attribute_matches_nothing():
    for query in (b"anchor=*", b"x", b"", b"=", b"=*", b"\xff=\xff", b"segments=*"):
        assert listed(query) == b"", query


def test_value_may_have_an_equals_sign_and_any_byte():
    item = Item("a", title="x=y")
    assert listed(b"title=x=y", resources=[item])
    assert listed(b"title=\xff\xfe", resources=[item]) == b""


def test_empty_listing_is_known_as_such():
    assert Listing(ALL, [b"rt=none"]).empty() and Listing([]).empty()
    assert not Listing(ALL, [b"rt=core.s"]).empty() and not Listing(ALL).empty()


def test_filters_are_at_most_eight():
    assert listed(*[b"ct=0"] * 8) == TEMP_LINK
    assert "8" in raises(Listing, ALL, [b"ct=0"] * 9, error=BadRequest)


# Blocks


def blocks(listing, size):
    out = []
    buf = bytearray(size)
    listing.seek(0)
    while True:
        length = listing.readinto(buf)
        if not length:
            return out
        out.append(bytes(buf[:length]))


def block_at(listing, offset, size=16):
    buf = bytearray(size)
    listing.seek(offset)
    return bytes(buf[: listing.readinto(buf)])


def test_blocks_make_the_whole():
    for resources in (ALL, (TEMP,), (BARE,), (GP5,)):
        listing = Listing(resources)
        whole = listing.text()
        assert listing.size() == len(whole)
        for size in (1, 7, 16, len(whole) - 1, len(whole), len(whole) + 1, 1024):
            assert b"".join(blocks(listing, size)) == whole, size


def test_listing_is_never_there_as_a_whole():
    pieces = list(Listing([Item("resource/%d" % i, rt="kind", title="a title") for i in range(300)]))
    assert max([len(piece) for piece in pieces]) < 20 and min([len(piece) for piece in pieces]) > 0


def test_last_block_that_is_full_has_none_behind_it():
    assert blocks(Listing([Item("f" * 29)]), 16) == [b"</ffffffffffffff", b"fffffffffffffff>"]


def test_block_is_filtered_too():
    assert block_at(Listing(ALL, [b"ct=60"]), 64) == LIGHT_LINK[64:]


def test_block_behind_the_end_is_empty():
    whole = len(Listing(ALL).text())
    for offset in (whole, whole + 1, whole + 4096):
        assert block_at(Listing(ALL), offset) == b""
    assert block_at(Listing([]), 0) == b""


def test_block_goes_into_part_of_a_buffer():
    buf = bytearray(b"." * 20)
    listing = Listing(ALL)
    listing.seek(1)
    assert listing.readinto(memoryview(buf)[2:18]) == 16
    assert buf == b".." + TEMP_LINK[1:17] + b".."


# Groups


def test_group_that_was_asked_is_answered_with_paths():
    expected = b'</gp/gp1>;rt="g.light";gpt="light",</gp/gp5>;rt="g.lock"'
    assert listed(b"rt=g.*", resources=(TEMP, GP1, GP5), base=IN_GROUP) == expected


def test_unicast_is_answered_with_paths():
    assert listed(b"rt=g.lock", resources=(TEMP, GP1, GP5)) == b'</gp/gp5>;rt="g.lock"'


def test_another_group_is_answered_with_the_uris_in_the_groups():
    found = listed(b"rt=g.*", resources=(TEMP, GP1, GP5), base="coap://224.0.1.187")
    assert found == (
        b'<coap://239.1.2.3:5685/gp/gp1>;rt="g.light";gpt="light",'
        b'<coap://239.1.2.3:5685/gp/gp5>;rt="g.lock",<coap://239.1.2.4/gp/gp5>;rt="g.lock"'
    )


def test_resource_of_no_group_has_a_path_for_everyone():
    assert listed(resources=[TEMP], base="coap://224.0.1.187") == TEMP_LINK


def test_application_group_is_found_by_path_uri_and_attribute():
    for query in (b"href=/gp/gp1", b"href=coap://239.1.2.3:5685/gp/gp1", b"gpt=light", b"gpt=*", b"gpt"):
        found = listed(query, resources=(TEMP, GP1, GP5), base="coap://224.0.1.187")
        assert found == b'<coap://239.1.2.3:5685/gp/gp1>;rt="g.light";gpt="light"', query
    assert listed(b"href=/gp/*", resources=(TEMP, GP1), base=IN_GROUP) == b'</gp/gp1>;rt="g.light";gpt="light"'


# Reading


def test_links_are_read():
    text = '</a>;rt="x y";ct=0;obs,<coap://192.0.2.5/b?c=d>;if=sensor;sz="12",</>'
    expected = [
        ("/a", {"rt": "x y", "ct": "0", "obs": True}),
        ("coap://192.0.2.5/b?c=d", {"if": "sensor", "sz": "12"}),
        ("/", {}),
    ]
    assert list(parse(text)) == list(parse(text.encode())) == expected
    assert list(parse("")) == list(parse(b"")) == []


def test_quoted_value_may_have_delimiters_and_escapes():
    text = '</a>;title="one, two; <three>=\\"4\\" \\\\ \\5\t\xe9";rt="",</b>'
    title = 'one, two; <three>="4" \\ 5\t\xe9'
    assert list(parse(text)) == [("/a", {"title": title, "rt": ""}), ("/b", {})]


def test_target_may_have_delimiters():
    assert list(parse("</a,b;c=d>;rt=x")) == [("/a,b;c=d", {"rt": "x"})]


def test_unquoted_value_has_its_signs():
    assert list(parse("</a>;if=a.b/c-d_<e>=f~1;title*=UTF-8'en'a%20b,</b>")) == [
        ("/a", {"if": "a.b/c-d_<e>=f~1", "title*": "UTF-8'en'a%20b"}),
        ("/b", {}),
    ]


def test_first_of_equal_attributes_counts():
    assert list(parse("</a>;rt=one;rt=two;obs;obs=1")) == [("/a", {"rt": "one", "obs": True})]


def test_own_listing_is_read_back():
    item = Item("a b", rt="x y", title='a "quoted", \\ one;', content_format=(0, 60), observable=True, size=7)
    assert list(parse(listed(resources=[item]))) == [
        ("/a%20b", {"rt": "x y", "ct": "0 60", "obs": True, "title": 'a "quoted", \\ one;', "sz": "7"})
    ]


FAULTS = (
    (b"x", 0),
    (b" </a>", 0),
    (b"</a", 0),
    (b"</a b>", 3),
    (b"<\xc3\xa9>", 1),
    (b"</a>,", 5),
    (b"</a>,,</b>", 5),
    (b"</a> ,</b>", 4),
    (b"</a></b>", 4),
    (b"</a>, </b>", 5),
    (b"</a>;", 5),
    (b"</a>;;rt=x", 5),
    (b"</a>;=x", 5),
    (b"</a>; rt=x", 5),
    (b"</a>;rt=", 8),
    (b"</a>;rt=,</b>", 8),
    (b"</a>;rt=x y", 9),
    (b'</a>;rt="x', 8),
    (b'</a>;rt="x\\', 11),
    (b'</a>;rt="x\\"', 8),
    (b'</a>;rt="x"y', 11),
    (b'</a>;rt="a\nb"', 10),
    (b'</a>;rt="\xff"', 8),
    (b"</a>;rt=\xc3\xa9", 8),
)


def test_fault_is_named_with_its_place():
    for text, at in FAULTS:
        message = raises(list, parse(text))
        assert "byte %d:" % at in message, (text, message)


def test_links_in_front_of_a_fault_are_read():
    links = parse(b"</a>;ct=0,</b")
    assert next(links) == ("/a", {"ct": "0"})
    assert "byte 10" in raises(next, links)


def test_attributes_of_a_link_are_at_most_32():
    text = b"</a>" + b";x" * 32
    assert len(list(parse(text))) == 1
    assert "32" in raises(list, parse(text + b";y"))

"""Group exchanges through the proxy, between real processes, with real multicast on the loopback."""

import json
import time

import cbor2
import peers
import pytest
from peers import (
    ACK,
    CON,
    GET,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    NON,
    PORT,
    PROXY_CRI,
    PROXY_SCHEME,
    PROXY_SCHEME_NUMBER,
    PROXY_URI,
    PUT,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    RST,
    URI_HOST,
    URI_PATH,
    uint,
)

UNKNOWN_ELECTIVE = 65008  # safe to forward


class Net(peers.Net):
    """A group, a proxy that lets `client` reach it, and `member`, which hears what is sent to the group."""

    def start_proxy(self, groups=None, **proxy):
        groups = [self.group] if groups is None else groups
        self.proxy = self._node(peers.proxy_config(self.client.address, groups, **proxy))
        return self.proxy

    def fake_server(self):
        return peers.Peer(self._lan.address(), PORT)

    def uri(self, path="temp"):
        return f"coap://{self.group}/{path}"

    def request(self, timeout=2, profile="07", type=CON, sender=None, path="temp", **how):
        """Send a group request to the proxy: (the request, the message that tells of its acceptance)."""
        number = MULTICAST_TIMEOUT if profile == "07" else MULTICAST_SIGNALING
        options = [(PROXY_URI, self.uri(path).encode()), (number, uint(timeout)), *how.pop("more", ())]
        return (sender or self.client).send(self.proxy, type, options=options, **how)

    def acknowledged(self, **how):
        """Send a group request and await its empty ACK."""
        request = self.request(**how)
        message = self.client.expect()
        assert (message.type, message.code, message.mid) == (ACK, "0.00", request.mid)
        return request

    def tool(self, *arguments):
        return peers.groupcoap(*arguments, "--proxy", self.proxy.uri, "--bind", self.client.address, "--json")


@pytest.fixture
def net(lan, node):
    return Net(lan, node)


def origin(value):
    """Address and port that a Reply-From names."""
    scheme, authority = cbor2.loads(value)
    assert scheme == -1
    return authority[0], authority[1] if len(authority) > 1 else PORT


def ip(address):
    return bytes(map(int, address.split(".")))


def test_six_servers_give_six_answers_each_with_its_origin(net):
    net.start_proxy()
    servers = net.start_servers(6, leisure_s=0.25)
    process = net.tool("get", net.uri(), "--timeout", "2")
    found = peers.answers(process)
    expected = {f"coap://{server.address}": f"{i}.5" for i, server in enumerate(servers)}
    assert {answer["origin"]: answer["payload"] for answer in found} == expected
    assert len(found) == 6
    assert {answer["code"] for answer in found} == {"2.05"}
    assert process.returncode == 0


def test_answers_come_one_by_one_under_the_clients_token(net):
    net.start_proxy()
    servers = net.start_servers(6, leisure_s=0.25)
    request = net.acknowledged(token=b"\x01" * 8)
    found = net.client.collect(6)
    assert {origin(message.option(REPLY_FROM)) for message in found} == {(ip(s.address), PORT) for s in servers}
    assert {(message.type, message.code, message.token) for message in found} == {(NON, "2.05", request.token)}
    assert {message.source for message in found} == {(net.proxy.address, net.proxy.port)}
    assert len({message.mid for message in found}) == 6


def test_origin_of_a_server_at_another_port_names_the_port(net, node):
    net.start_proxy()
    server = node(peers.server_config(net.group, port=5699))
    net.acknowledged()
    assert origin(net.client.expect().option(REPLY_FROM)) == (ip(server.address), 5699)


@pytest.mark.parametrize("token", [b"", b"\x07", bytes(8)])
def test_token_of_any_length_comes_back(token, net):
    net.start_proxy()
    net.acknowledged(token=token)
    peers.answer(net.fake_server(), net.member.expect())
    assert net.client.expect().token == token


def test_answer_is_relayed_until_the_timeout_and_not_after(net):
    net.start_proxy()
    early, seventh = net.fake_server(), net.fake_server()
    net.acknowledged(timeout=2)
    request = net.member.expect()
    sent = time.monotonic()
    time.sleep(max(0, sent + 1.6 - time.monotonic()))
    peers.answer(early, request, b"early", CON)
    assert early.expect().type == ACK
    assert net.client.expect().payload == b"early"
    time.sleep(max(0, sent + 2.2 - time.monotonic()))
    peers.answer(seventh, request, b"late", NON)
    peers.answer(seventh, request, b"late too", CON)
    assert seventh.expect().type == RST  # the proxy has it, and knows its token no more
    assert net.client.ping(net.proxy) == []


def test_timeout_above_the_maximum_is_lowered_to_it(net):
    net.start_proxy(max_timeout_s=1)
    server = net.fake_server()
    net.acknowledged(timeout=3600)
    request = net.member.expect()
    time.sleep(1.2)
    peers.answer(server, request, type=CON)
    assert server.expect().type == RST


def test_client_off_the_allow_list_is_refused_and_nothing_is_multicast(net, lan):
    net.start_proxy()
    stranger = peers.Peer(lan.address())
    request = net.request(sender=stranger)
    refusal = stranger.expect()
    assert (refusal.type, refusal.code, refusal.mid, refusal.token) == (ACK, "4.01", request.mid, request.token)
    net.acknowledged(path="next")
    assert net.member.expect().option(URI_PATH) == b"next"  # the first that the group has heard


def test_tool_shows_a_refusal_as_the_proxys_own(net, lan):
    net.start_proxy()
    process = peers.groupcoap("get", net.uri(), "--proxy", net.proxy.uri, "--bind", lan.address(), "--json")
    assert process.returncode == 1
    assert [(a["origin"], a["code"]) for a in peers.answers(process)] == [(None, "4.01")]


def test_group_that_the_client_may_not_reach_is_refused(net, lan):
    net.start_proxy()
    other = lan.group()
    for target in (f"coap://{other}/temp", f"coap://{net.group}:5684/temp"):
        options = [(PROXY_URI, target.encode()), (MULTICAST_TIMEOUT, b"\x01")]
        assert net.client.ask(net.proxy, options=options).code == "4.01"


def test_groups_that_are_not_enabled_are_not_implemented(net):
    net.start_proxy(groups=[])
    net.request()
    assert net.client.expect().code == "5.01"


def test_unicast_target_is_refused_where_the_client_may_not_have_it(net):
    net.start_proxy(unicast=False)
    assert net.client.ask(net.proxy, options=[(PROXY_URI, b"coap://127.0.0.1/temp")]).code == "4.01"


def test_timeout_zero_multicasts_and_relays_nothing(net):
    net.start_proxy()
    server = net.fake_server()
    net.acknowledged(timeout=0)
    peers.answer(server, net.member.expect(), type=CON)
    assert server.expect().type == RST
    assert net.client.ping(net.proxy) == []


@pytest.mark.parametrize("profile", ["07", "00"])
def test_put_with_timeout_zero_takes_effect_on_every_server(profile, net):
    net.start_proxy()
    servers = net.start_servers(2)
    process = net.tool("put", net.uri(), "19.0", "--timeout", "0", "--profile", profile)
    assert (process.returncode, process.stdout) == (1, "")
    for server in servers:
        assert net.client.ask(server, options=peers.path("temp")).payload == b"19.0"


def test_profile_07_servers_do_not_see_the_timeout(net):
    net.start_proxy()
    (server,) = net.start_servers(1)
    net.acknowledged(more=[(UNKNOWN_ELECTIVE, b"x")])
    heard = net.member.expect()
    assert heard.type == NON
    assert heard.options == ((URI_PATH, b"temp"), (UNKNOWN_ELECTIVE, b"x"))
    response = net.client.expect()
    assert origin(response.option(REPLY_FROM)) == (ip(server.address), PORT)
    assert response.option(RESPONSE_FORWARDING) is None


def test_profile_00_servers_say_their_origin_and_the_proxy_removes_nothing(net):
    net.start_proxy()
    (server,) = net.start_servers(1)
    net.acknowledged(profile="00", more=[(UNKNOWN_ELECTIVE, b"x")])
    heard = net.member.expect()
    assert heard.options == ((URI_PATH, b"temp"), (MULTICAST_SIGNALING, b"\x02"), (UNKNOWN_ELECTIVE, b"x"))
    response = net.client.expect()
    assert cbor2.loads(response.option(RESPONSE_FORWARDING)) in (
        cbor2.CBORTag(260, ip(server.address)),
        cbor2.loads(b"\xd9\x01\x04\x44" + ip(server.address)),  # where cbor2 makes an address of it
    )
    assert response.option(REPLY_FROM) is None


def test_profile_00_timeout_of_five_bytes_is_in_bounds(net):
    net.start_proxy(max_timeout_s=2)
    net.acknowledged(profile="00", timeout=1 << 32)
    assert net.member.expect().option(MULTICAST_SIGNALING) == b"\x01\0\0\0\0"


def test_where_both_options_are_there_07_decides_and_signaling_travels_on(net):
    net.start_proxy()
    server = net.fake_server()
    net.acknowledged(more=[(MULTICAST_SIGNALING, b"")])
    heard = net.member.expect()
    assert heard.options == ((URI_PATH, b"temp"), (MULTICAST_SIGNALING, b""))
    peers.answer(server, heard)
    assert origin(net.client.expect().option(REPLY_FROM)) == (ip(server.address), PORT)


def test_both_profiles_at_the_same_time_through_one_proxy(net):
    net.start_proxy()
    servers = net.start_servers(6)
    tokens = {net.request(profile=profile).token: profile for profile in ("07", "00", "07", "00")}
    found = net.client.collect(4 * 6, wanted=lambda message: message.type == NON)
    for token, profile in tokens.items():
        own = [message for message in found if message.token == token]
        values = [message.option(REPLY_FROM if profile == "07" else RESPONSE_FORWARDING) for message in own]
        assert None not in values
        assert {value[-4:] for value in values} == {ip(server.address) for server in servers}
        assert len(own) == 6
        assert not [m for m in own if m.option(RESPONSE_FORWARDING if profile == "07" else REPLY_FROM) is not None]


def test_reply_from_that_a_server_sends_is_replaced(net):
    net.start_proxy()
    server = net.fake_server()
    net.acknowledged()
    forged = cbor2.dumps([-1, [b"\xc0\x00\x02\x01"]])
    peers.answer(server, net.member.expect(), options=[(REPLY_FROM, forged)])
    assert origin(net.client.expect().option(REPLY_FROM)) == (ip(server.address), PORT)


def test_missing_timeout_is_told_by_an_empty_one(net):
    net.start_proxy()
    response = net.client.ask(net.proxy, options=[(PROXY_URI, net.uri().encode())])
    assert (response.type, response.code, response.option(MULTICAST_TIMEOUT)) == (ACK, "4.00", b"")
    assert response.payload.decode()
    net.acknowledged(path="next")
    assert net.member.expect().option(URI_PATH) == b"next"


@pytest.mark.parametrize("more", [[(MULTICAST_TIMEOUT, b"12345")], [(MULTICAST_TIMEOUT, b"\x01")] * 2, [(10, b"")]])
def test_unsafe_option_that_cannot_be_taken_is_a_bad_option(more, net):
    net.start_proxy()
    if more[0][0] != MULTICAST_TIMEOUT:
        more = [(MULTICAST_TIMEOUT, b"\x01"), *more]
    assert net.client.ask(net.proxy, options=[(PROXY_URI, net.uri().encode()), *more]).code == "4.02"


def test_several_answers_of_one_server_are_all_relayed(net):
    net.start_proxy()
    server = net.fake_server()
    net.acknowledged()
    heard = net.member.expect()
    first = peers.answer(server, heard, b"1")
    peers.answer(server, heard, b"1", mid=first.mid)  # that datagram again is no further answer
    peers.answer(server, heard, b"2", CON)
    peers.answer(server, heard, b"3")
    found = net.client.collect(3)
    assert [message.payload for message in found] == [b"1", b"2", b"3"]
    assert {origin(message.option(REPLY_FROM)) for message in found} == {(ip(server.address), PORT)}
    assert net.client.ping(net.proxy) == []


def test_con_request_is_acknowledged_before_anyone_answers(net):
    net.start_proxy()
    request = net.acknowledged()
    heard = net.member.expect()
    net.client.send(net.proxy, CON, options=request.options, token=request.token, mid=request.mid)  # the ACK was lost
    again = net.client.expect()
    assert (again.type, again.code, again.mid) == (ACK, "0.00", request.mid)
    peers.answer(net.fake_server(), heard)
    assert net.client.expect().type == NON
    net.acknowledged(path="next")
    assert net.member.expect().option(URI_PATH) == b"next"  # the repeated one was not multicast again


def test_non_request_is_not_acknowledged(net):
    net.start_proxy()
    net.request(type=NON)
    peers.answer(net.fake_server(), net.member.expect())
    assert net.client.expect().type == NON


def test_error_of_a_server_is_relayed_with_its_origin(net):
    net.start_proxy()
    server = net.fake_server()
    net.acknowledged()
    heard = net.member.expect()
    server.send(heard.source, NON, "4.04", token=heard.token)
    response = net.client.expect()
    assert (response.code, origin(response.option(REPLY_FROM))) == ("4.04", (ip(server.address), PORT))


def test_token_of_an_open_exchange_stops_it(net):
    net.start_proxy()
    server = net.fake_server()
    request = net.acknowledged()
    heard = net.member.expect()
    net.request(token=request.token, path="other")
    assert net.client.expect().code == "4.00"
    peers.answer(server, heard, type=CON)
    assert server.expect().type == RST


@pytest.mark.parametrize(
    "naming",
    [
        lambda group: [(PROXY_SCHEME, b"coap"), (URI_HOST, group.encode()), (URI_PATH, b"temp")],
        lambda group: [(PROXY_SCHEME_NUMBER, b""), (URI_HOST, group.encode()), (URI_PATH, b"temp")],
        lambda group: [(PROXY_CRI, cbor2.dumps([-1, [ip(group)], ["temp"]]))],
    ],
    ids=["Proxy-Scheme", "Proxy-Scheme-Number", "Proxy-Cri"],
)
def test_group_may_be_named_in_other_ways(naming, net):
    net.start_proxy()
    net.client.send(net.proxy, CON, GET, [*naming(net.group), (MULTICAST_TIMEOUT, b"\x01")])
    assert net.member.expect().options == ((URI_PATH, b"temp"),)
    assert net.client.expect().type == ACK


def test_origin_just_learned_can_be_asked_directly_and_through_the_proxy(net):
    net.start_proxy()
    servers = net.start_servers(3)
    found = peers.answers(net.tool("get", net.uri(), "--timeout", "1"))
    assert len(found) == 3
    for learned in found:
        target = learned["origin"] + "/temp"
        for process in (net.tool("get", target), peers.groupcoap("get", target, "--json")):
            (response,) = peers.answers(process)
            assert process.returncode == 0
            assert (response["origin"], response["payload"]) == (learned["origin"], learned["payload"])
    target = found[0]["origin"] + "/temp"
    assert net.tool("put", target, "30").returncode == 0
    values = [net.client.ask(server, options=peers.path("temp")).payload for server in servers]
    assert sorted(values)[-1] == b"30" and len(set(values)) == 3  # that one alone


def test_json_lines_have_four_keys(net):
    net.start_proxy()
    net.start_servers(1)
    process = net.tool("get", net.uri(), "--timeout", "1", "--profile", "00")
    (line,) = process.stdout.splitlines()
    assert list(json.loads(line)) == ["origin", "code", "payload", "rtt_ms"]
    assert 0 <= json.loads(line)["rtt_ms"] < 1000 * peers.ANSWER_S


def test_group_hears_the_tool_without_a_proxy(net):
    servers = net.start_servers(3)
    process = peers.groupcoap("get", net.uri(), "--multicast-interface", "127.0.0.1", "--timeout", "1", "--json")
    assert {answer["origin"] for answer in peers.answers(process)} == {f"coap://{s.address}" for s in servers}


def test_member_is_silent_about_errors_and_about_con_and_answers_from_its_own_address(net):
    (server,) = net.start_servers(1)
    to = net.group, PORT
    net.client.send(to, NON, options=peers.path("missing"))
    net.client.send(to, NON, options=[*peers.path("temp"), (9999, b"")])  # critical, unknown
    net.client.send(to, CON, options=peers.path("temp"))
    net.client.send(to, NON, "0.02", peers.path("temp"))  # not allowed
    request = net.client.send(to, NON, options=peers.path("temp"))
    response = net.client.expect()
    assert (response.type, response.token, response.source) == (NON, request.token, (server.address, PORT))
    assert net.client.ping(server) == []


def test_resource_that_did_not_opt_in_does_not_answer_a_group(net, node):
    resources = {"temp": {"value": "1"}, "quiet": {"value": "2", "group": False}}
    server = node({"role": "server", "groups": [net.group], "leisure_s": 0.05, "resources": resources})
    net.client.send((net.group, PORT), NON, options=peers.path("quiet"))
    net.client.send((net.group, PORT), NON, PUT, peers.path("quiet"), b"3")
    net.client.send((net.group, PORT), NON, options=peers.path("temp"))
    assert net.client.expect().payload == b"1"
    assert net.client.ask(server, options=peers.path("quiet")).payload == b"2"

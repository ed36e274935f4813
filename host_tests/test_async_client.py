"""The asyncio face of the client, against real nodes and against servers that are scripted here."""

import asyncio
import socket
import contextlib
import io

import pytest

import peers
from groupcoap import errors
from groupcoap.net.client import Client, RequestFailed

OBSERVE, ETAG, BLOCK2, BLOCK1 = 6, 4, 23, 27


class Scripted(asyncio.DatagramProtocol):
    """A server on the loopback; answer(request) gives (code, options, payload), or a list of them, or None.

    The first rides on the ACK, the others are NONs. `heard`: the requests.
    """

    def __init__(self, answer):
        self.heard, self._answer, self._mid = [], answer, 5000

    def connection_made(self, transport):
        self.transport = transport
        self.uri = "coap://%s:%d" % transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data, source):
        request = peers.decode(data, source)
        if request.code == "0.00":
            self.heard.append(request)
            return
        self.heard.append(request)
        answers = self._answer(request)
        for i, (code, options, payload) in enumerate([answers] if isinstance(answers, tuple) else answers or ()):
            self._mid += 1
            type, mid = (peers.ACK, request.mid) if i == 0 and request.type == peers.CON else (peers.NON, self._mid)
            self.transport.sendto(peers.encode(type, code, mid, request.token, options, payload), source)


@contextlib.asynccontextmanager
async def scripted(answer, address="127.0.0.1"):
    """(server, client) while the block lasts."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Scripted(answer), local_addr=(address, 0))
    async with Client() as client:
        yield server, client
    transport.close()


def run(program):
    asyncio.run(asyncio.wait_for(program, 20))


def test_each_method_is_a_verb():
    async def program():
        def answer(request):
            return "2.05", [], b"%s %s" % (request.code.encode(), request.payload)

        async with scripted(answer) as (server, c):
            target = server.uri + "/temp"
            assert (await c.get(target)).payload == b"0.01 "
            assert (await c.post(target, "a")).payload == b"0.02 a"
            assert (await c.put(target, b"b")).payload == b"0.03 b"
            assert (await c.delete(target)).payload == b"0.04 "
            assert (await c.fetch(target, "c", content_format=60)).payload == b"0.05 c"
            assert (await c.patch(target, "d")).payload == b"0.06 d"
            assert (await c.ipatch(target, "e")).payload == b"0.07 e"

    run(program())


def test_error_is_raised_by_its_name():
    async def program():
        async with scripted(lambda request: ("4.04", [], b"no such room")) as (server, client):
            with pytest.raises(errors.NotFound, match="no such room") as raised:
                await client.get(server.uri)
            assert raised.value.response.code == 0x84
            with pytest.raises(errors.ResponseError):
                await client.put(server.uri, "1")
            codes = [response.code async for response in client.request(1, server.uri)]
            assert codes == [0x84]

    run(program())


def test_valid_is_no_error():
    async def program():
        async with scripted(lambda request: ("2.03", [(ETAG, b"e")], b"")) as (server, client):
            assert (await client.get(server.uri, etag=b"e")).code == 0x43

    run(program())


def block(num, more, szx=2):
    return peers.uint(num << 4 | more << 3 | szx)


def test_large_payloads_go_both_ways():
    body, taken = bytes(range(256)) * 2, []

    def answer(request):
        if request.code == "0.03":
            value = int.from_bytes(request.option(BLOCK1), "big")
            taken.append(request.payload)
            return "2.31" if value & 8 else "2.04", [(BLOCK1, request.option(BLOCK1))], b""
        num = int.from_bytes(request.option(BLOCK2) or b"", "big") >> 4
        return "2.05", [(BLOCK2, block(num, num < 7))], body[64 * num : 64 * num + 64]

    async def program():
        async with scripted(answer) as (server, client):
            assert (await client.get(server.uri)).payload == body
            sink = io.BytesIO()
            assert (await client.get(server.uri, sink=sink)).payload == b"" and sink.getvalue() == body
            for payload in (body, body.decode("latin-1"), io.BytesIO(body)):
                taken.clear()
                await client.put(server.uri, payload, block_size=64)
                assert b"".join(taken) == (body.decode("latin-1").encode() if isinstance(payload, str) else body)

    run(program())


def test_observation_is_an_iterator_whose_end_the_server_is_told():
    def answer(request):
        if request.option(OBSERVE) == b"":
            return [("2.05", [(OBSERVE, bytes([i]))], b"%d" % i) for i in range(1, 4)]
        return "2.05", [], b"end"

    async def program():
        async with scripted(answer) as (server, client):
            seen = []
            async with client.observe(server.uri + "/temp") as notifications:
                async for response in notifications:
                    seen.append(response.payload)
                    if len(seen) == 3:
                        break
            assert seen == [b"1", b"2", b"3"]
            while len(server.heard) < 2:
                await asyncio.sleep(0.001)
            first, last = server.heard
            assert last.token == first.token and last.option(OBSERVE) == b"\x01"

    run(program())


def test_observation_of_what_is_not_observable_ends_after_its_response():
    async def program():
        async with scripted(lambda request: ("2.05", [], b"1")) as (server, client):
            notifications = client.observe(server.uri)
            assert [response.payload async for response in notifications] == [b"1"]
            notifications.close()
            assert len(server.heard) == 1

    run(program())


def test_closed_request_is_forgotten():
    async def program():
        async with scripted(lambda request: None) as (server, client):
            responses = client.request(1, server.uri)
            responses.close()
            responses.close()
            assert responses.slot == -1 and client.node.links[0].endpoint.tokens.free == 16

    run(program())


def test_address_of_the_other_family_is_refused():
    async def program():
        async with scripted(lambda request: None) as (_, client):
            for how in ({}, {"proxy": "coap://[::1]"}):
                with pytest.raises(ValueError, match="IPv4"):
                    await client.get("coap://[::1]/temp", **how)

    run(program())


def test_ipv6_client_reaches_an_ipv6_server():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError as e:
            pytest.skip(f"this computer has no ::1: {e.strerror}")

    async def program():
        async with scripted(lambda request: ("2.05", [], b"six"), "::1") as (server, _):
            port = server.uri.rsplit(":", 1)[1]
            async with Client("::") as client:
                response = await client.get(f"coap://[::1]:{port}/temp")
                assert response.payload == b"six" and len(response.origin) == 18

    run(program())


def test_many_requests_at_once_each_get_their_own_answer(node):
    server = node(peers.server_config())

    async def run():
        client = Client()
        try:
            for _ in range(20):  # a finished request's slot is the next one's: neither may end the other
                answers = await asyncio.gather(*[client.get(server.uri + "/temp", confirmable=False) for _ in range(4)])
                assert [answer.code for answer in answers] == [0x45] * 4
                first = asyncio.ensure_future(client.get(server.uri + "/temp"))
                while not first.done():
                    await asyncio.wait_for(client.get(server.uri + "/temp", confirmable=False), 5)
                assert first.result().code == 0x45
        finally:
            client.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_finished_request_does_not_end_the_one_that_has_its_slot(node):
    server = node(peers.server_config())

    async def run():
        client = Client()
        try:
            first = client.request(1, server.uri + "/temp")
            while first.slot >= 0:
                await asyncio.sleep(0.001)
            second = client.request(1, server.uri + "/temp")
            first.close()
            assert (await asyncio.wait_for(second.__anext__(), 5)).code == 0x45
        finally:
            client.close()

    asyncio.run(run())


def test_group_put_that_nobody_answers_is_a_failed_request(lan):
    async def run():
        client = Client(multicast_interface="127.0.0.1")
        try:
            with pytest.raises(RequestFailed):
                await client.put("coap://%s/temp" % lan.group(), "1", timeout=1)
        finally:
            client.close()

    asyncio.run(run())


# Ends


async def drained(responses):
    """How many responses an iterator gives until it ends; it has to end soon."""

    async def drain():
        return sum([1 async for _ in responses])

    return await asyncio.wait_for(drain(), 2)


def test_iterator_that_is_over_stays_over():
    async def program():
        async with scripted(lambda request: ("2.05", [], b"1")) as (server, client):
            responses = client.request(1, server.uri)
            assert [await drained(responses) for _ in range(3)] == [1, 0, 0]

    run(program())


def test_failed_iterator_stays_over():
    async def program():
        async with scripted(lambda request: ("2.05", [(BLOCK2, block(5, 1))], b"x" * 64)) as (server, client):
            responses = client.request(1, server.uri)
            with pytest.raises(RequestFailed):
                await drained(responses)
            assert await drained(responses) == 0

    run(program())


def test_closed_iterator_is_over(lan):
    async def program():
        async with scripted(lambda request: ("2.05", [], b"1")) as (server, _):
            async with Client(multicast_interface="127.0.0.1") as client:
                responses = client.group_get("coap://%s/temp" % lan.group(), timeout=60)
                responses.close()
                assert await drained(responses) == 0
                responses = client.request(1, server.uri)
                while responses.slot >= 0:
                    await asyncio.sleep(0.001)
                responses.close()
                assert await drained(responses) == 0  # what had come is not given any more

    run(program())


@pytest.mark.parametrize("whole", [False, True])
def test_close_ends_whoever_waits(lan, whole):
    async def program():
        client = Client(multicast_interface="127.0.0.1")
        try:
            several = [client.group_get("coap://%s/temp" % lan.group(), timeout=60) for _ in range(3)]
            waiting = [asyncio.ensure_future(drained(responses)) for responses in several]
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in waiting)
            if whole:
                client.close()
            else:
                for responses in several:
                    responses.close()
            assert await asyncio.gather(*waiting) == [0, 0, 0]
            assert client.node.links[0].endpoint.tokens.free == 16
        finally:
            client.close()

    run(program())


def test_closed_client_refuses_requests():
    async def program():
        async with scripted(lambda request: ("2.05", [], b"1")) as (server, client):
            first = asyncio.ensure_future(client.get("coap://127.0.0.2:9/nobody", confirmable=False))
            await asyncio.sleep(0.01)
            client.close()
            client.close()
            with pytest.raises(RequestFailed):
                await asyncio.wait_for(first, 2)
            for confirmable in (True, False):
                with pytest.raises(RequestFailed, match="closed"):
                    await asyncio.wait_for(client.get(server.uri, confirmable=confirmable), 2)
            with pytest.raises(RequestFailed, match="closed"):
                client.observe(server.uri)

    run(program())


def test_requests_at_once_are_as_many_as_there_are_slots():
    async def program():
        async with scripted(lambda request: ("2.05", [], b"1")) as (server, client):
            answers = await asyncio.gather(*[client.get(server.uri) for _ in range(16)])
            assert [answer.payload for answer in answers] == [b"1"] * 16

    run(program())


def test_latest_notification_is_never_lost():
    def answer(request):
        if request.option(OBSERVE) == b"":
            return [("2.05", [(OBSERVE, bytes([i]))], b"%d" % i) for i in range(1, 101)]
        return "2.05", [], b"end"

    async def program():
        async with scripted(answer) as (server, client):
            async with client.observe(server.uri) as notifications:
                while notifications.lost + 64 < 100:
                    await asyncio.sleep(0.001)
                seen = [int((await anext(notifications)).payload) for _ in range(64)]
                assert seen == list(range(37, 101)) and notifications.lost == 36

    run(program())


def test_cancelled_requests_leave_nothing_behind():
    async def program():
        async with Client("127.0.0.1") as client:
            for _ in range(5):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.get("coap://127.0.0.2:9/nobody"), 0.01)
            assert client._open == []

    run(program())


# Groups through a proxy

REPLY_FROM, MULTICAST_TIMEOUT, URI_HOST, URI_PATH, PROXY_URI = 248, 2, 3, 11, 35
GROUP = "coap://224.0.1.187/temp"


def reply_from(last):
    return REPLY_FROM, b"\x82\x20\x81\x44\xc0\x00\x02" + bytes([last])


def two_answers(request):
    if request.option(PROXY_URI) is None:
        return None
    return [("2.05", [reply_from(i)], b"%d" % i) for i in (5, 6)]


@pytest.mark.parametrize("by", ["close", "with", "get"])
def test_leaving_a_groups_answers_stops_the_proxy(by):
    async def program():
        async with scripted(two_answers) as (server, client):
            if by == "get":
                await client.get(GROUP, proxy=server.uri, timeout=60)
            elif by == "with":
                async with client.group_get(GROUP, timeout=60, proxy=server.uri) as responses:
                    async for _ in responses:
                        break
            else:
                responses = client.group_get(GROUP, timeout=60, proxy=server.uri)
                await anext(responses)
                responses.close()
                assert await drained(responses) == 0
            while len(server.heard) < 2:
                await asyncio.sleep(0.001)
            first, last = server.heard
            assert last.token == first.token and last.type == peers.CON
            assert list(last.options) == [(MULTICAST_TIMEOUT, b"")]
            assert client.node.links[0].endpoint.tokens.free == 16

    run(program())


class ReverseProxy:
    """What a `Scripted` at 127.0.0.1 and `port` answers as a reverse-proxy for a group of two servers."""

    def answer(self, request):
        if request.option(URI_HOST) is not None:
            return "2.05", [], b"%s of %s" % (request.option(URI_PATH), request.option(URI_HOST))
        timeout = request.option(MULTICAST_TIMEOUT)
        if timeout is None:
            return "4.00", [(MULTICAST_TIMEOUT, b"")], b"no Multicast-Timeout"
        port = self.port.to_bytes(2, "big")
        own = b"\x82\x20\x82\x44\x7f\x00\x00\x01\x19" + port
        values = [own + b"\x82\xf6\x81\x44\xc0\x00\x02" + bytes([i]) for i in (5, 6)]
        return [("2.05", [(REPLY_FROM, value)], b"21.5") for value in values]


@contextlib.asynccontextmanager
async def reverse_proxy():
    proxy = ReverseProxy()
    async with scripted(proxy.answer) as (server, client):
        proxy.port = int(server.uri.rsplit(":", 1)[1])
        yield server, client


def test_who_answers_through_a_reverse_proxy_is_reached_by_its_target():
    async def program():
        async with reverse_proxy() as (server, client):
            with pytest.raises(errors.BadRequest) as raised:
                await client.get(server.uri + "/r")
            assert raised.value.response.wants_timeout()
            async with client.group_get(server.uri + "/r", timeout=60, reverse=True) as responses:
                found = [await anext(responses) for _ in range(2)]
                texts = [(await client.get(response.target("/r1"))).payload for response in found]
            assert texts == [b"r1 of 192.0.2.5", b"r1 of 192.0.2.6"]

    run(program())


def run_tool(*arguments):
    """The command-line client, while a server is scripted here."""
    return asyncio.to_thread(peers.groupcoap, *arguments, "--bind", "127.0.0.1")


def test_tool_tells_a_reverse_proxy_and_asks_it():
    async def program():
        async with reverse_proxy() as (server, _):
            process = await run_tool("get", server.uri + "/r", "--json")
            assert process.returncode == 1 and "--reverse --timeout" in process.stderr
            assert [answer["code"] for answer in peers.answers(process)] == ["4.00"]
            asked = ("get", server.uri + "/r", "--json", "--reverse", "--timeout", "0", "--no-response", "0")
            process = await run_tool(*asked)
            assert process.returncode == 0 and process.stderr == ""
            assert [answer["origin"] for answer in peers.answers(process)] == ["coap://192.0.2.5", "coap://192.0.2.6"]

    run(program())


def test_tool_asks_again_with_the_time_that_a_chain_needs_unless_it_was_told_one():
    def answer(request):
        if len(request.option(MULTICAST_TIMEOUT)) == 1:
            return "5.05", [(MULTICAST_TIMEOUT, b"\x01\x00")], b"too short"
        return "4.03", [], b"enough"

    async def program():
        async with scripted(answer) as (server, _):
            process = await run_tool("get", GROUP, "--proxy", server.uri, "--json")
            assert [answer["payload"] for answer in peers.answers(process)] == ["enough"]
            assert [request.option(MULTICAST_TIMEOUT) for request in server.heard] == [b"\x0a", b"\x01\x00"]
            process = await run_tool("get", GROUP, "--proxy", server.uri, "--json", "--timeout", "3")
            assert [answer["payload"] for answer in peers.answers(process)] == ["too short"]
            assert "--timeout 256" in process.stderr and len(server.heard) == 3

    run(program())


def test_tool_names_the_target_as_it_is_told_to():
    async def program():
        async with scripted(lambda request: ("4.03", [], b"no")) as (server, _):
            for naming, number in (("uri", 35), ("scheme", 39), ("cri", 235), ("scheme-number", 239)):
                await run_tool("get", GROUP, "--proxy", server.uri, "--naming", naming, "--group-etag", "0a0b")
                assert server.heard[-1].option(number) is not None and server.heard[-1].option(24) == b"\x0a\x0b"

    run(program())

"""Other people's clients, libcoap's and aiocoap's, at our server: methods, blocks, Observe, conditions, discovery."""

import asyncio
import contextlib
import hashlib
import re
import subprocess
import time

import aiocoap
import foreign
import peers
import pytest
import support
from aiocoap.numbers.codes import Code
from foreign import LINES, SIZES, libcoap_client
from peers import ACK, CON

OBSERVE, IF_NONE_MATCH, ETAG = 6, 5, 4
HASH = hashlib.sha256(LINES).hexdigest().encode()
REPORT = b"%d %s" % (len(LINES), HASH)
ROOMS = [f"/room/{room}/temp" for room in range(1, 31)]


class Server:
    port = peers.PORT

    def __init__(self, address):
        self.address = address
        self.uri = f"coap://{address}"


@pytest.fixture
def server(lan, tmp_path):
    address = lan.address()
    with foreign.vm_program("interop_node", address, folder=tmp_path, heap="512K"):
        yield Server(address)


@pytest.fixture
def lines(tmp_path):
    """A file with LINES."""
    path = tmp_path / "lines"
    path.write_bytes(LINES)
    return path


def libcoap(server, path, *arguments):
    return libcoap_client(*arguments, f"{server.uri}/{path}").strip()


def response_line(server, path, *arguments):
    """How libcoap's client logs the one response that it gets: "c:2.05 ... [ ETag:... ]"."""
    log = libcoap(server, path, "-v", "7", *arguments).decode(errors="replace")
    (line,) = [line for line in log.splitlines() if re.match(r"v:1 t:(ACK|CON|NON) c:[2-5]\.", line)]
    return line.split(" ", 2)[2]


def with_aiocoap(program):
    """Run program(ask, context); ask(code, URI, ...) gives aiocoap's response, or its Request for observe=0."""

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            context = await aiocoap.Context.create_client_context()
            stack.push_async_callback(context.shutdown)

            async def ask(code, uri, payload=b"", size=None, **options):
                request = aiocoap.Message(code=code, uri=uri, payload=payload, **options)
                if size:
                    await context.find_remote_and_interface(request)
                    request.remote.maximum_block_size_exp = size.bit_length() - 5
                asked = context.request(request)
                return asked if "observe" in options else await asked.response

            await program(ask)

    asyncio.run(asyncio.wait_for(run(), 30))


# Methods


def test_libcoap_uses_every_method(server):
    assert libcoap(server, "store") == b"first"
    assert response_line(server, "store", "-m", "put", "-e", "hello").startswith("c:2.04")
    assert libcoap(server, "store") == b"hello"
    assert libcoap(server, "store", "-m", "fetch", "-e", "some") == b"fetched some"
    assert response_line(server, "store", "-m", "patch", "-e", "%20you").startswith("c:2.04")
    assert response_line(server, "store", "-m", "ipatch", "-e", "you all").startswith("c:2.04")
    assert libcoap(server, "store") == b"hello all"
    created = response_line(server, "store", "-m", "post", "-e", "child")
    assert created.startswith("c:2.01")
    assert "[ Location-Path:store, Location-Path:1, Location-Query:by=post ]" in created
    assert libcoap(server, "store/1") == b"child"
    assert response_line(server, "store", "-m", "delete").startswith("c:2.02")
    assert libcoap(server, "store") == b"4.04 deleted"
    assert response_line(server, "store", "-m", "put", "-e", "anew").startswith("c:2.01")
    assert libcoap(server, "store/1", "-m", "put", "-e", "x") == b"4.05"
    assert libcoap(server, "no/such") == b"4.04"


def test_libcoap_uses_methods_in_non_confirmable_requests(server):
    assert response_line(server, "store", "-N", "-m", "put", "-e", "hello").startswith("c:2.04")
    assert libcoap(server, "store", "-N") == b"hello"
    assert libcoap(server, "soon", "-N") == b"soon"


def test_aiocoap_uses_every_method(server):
    async def program(ask):
        uri = server.uri + "/store"
        assert (await ask(aiocoap.PUT, uri, b"hello")).code == Code.CHANGED
        assert (await ask(aiocoap.GET, uri)).payload == b"hello"
        assert (await ask(aiocoap.FETCH, uri, b"some")).payload == b"fetched some"
        assert (await ask(aiocoap.PATCH, uri, b" you")).code == Code.CHANGED
        assert (await ask(aiocoap.iPATCH, uri, b"you all")).code == Code.CHANGED
        assert (await ask(aiocoap.GET, uri)).payload == b"hello all"
        created = await ask(aiocoap.POST, uri, b"child")
        assert created.code == Code.CREATED
        assert (created.opt.location_path, created.opt.location_query) == (("store", "1"), ("by=post",))
        assert (await ask(aiocoap.GET, uri + "/1")).payload == b"child"
        assert (await ask(aiocoap.DELETE, uri)).code == Code.DELETED
        missing = await ask(aiocoap.GET, uri)
        assert (missing.code, missing.payload) == (Code.NOT_FOUND, b"deleted")
        assert (await ask(aiocoap.PUT, uri, b"anew")).code == Code.CREATED
        assert (await ask(aiocoap.PUT, uri + "/1", b"x")).code == Code.METHOD_NOT_ALLOWED

    with_aiocoap(program)


# 64 KB, block by block


@pytest.mark.parametrize("size", SIZES)
def test_libcoap_takes_64_kb(size, server, tmp_path):
    for path in ("big", "stream"):
        libcoap(server, path, "-b", size, "-o", tmp_path / path)
        assert hashlib.sha256((tmp_path / path).read_bytes()).hexdigest().encode() == HASH


@pytest.mark.parametrize("size", SIZES)
def test_libcoap_sends_64_kb(size, server, lines):
    assert libcoap(server, "upload", "-m", "put", "-b", size, "-f", lines) == b""
    assert libcoap(server, "upload") == REPORT


@pytest.mark.parametrize("size", SIZES)
def test_aiocoap_takes_64_kb(size, server):
    async def program(ask):
        path = "stream" if size == 1024 else "big"
        response = await ask(aiocoap.GET, f"{server.uri}/{path}", block2=(0, False, size.bit_length() - 5))
        assert hashlib.sha256(response.payload).hexdigest().encode() == HASH

    with_aiocoap(program)


@pytest.mark.parametrize("size", SIZES)
def test_aiocoap_sends_64_kb(size, server):
    async def program(ask):
        assert (await ask(aiocoap.PUT, server.uri + "/upload", LINES, size)).code == Code.CHANGED
        assert (await ask(aiocoap.GET, server.uri + "/upload")).payload == REPORT

    with_aiocoap(program)


def test_aiocoap_asks_for_smaller_blocks_on_the_way(server):
    async def program(ask):
        for path in ("big", "stream"):
            assert (await ask(aiocoap.GET, f"{server.uri}/{path}", size=128)).payload == LINES

    with_aiocoap(program)


@pytest.mark.parametrize("method, path", [("post", "reverse"), ("fetch", "reverse"), ("post", "reverse/later")])
def test_long_request_has_a_long_response(method, path, server, lines):
    lines.write_bytes(LINES[:2000])
    assert libcoap(server, path, "-m", method, "-b", "64", "-f", lines) == LINES[:2000][::-1].strip()

    async def program(ask):
        response = await ask(Code[method.upper()], f"{server.uri}/{path}", LINES[:2000], 64)
        assert response.payload == LINES[:2000][::-1]

    with_aiocoap(program)


def test_upload_longer_than_there_is_room_for_is_4_13(server, lines):
    lines.write_bytes(LINES[:4000])
    assert libcoap(server, "reverse", "-m", "post", "-b", "256", "-f", lines) == b"4.13 at most 2500 bytes"


def test_eight_clients_transfer_at_a_time(server, lines, tmp_path):
    command = [support.libcoap("coap-client"), "-B", "20", "-b", "64"]
    clients = []
    for i in range(4):
        clients.append([*command, "-m", "put", "-f", lines, f"{server.uri}/upload?{i}"])
        clients.append([*command, "-o", tmp_path / f"got{i}", f"{server.uri}/stream"])
    clients = [subprocess.Popen(client) for client in clients]
    assert [client.wait(60) for client in clients] == [0] * 8
    for i in range(4):
        assert libcoap(server, f"upload?{i}") == REPORT
        assert (tmp_path / f"got{i}").read_bytes() == LINES


# Separate responses


def test_libcoap_and_aiocoap_await_a_separate_response(server):
    async def program(ask):
        clients = [asyncio.to_thread(libcoap, server, "slow"), ask(aiocoap.POST, server.uri + "/slow", b"and steady")]
        other = await ask(aiocoap.GET, server.uri + "/soon")
        slow, steady = await asyncio.gather(*clients)
        assert (other.payload, slow, steady.payload) == (b"soon", b"slow", b"slow and steady")

    with_aiocoap(program)


def test_answer_that_comes_soon_rides_on_the_acknowledgement(server, lan):
    client = peers.Peer(lan.address())
    request = client.send(server, CON, options=peers.path("soon"))
    response = client.expect()
    assert (response.type, response.code, response.mid, response.payload) == (ACK, "2.05", request.mid, b"soon")


def test_answer_that_takes_its_time_comes_as_a_message_of_its_own(server, lan):
    client = peers.Peer(lan.address())
    start = time.monotonic()
    request = client.send(server, CON, options=peers.path("slow"))
    empty = client.expect()
    assert (empty.type, empty.code, empty.mid, empty.token) == (ACK, "0.00", request.mid, b"")
    client.send(server, CON, options=peers.path("slow"), token=request.token, mid=request.mid)  # the ACK was lost
    assert client.expect() == empty
    response = client.expect()
    assert (response.type, response.code, response.token, response.payload) == (CON, "2.05", request.token, b"slow ")
    assert response.mid != request.mid
    assert time.monotonic() - start < 2.5  # carried out once
    client.send(server, ACK, "0.00", token=b"", mid=response.mid)
    assert client.ping(server) == []


# Observe


class Watcher(peers.Peer):
    """An observer by hand, so that a test knows when a change has been told."""

    def watch(self, server, path):
        self._server, self._path = server, path
        self._register = self.send(server, CON, options=[(OBSERVE, b""), *peers.path(path)])
        assert self.expect().option(OBSERVE) is not None

    def change(self, payload):
        """PUT this payload, and await the notification of it."""
        put = self.send(self._server, CON, "0.03", peers.path(self._path), payload)
        heard = 0
        while heard < 2:
            message = self.expect()
            if message.token == put.token:
                heard += 1
            elif message.token == self._register.token:
                heard += message.payload[:1] == payload[:1]
                if message.type == CON:
                    self.send(self._server, ACK, "0.00", token=b"", mid=message.mid)

    def observers(self, count):
        """Wait until so many are registered, this one included."""
        end = time.monotonic() + peers.ANSWER_S
        while (answer := self.ask(self._server, options=peers.path("observers"))).payload != b"%d" % count:
            assert time.monotonic() < end, answer
            time.sleep(0.01)


@pytest.fixture
def watcher(lan):
    return Watcher(lan.address())


def observed_by_libcoap(server, watcher, path, values, *arguments, pause=0.0):
    """What libcoap's client prints while it observes for 1 s, and these values are put, each after `pause` s."""
    watcher.watch(server, path)
    command = [support.libcoap("coap-client"), "-s", "1", *arguments, f"{server.uri}/{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        watcher.observers(2)
        for value in values:
            time.sleep(pause)
            watcher.change(value)
        printed = client.communicate(timeout=20)[0]
    watcher.observers(1)  # it has cancelled
    return printed


def test_libcoap_observes_and_cancels(server, watcher):
    values = [b"%d" % i for i in range(1, 11)]
    printed = observed_by_libcoap(server, watcher, "value", values)
    assert printed.strip() == b"0" + b"".join(values)


def test_libcoap_observes_what_comes_in_blocks(server, watcher):
    printed = observed_by_libcoap(server, watcher, "value/long", [b"1", b"2"], "-b", "256", pause=0.2)
    assert printed.strip() == b"0" * 1500 + b"1" * 1500 + b"2" * 1500


def test_libcoap_hears_a_resource_that_changes_by_itself(server):
    printed = libcoap(server, "time", "-s", "1", "-w").split()
    ticks = list(map(int, printed))
    assert len(ticks) >= 3 and ticks == list(range(ticks[0], ticks[0] + len(ticks)))


@pytest.mark.parametrize("path, length", [("value", 1), ("value/long", 1500)])
def test_aiocoap_observes_and_cancels(path, length, server, watcher):
    async def program(ask):
        watcher.watch(server, path)
        request = await ask(aiocoap.GET, f"{server.uri}/{path}", observe=0)
        first = await request.response
        assert (first.payload, first.opt.observe is not None) == (b"0" * length, True)
        notifications = aiter(request.observation)
        for i in range(1, 10):
            await asyncio.to_thread(watcher.change, b"%d" % i)
            heard = await anext(notifications)
            assert heard.payload == b"%d" % i * length
        watcher.observers(2)
        request.observation.cancel()
        await asyncio.sleep(0)
        for _ in range(8):  # one of them is Confirmable: aiocoap resets that, and ignores the others
            await asyncio.to_thread(watcher.change, b"0")
        await asyncio.to_thread(watcher.observers, 1)

    with_aiocoap(program)


# Entity-tags, formats, conditions


def test_libcoap_has_a_representation_validated(server):
    assert "ETag:0x7631" in response_line(server, "etag")
    valid = response_line(server, "etag", "-O", "4,v1")
    assert valid.startswith("c:2.03") and "ETag:0x7631" in valid and "::" not in valid
    assert response_line(server, "etag", "-m", "put", "-t", "60", "-e", "x").startswith("c:2.04")
    assert libcoap(server, "etag", "-O", "4,v1") == b"x"


def test_aiocoap_has_a_representation_validated(server):
    async def program(ask):
        uri = server.uri + "/etag"
        first = await ask(aiocoap.GET, uri)
        assert (first.code, first.opt.etag, first.opt.content_format, first.opt.max_age) == (Code.CONTENT, b"v1", 60, 5)
        valid = await ask(aiocoap.GET, uri, etags=[b"other", b"v1"])
        assert (valid.code, valid.opt.etag, valid.payload, valid.opt.max_age) == (Code.VALID, b"v1", b"", 5)
        assert (await ask(aiocoap.PUT, uri, b"x", content_format=60)).code == Code.CHANGED
        assert (await ask(aiocoap.GET, uri, etags=[b"v1"])).payload == b"x"

    with_aiocoap(program)


def test_format_that_is_not_there_is_refused(server):
    assert libcoap(server, "etag", "-A", "60") == b"tagged"
    assert libcoap(server, "etag", "-A", "0") == b"4.06"
    assert libcoap(server, "etag", "-m", "put", "-t", "0", "-e", "x") == b"4.15"

    async def program(ask):
        uri = server.uri + "/etag"
        assert (await ask(aiocoap.GET, uri, accept=60)).payload == b"tagged"
        assert (await ask(aiocoap.GET, uri, accept=0)).code == Code.NOT_ACCEPTABLE
        assert (await ask(aiocoap.PUT, uri, b"x", content_format=0)).code == Code.UNSUPPORTED_CONTENT_FORMAT

    with_aiocoap(program)


def test_condition_that_does_not_hold_is_4_12(server):
    assert libcoap(server, "store", "-O", "5,", "-m", "put", "-e", "x") == b"4.12"
    assert libcoap(server, "etag", "-O", "1,v2", "-m", "put", "-t", "60", "-e", "x") == b"4.12"
    assert libcoap(server, "etag", "-O", "1,v1", "-m", "put", "-t", "60", "-e", "x") == b""

    async def program(ask):
        uri = server.uri + "/store"
        assert (await ask(aiocoap.PUT, uri, b"x", if_none_match=True)).code == Code.PRECONDITION_FAILED
        assert (await ask(aiocoap.DELETE, uri)).code == Code.DELETED
        assert (await ask(aiocoap.PUT, uri, b"x", if_none_match=True)).code == Code.CREATED
        assert (await ask(aiocoap.PUT, uri, b"y", if_match=[b"wrong"])).code == Code.PRECONDITION_FAILED
        assert (await ask(aiocoap.GET, uri)).payload == b"x"

    with_aiocoap(program)


# Discovery


def targets(listing):
    """The targets of links, bytes, in link format."""
    return [target.decode() for target in re.findall(rb"<([^>]*)>", listing)]


FILTERS = {
    "rt=temperature-k": ROOMS[2::3],
    "rt=temperature*": ROOMS,
    "rt=indoor": [room for i, room in enumerate(ROOMS, 1) if i % 3],
    "if=sensor": ROOMS,
    "href=/room/1*": [ROOMS[0], *ROOMS[9:19]],
    "href=/room/7/temp": [ROOMS[6]],
    "ct=60": ["/etag", *ROOMS[0:30:2]],
    "obs": ["/time", "/value", "/value/long", *ROOMS[4::5]],
    "rt=temperature-k&ct=60": [room for i, room in enumerate(ROOMS, 1) if i in (3, 9, 15, 21, 27)],
    "rt=nothing": [],
    "sz=65536": ["/big"],
}


def test_libcoap_discovers_with_filters(server):
    everything = targets(libcoap(server, ".well-known/core"))
    assert set(ROOMS) < set(everything) and len(everything) == len(set(everything))
    assert targets(libcoap(server, ".well-known/core", "-b", "16")) == everything
    for query, expected in FILTERS.items():
        assert sorted(targets(libcoap(server, f".well-known/core?{query}"))) == sorted(expected), query
    assert "[ Content-Format:application/link-format ]" in response_line(server, ".well-known/core?rt=nothing")
    assert response_line(server, ".well-known/core?rt=nothing").startswith("c:2.05")


def test_aiocoap_discovers_with_filters(server):
    async def program(ask):
        uri = server.uri + "/.well-known/core"
        everything = await ask(aiocoap.GET, uri)
        assert (everything.code, everything.opt.content_format) == (Code.CONTENT, 40)
        assert set(ROOMS) < set(targets(everything.payload))
        in_small_blocks = await ask(aiocoap.GET, uri, block2=(0, False, 1))
        assert in_small_blocks.payload == everything.payload
        for query, expected in FILTERS.items():
            found = await ask(aiocoap.GET, f"{uri}?{query}")
            assert found.code == Code.CONTENT
            assert sorted(targets(found.payload)) == sorted(expected), query

    with_aiocoap(program)

"""Our client at other people's servers, libcoap's and aiocoap's: methods, blocks, Observe, conditions, discovery."""

import asyncio
import hashlib
import subprocess
import sys
import time

import foreign
import peers
import pytest
import support
from foreign import LINES, SIZES
from groupcoap import errors
from groupcoap import numbers as n
from groupcoap.link_parser import parse
from groupcoap.net.client import Client

HASH = hashlib.sha256(LINES).hexdigest().encode()
REPORT = b"%d %s" % (len(LINES), HASH)


@pytest.fixture
def aiocoap_server(lan):
    """URI of the server aiocoap_interop.py, with a slash at its end."""
    address = lan.address()
    with foreign.serving(address, sys.executable, support.REPO / "host_tests/aiocoap_interop.py", address):
        yield f"coap://{address}/"


@pytest.fixture
def libcoap_server(lan):
    """URI of libcoap's example server, with a slash at its end, where a PUT makes up to 10 resources."""
    address = lan.address()
    command = [support.libcoap("coap-server"), "-A", address, "-p", "5683", "-d", "10", "-N"]
    with foreign.serving(address, *command):
        yield f"coap://{address}/"


@pytest.fixture(params=["libcoap", "aiocoap"])
def server(request):
    return request.getfixturevalue(f"{request.param}_server")


def run(program):
    """Run program(client)."""

    async def with_client():
        async with Client() as client:
            await program(client)

    asyncio.run(asyncio.wait_for(with_client(), 30))


# Methods


def test_every_method_at_aiocoap(aiocoap_server):
    async def program(client):
        store = aiocoap_server + "store"
        assert (await client.get(store)).payload == b"first"
        assert (await client.put(store, "hello")).code == n.CHANGED
        assert (await client.fetch(store, "some")).payload == b"fetched some"
        assert (await client.patch(store, " you")).code == n.CHANGED
        assert (await client.ipatch(store, "you all")).code == n.CHANGED
        assert (await client.get(store)).payload == b"hello all"
        created = await client.post(store, "child")
        assert created.code == n.CREATED
        assert [value for number, value in created.options if number == n.LOCATION_PATH] == [b"store", b"1"]
        assert (await client.get(store + "/1")).payload == b"child"
        assert (await client.delete(store)).code == n.DELETED
        with pytest.raises(errors.NotFound, match="deleted"):
            await client.get(store)
        with pytest.raises(errors.MethodNotAllowed):
            await client.put(store + "/1", "x")

    run(program)


def test_methods_of_libcoap(libcoap_server):
    async def program(client):
        new = libcoap_server + "made/new"
        with pytest.raises(errors.NotFound):
            await client.get(new)
        assert (await client.put(new, "hello")).code == n.CREATED
        assert (await client.get(new)).payload == b"hello"
        assert (await client.put(new, "again")).code == n.CHANGED
        assert (await client.get(new, confirmable=False)).payload == b"again"
        assert (await client.delete(new)).code == n.DELETED
        with pytest.raises(errors.MethodNotAllowed):
            await client.post(libcoap_server, "x")

    run(program)


# 64 KB, block by block


@pytest.mark.parametrize("size", SIZES)
def test_64_kb_to_and_from_libcoap(size, libcoap_server):
    async def program(client):
        made = libcoap_server + "made"
        assert (await client.put(made, LINES, block_size=size)).code == n.CREATED
        assert (await client.get(made, block_size=size)).payload == LINES

    run(program)


@pytest.mark.parametrize("size", SIZES)
def test_64_kb_from_aiocoap(size, aiocoap_server):
    async def program(client):
        assert (await client.get(aiocoap_server + "big", block_size=size)).payload == LINES

    run(program)


@pytest.mark.parametrize("size", SIZES)
def test_64_kb_to_aiocoap(size, aiocoap_server):
    async def program(client):
        assert (await client.put(aiocoap_server + "upload", LINES, block_size=size)).code == n.CHANGED
        assert (await client.get(aiocoap_server + "upload")).payload == REPORT

    run(program)


@pytest.mark.parametrize("method", [n.POST, n.FETCH])
def test_long_request_has_a_long_response(method, aiocoap_server):
    async def program(client):
        ask = client.post if method == n.POST else client.fetch
        response = await ask(aiocoap_server + "reverse", LINES[:3000], block_size=256)
        assert response.payload == LINES[:3000][::-1]

    run(program)


# Separate responses


def test_separate_response(server):
    async def program(client):
        everything = (await client.get(server + ".well-known/core")).payload
        path = "slow" if b"slow" in everything else "async?1"
        start = time.monotonic()
        slow = asyncio.create_task(client.get(server + path))
        await asyncio.sleep(0.1)
        await client.get(server + ".well-known/core")  # meanwhile
        assert not slow.done()
        assert (await slow).payload in (b"slow", b"done")
        assert 0.9 < time.monotonic() - start < 5

    run(program)


# Observe


def test_observation_of_a_resource_of_aiocoap(aiocoap_server):
    async def program(client):
        async with client.observe(aiocoap_server + "value") as notifications:
            for i in range(10):
                assert (await anext(notifications)).payload == b"%d" % i
                assert (await client.get(aiocoap_server + "observers")).payload == b"1"
                await client.put(aiocoap_server + "value", str(i + 1))
        while (await client.get(aiocoap_server + "observers")).payload != b"0":
            await asyncio.sleep(0.01)

    run(program)


@pytest.mark.parametrize("length", [1, 1500])
def test_observation_of_a_resource_of_libcoap(length, libcoap_server):
    async def program(client):
        data = libcoap_server + "example_data"
        await client.put(data, b"0" * length)
        async with client.observe(data) as notifications:
            for i in range(10):
                assert (await anext(notifications)).payload == b"%d" % i * length
                await client.put(data, str(i + 1)[-1] * length)

    run(program)


def test_clock_of_libcoap_is_observed(libcoap_server):
    async def program(client):
        heard = []
        async with client.observe(libcoap_server + "time") as notifications:
            async for notification in notifications:
                heard.append(notification.payload)
                if len(heard) == 3:
                    break
        assert len(set(heard)) == 3

    run(program)


# Entity-tags, formats, conditions


def test_entity_tags_formats_and_conditions_at_aiocoap(aiocoap_server):
    async def program(client):
        tagged = aiocoap_server + "etag"
        first = await client.get(tagged)
        assert (first.option(n.ETAG), first.option_uint(n.CONTENT_FORMAT)) == (b"v1", 60)
        valid = await client.get(tagged, etag=[b"other", b"v1"])
        assert (valid.code, valid.payload, valid.option(n.ETAG)) == (n.VALID, b"", b"v1")
        assert (await client.get(tagged, etag=b"other")).payload == b"tagged"
        assert (await client.get(tagged, accept=60)).payload == b"tagged"
        with pytest.raises(errors.NotAcceptable):
            await client.get(tagged, accept=0)
        with pytest.raises(errors.UnsupportedContentFormat):
            await client.put(tagged, "x", content_format=0)
        with pytest.raises(errors.PreconditionFailed):
            await client.put(aiocoap_server + "store", "x", if_none_match=True)

    run(program)


# Discovery


def links(response):
    assert response.option_uint(n.CONTENT_FORMAT) == n.LINK_FORMAT
    return {target for target, _ in parse(response.payload)}


def test_discovery_with_filters(server):
    async def program(client):
        core = server + ".well-known/core"
        everything = links(await client.get(core))
        assert links(await client.get(core, block_size=16)) == everything
        known, filter, found = (
            ("/example_data", "?href=/example*", {"/example_data"})
            if "/async" in everything
            else ("/value", "?rt=sto*", {"/store"})
        )
        assert known in everything
        assert links(await client.get(core + filter)) == found

    run(program)


# The command-line client, and a small VM


def test_command_line_client_at_aiocoap(aiocoap_server, tmp_path):
    source, got = tmp_path / "source", tmp_path / "got"
    source.write_bytes(LINES)
    put = peers.groupcoap("put", aiocoap_server + "upload", f"@{source}", "--block-size", "128", "--json")
    assert [answer["code"] for answer in peers.answers(put)] == ["2.04"]
    assert peers.answers(peers.groupcoap("get", aiocoap_server + "upload", "--json"))[0]["payload"] == REPORT.decode()
    peers.groupcoap("get", aiocoap_server + "big", "--block-size", "64", "--output", got)
    assert got.read_bytes() == LINES
    valid = peers.groupcoap("get", aiocoap_server + "etag", "--etag", b"v1".hex(), "--json")
    assert [answer["code"] for answer in peers.answers(valid)] == ["2.03"]


def test_command_line_client_observes_libcoap(libcoap_server):
    process = peers.groupcoap("observe", libcoap_server + "time", "--count", "2", "--json")
    assert [answer["code"] for answer in peers.answers(process)] == ["2.05", "2.05"]
    assert len({answer["payload"] for answer in peers.answers(process)}) == 2


def test_client_on_micropython(aiocoap_server, tmp_path):
    address = aiocoap_server.removeprefix("coap://").rstrip("/")
    command, environment = foreign.vm_command("interop_client", address, folder=tmp_path, heap="192K")
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stdout + process.stderr
    received = f"{len(LINES)} {HASH.decode()}"
    assert process.stdout.splitlines() == [
        "ready",
        "b'first'",
        str(n.CHANGED),
        "b'fetched some'",
        str(n.CHANGED),
        str(n.CHANGED),
        "b'hello all'",
        "[(8, b'store'), (8, b'1'), (20, b'by=post')]",
        str(n.DELETED),
        "deleted",
        *[received, f"b'{received}'"] * 2,
        "b'slow'",
        str(n.VALID),
        *[f"b'{i}'" for i in range(4)],
        "done",
    ]

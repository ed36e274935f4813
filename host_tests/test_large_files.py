"""A file of 1 MB goes through a node with a heap of 96 KB, either way: it is never in that heap as a whole."""

import asyncio
import random
from types import SimpleNamespace

import foreign
import peers
import pytest
from groupcoap.net.client import Client

HEAP = "96K"
SIZE = 1 << 20


@pytest.fixture
def files(tmp_path):
    """Paths of files: `down` is the node's, `source` the client's, 1 MB each; `up` and `got` are to come."""
    paths = {name: tmp_path / name for name in ("down", "source", "up", "got")}
    for name in ("down", "source"):
        paths[name].write_bytes(random.randbytes(SIZE))
    return SimpleNamespace(**paths)


@pytest.fixture
def uri(files, lan, tmp_path):
    address = lan.address()
    with foreign.vm_program("file_node", address, str(tmp_path), folder=tmp_path, heap=HEAP):
        yield f"coap://{address}"


def assert_transferred(files):
    assert files.got.read_bytes() == files.down.read_bytes(), "by GET"
    assert files.up.read_bytes() == files.source.read_bytes(), "by PUT"


def test_libcoap_client_gets_and_puts_1_mb(uri, files):
    assert foreign.libcoap_client("-o", files.got, uri + "/down") == b""
    assert foreign.libcoap_client("-m", "put", "-b", "1024", "-f", files.source, uri + "/up") == b""
    assert_transferred(files)


def test_our_client_gets_and_puts_1_mb(uri, files):
    async def program():
        async with Client() as client:
            with open(files.got, "wb") as got:
                await client.get(uri + "/down", sink=got)
            with open(files.source, "rb") as source:
                response = await client.put(uri + "/up", source, size=SIZE)
            assert response.code == 0x44

    asyncio.run(asyncio.wait_for(program(), 20))
    assert_transferred(files)


def test_command_line_client_gets_and_puts_1_mb(uri, files):
    got = peers.groupcoap("get", uri + "/down", "--output", files.got, "--json")
    assert peers.answers(got)[0]["bytes"] == SIZE
    put = peers.groupcoap("put", uri + "/up", f"@{files.source}", "--json")
    assert peers.answers(put)[0]["code"] == "2.04"
    assert_transferred(files)

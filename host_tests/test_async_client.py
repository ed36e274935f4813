"""The asyncio face of the client, against real nodes."""

import asyncio

import pytest

import peers
from groupcoap.net.client import Client, RequestFailed


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

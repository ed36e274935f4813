"""Protected messages that somebody else's block-wise transfer cuts into pieces, on a node of ours as a process.

aiocoap's own client protects first and cuts then, but only what is larger than any message here: so its two halves are
used one after the other, as an intermediary would cut what another one has protected.
"""

import asyncio

import aiocoap
import aiocoap_contexts
import pytest
import secure_keys
import secure_world
from aiocoap.optiontypes import BlockOption

TEXT = "".join(f"{i:03}," for i in range(60))  # less than an inner block


async def exchange(uri, alice, code, path, payload=b"", size=2):
    """(outer response, the one inside) of a request that goes and comes back in pieces of 16 << size bytes."""
    outer, sent = alice.protect(aiocoap.Message(code=code, uri_path=(path,), payload=payload))
    outer.unresolved_remote, outer.requested_scheme = uri.removeprefix("coap://"), "coap"
    outer.opt.block1 = outer.opt.block2 = BlockOption.BlockwiseTuple(0, False, size)
    context = await aiocoap.Context.create_client_context()
    try:
        response = await context.request(outer).response
    finally:
        await context.shutdown()
    assert response.opt.oscore is not None, (response.code, response.payload)
    return response, alice.unprotect(response, sent)[0]


@pytest.mark.filterwarnings("ignore:Setting a block1 option:DeprecationWarning")
@pytest.mark.parametrize("size", [0, 2, 4])
def test_pieces_cut_by_aiocoap(size, tmp_path, lan, node):
    world = secure_world.World(secure_world.AIOCOAP, secure_world.OURS, tmp_path, lan, node)
    client, server = secure_keys.oscore(tmp_path, "alice", "server")
    uri = world.serve(server)
    alice = aiocoap_contexts.load(client)
    outer, inner = asyncio.run(exchange(uri, alice, aiocoap.PUT, "temp", TEXT.encode(), size))
    assert inner.code == aiocoap.CHANGED
    outer, inner = asyncio.run(exchange(uri, alice, aiocoap.GET, "temp", size=size))
    assert (inner.code, inner.payload.decode()) == (aiocoap.CONTENT, TEXT)
    assert len(outer.payload) > 16 << size or size == 4

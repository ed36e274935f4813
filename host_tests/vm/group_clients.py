# Clients that all ask a group through a proxy at the same time, each EACH times, one request after the other: COUNT
# answers to the first of them are wanted for /r0, to the second for /r1 and so on. Prints an answer a line, as JSON:
# number of the request, origin, payload.
#
#     PYTHONPATH=lib:tools/cpython python3 group_clients.py PROXY GROUP COUNT EACH CLIENT_ADDRESS...
import asyncio
import json
import sys

from groupcoap.addresses import address_text
from groupcoap.net.client import Client


async def run(proxy, group, count, first, each, address):
    async with Client(address) as client:
        for number in range(first, first + each):
            responses = client.group_get("coap://%s/r%d" % (group, number), timeout=5, proxy=proxy)
            async with responses:
                left = count
                async for response in responses:
                    origin = "coap://" + address_text(response.origin)
                    print(json.dumps([number, origin, response.payload.decode()]))
                    left -= 1
                    if not left:
                        break


async def main(proxy, group, count, each, *addresses):
    each = int(each)
    runs = [run(proxy, group, int(count), i * each, each, address) for i, address in enumerate(addresses)]
    await asyncio.gather(*runs)


asyncio.run(main(*sys.argv[1:]))

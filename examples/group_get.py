import asyncio

from groupcoap import uri
from groupcoap.net.client import Client


async def main():
    client = Client("127.0.0.9")
    async for response in client.group_get("coap://224.0.1.187/temp", timeout=2, proxy="coap://127.0.0.10"):
        print(uri.address_text(response.origin), response.payload)


asyncio.run(main())

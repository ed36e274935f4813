import asyncio

from groupcoap.net.client import Client


async def main():
    client = Client()
    print((await client.get("coap://127.0.0.3/temp")).payload)
    async for response in client.observe("coap://127.0.0.3/temp"):
        print(response.payload)


asyncio.run(main())

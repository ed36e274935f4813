import asyncio

from groupcoap.net.server import Server

server = Server("127.0.0.3", groups=["224.0.1.187"], leisure=0.25, interface="127.0.0.1")


@server.resource("temp", content_format=0, observable=True, group=True)
async def temp(request):
    await asyncio.sleep(0.01)  # a sensor takes its time
    return "19.0"


print("ready")
asyncio.run(server.run())

# A server whose resources misbehave: /hog keeps the whole heap for a while, /pieces leaves free only what is shorter
# than most datagrams, /cancelled ends as a cancelled task does. /length tells that of a payload.
# Runs on MicroPython's unix port:
#
#     MICROPYPATH=build/mpy/x64:host_tests/vm:.frozen micropython -X heapsize=256K -m faulty_node ADDRESS
import asyncio
import sys

from groupcoap.net.server import Server

server = Server(sys.argv[1], later=2)
server.failed = lambda error: None  # it is told by the answer


@server.resource("temp")
def temp(request):
    return "21.5"


@server.resource("hog")
async def hog(request):
    kept = None
    try:
        while True:
            kept = [kept]
    except MemoryError:
        pass
    await asyncio.sleep_ms(400)
    kept = None
    return "ok"


kept = None


@server.resource("pieces")
def pieces(request):
    global kept
    gaps = None
    try:
        while True:
            kept = [kept, bytearray(480)]
            gaps = [gaps, bytearray(480)]
    except MemoryError:
        gaps = None
    return "ok"


@server.resource("length", ("PUT",))
def length(request):
    return str(request.payload_length())


@server.resource("cancelled")
async def cancelled(request):
    raise asyncio.CancelledError()  # as it comes out of a task that was waited for


print("ready server")
asyncio.run(server.run())

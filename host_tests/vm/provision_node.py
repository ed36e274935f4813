# A server as a board in provisioning mode: PUT /config takes a configuration in JSON, also block by block, and prints
# it behind its length. One of a proxy is refused, with its password in what is said of that.
# Runs on MicroPython's unix port, itself compiled:
#
#     MICROPYPATH=FOLDER_OF_MPY:build/mpy/x64:.frozen micropython -X heapsize=256K -m provision_node ADDRESS
import asyncio
import json
import sys

from groupcoap import errors
from groupcoap.net.server import Server

server = Server(sys.argv[1], upload_bytes=4096)


@server.resource("config", methods=("PUT",), accepts=(50,))
def config(request):
    payload = bytes(request.payload())
    value = json.loads(payload)
    if value["role"] == "proxy":
        raise errors.BadRequest("not with %s" % value["wifi"]["password"])
    print("put %d %s" % (len(payload), json.dumps(value)))
    return None


print("ready server coap://%s:5683" % sys.argv[1])
asyncio.run(server.run())

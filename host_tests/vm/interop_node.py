# A server for other people's clients: a resource for every method, for long payloads both ways, for answers that take
# their time, for observers and for conditions. Runs on MicroPython's unix port:
#
#     MICROPYPATH=build/mpy/x64:.frozen micropython -X heapsize=512K interop_node.py ADDRESS
import asyncio
import hashlib
import sys

from groupcoap import errors
from groupcoap.downloads import Stream
from groupcoap.uploads import Streamed
from groupcoap.net.server import Resource, Response, Server

CREATED = 0x41
CHILDREN = 4
REPORTS = 16
FORMAT = 60

server = Server(
    sys.argv[1], uploads=8, upload_bytes=2500, downloads=8, observers=8, notify_interval=20, later=8, leisure=0
)
server.add(Resource("empty"))


# Every method at one resource


class Store:
    value = b"first"
    made = 0


@server.resource("store", rt="store")
def get_store(request):
    if Store.value is None:
        raise errors.NotFound("deleted")
    return Store.value


def put_store(request):
    created = Store.value is None
    Store.value = bytes(request.payload())
    return CREATED if created else None


def delete_store(request):
    Store.value = None


def fetch_store(request):
    return b"fetched " + bytes(request.payload())


def patch_store(request):
    if Store.value is None:
        raise errors.NotFound()
    Store.value += bytes(request.payload())


def ipatch_store(request):
    Store.value = Store.value.replace(*bytes(request.payload()).split(b" "))


def post_store(request):
    if Store.made == CHILDREN:
        raise errors.Forbidden("no more than %d" % CHILDREN)
    Store.made += 1
    path = "store/%d" % Store.made
    payload = bytes(request.payload())
    server.add(Resource(path), GET=lambda request: payload)
    return Response(code=CREATED, location_path=path, location_query=["by=post"])


store = server.resources[[key for key in server.resources if server.resources[key].segments == [b"store"]][0]]
store.serve(
    {
        "PUT": put_store,
        "DELETE": delete_store,
        "FETCH": fetch_store,
        "PATCH": patch_store,
        "iPATCH": ipatch_store,
        "POST": post_store,
    }
)


# Long payloads


class Lines:
    """A file of `count` lines, 16 bytes each, that are made as they are read."""

    def __init__(self, count):
        self._size = 16 * count
        self._at = 0

    def seek(self, offset):
        self._at = offset

    def readinto(self, buf):
        at = 0
        while at < len(buf) and self._at < self._size:
            line = b"%015d\n" % (self._at >> 4)
            part = line[self._at & 15 :][: len(buf) - at]
            buf[at : at + len(part)] = part
            at += len(part)
            self._at += len(part)
        return at

    def close(self):
        pass


@server.resource("big", content_format=0, size=65536)
def big(request):
    return Lines(4096)


@server.resource("stream")
def stream(request):
    return Response(Stream(b"%015d\n" % i for i in range(4096)))


class Sink:
    """Takes an upload: its length and hash are then to be had by GET with the same query."""

    reports = {}

    def __init__(self, query):
        self._query = query
        self._size = 0
        self._hash = hashlib.sha256()

    def write(self, data):
        self._size += len(data)
        self._hash.update(data)

    def close(self):
        if len(Sink.reports) == REPORTS:
            Sink.reports.clear()
        Sink.reports[self._query] = b"%d " % self._size + self._hash.digest().hex().encode()


def query_of(request):
    return b"&".join([value for number, value in request.options() if number == 15])


def report(request):
    if query_of(request) not in Sink.reports:
        raise errors.NotFound()
    return Sink.reports[query_of(request)]


server.add(Resource("upload"), GET=report, PUT=Streamed(lambda request: Sink(query_of(request))))


@server.resource("reverse", methods=("POST", "FETCH"))
def reverse(request):
    return 0x45, bytes(reversed(bytes(request.payload())))


@server.resource("reverse/later", methods=("POST",))
async def reverse_later(request):
    await asyncio.sleep(0.01)
    return reverse(request)


# Answers that take their time


@server.resource("slow", methods=("GET", "POST"))
async def slow(request):
    await asyncio.sleep(1.4)
    return 0x45, b"slow " + bytes(request.payload())


@server.resource("soon")
async def soon(request):
    await asyncio.sleep(0.02)
    return "soon"


# Entity-tags, formats, conditions


class Tagged:
    payload = b"tagged"
    version = 1


def get_tagged(request):
    return Response(Tagged.payload, etag=b"v%d" % Tagged.version, max_age=5)


def put_tagged(request):
    Tagged.payload = bytes(request.payload())
    Tagged.version += 1


server.add(Resource("etag", content_format=FORMAT, accepts=(FORMAT,)), GET=get_tagged, PUT=put_tagged)


@server.resource("made-etag")
def made_etag(request):
    return "its entity-tag is made of this"


# Observers


class Observed:
    value = b"0"
    long = b"0" * 1500
    ticks = 0


def get_value(request):
    return Observed.value


def put_value(request):
    Observed.value = bytes(request.payload())


def delete_value(request):
    Observed.value = None


def get_long(request):
    return Observed.long


def put_long(request):
    Observed.long = bytes(request.payload()) * 1500


server.add(Resource("value", observable=True, content_format=0), GET=get_value, PUT=put_value)
server.add(Resource("value/long", observable=True), GET=get_long, PUT=put_long)


@server.resource("time", observable=True, max_age=1)
def time(request):
    return str(Observed.ticks)


@server.resource("observers")
def observers(request):
    return str(len(server.observers))


async def tick():
    while True:
        await asyncio.sleep(0.2)
        Observed.ticks += 1
        server.changed("time")


# What /.well-known/core has to tell

for room in range(1, 31):
    server.add(
        Resource(
            "room/%d/temp" % room,
            content_format=(0, 60)[room % 2] if room < 30 else None,
            rt="temperature-c indoor" if room % 3 else "temperature-k",
            interface="sensor",
            observable=room % 5 == 0,
            title='Room "%d"' % room,
        ),
        GET=lambda request: "21.5",
    )


async def main():
    asyncio.create_task(tick())
    print("ready server coap://%s:5683" % sys.argv[1])
    await server.run()


asyncio.run(main())

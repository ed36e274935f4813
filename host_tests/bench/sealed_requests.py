# Protected GET requests for a load generator, into a file: the length of each in two bytes, then it.
#
#     MICROPYPATH=lib micropython sealed_requests.py FOLDER NAME FIRST COUNT FILE
#
# NAME is a context's or a group's, as in sealed.py, FIRST the sequence number of the first one. Message IDs and tokens
# of 4 bytes are to be put in.
import sys

from groupcoap import numbers as n
from groupcoap.message import Writer
from key_files import Maker, parsed, plain


def main(folder, name, first, count, path):
    maker = Maker(folder)
    context = maker.group(name) if name.startswith("building") else maker.context(name)
    context.sequence.number = int(first)
    request, out = parsed(plain(n.GET, b"")), Writer(bytearray(300))
    with open(path, "wb") as f:
        for _ in range(int(count)):
            _, sealing = context.seal_request(request, out)
            while not sealing.step():
                pass
            sealing.finish()
            f.write(out.end.to_bytes(2, "big"))
            f.write(out.message())


main(*sys.argv[1:])

# The yardstick for the server: the least that a MicroPython program can do to answer a datagram, one each of poll,
# recvfrom and sendto. No parsing, no asyncio, nothing kept.
#
#     micropython -X heapsize=256K base_echo.py ADDRESS PORT
import select
import socket
import sys


def serve(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(socket.getaddrinfo(address, port)[0][-1])
    poller = select.poll()
    poller.register(s, select.POLLIN)
    poll, recvfrom, sendto = poller.poll, s.recvfrom, s.sendto
    print("ready")
    while True:
        poll(-1)
        data, peer = recvfrom(1280)
        sendto(data, peer)


serve(sys.argv[1], int(sys.argv[2]))

# The yardstick for the relay: the least that a MicroPython program can do to pass on what comes on one socket to a
# fixed peer of another, one each of poll, recvfrom and sendto. No tokens, no options, nothing rewritten.
#
#     micropython -X heapsize=256K base_relay.py ADDRESS PORT CLIENT CLIENT_PORT
import select
import socket
import sys


def relay(address, port, client, client_port):
    upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    upstream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    upstream.bind(socket.getaddrinfo(address, port)[0][-1])
    downstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    downstream.bind(socket.getaddrinfo(address, 0)[0][-1])
    peer = socket.getaddrinfo(client, client_port)[0][-1]
    poller = select.poll()
    poller.register(upstream, select.POLLIN)
    poll, recvfrom, sendto = poller.poll, upstream.recvfrom, downstream.sendto
    print("ready")
    while True:
        poll(-1)
        data, _ = recvfrom(1280)
        sendto(data, peer)


relay(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))

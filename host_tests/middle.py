"""Somebody between a client and its proxy, who sees every datagram, keeps it, and passes on what it likes."""

import random
import selectors
import socket

import peers
import support

OSCORE = 9
REQUEST, RESPONSE = "request", "response"
_KID, _KID_CONTEXT, _IN_GROUP_MODE = 0x08, 0x10, 0x20  # flags of the OSCORE option (RFC 8613 §6.1)


class Middle(support.Background):
    """Listens at (address, 5683), and sends to `proxy`, a node, from `behind`, an address; ends with the block.

    alter(direction, message) -> messages or bytes that go on in its place, peers.Message; None: it goes on as it is.
    said: what has come, (direction, bytes). Several in place of a request come to the proxy from a port each; `others`
    has what is sent to those, but for the last, and goes nowhere. A client's Resets do not go on, as they are for
    altered responses.
    """

    def __init__(self, address, behind, proxy):
        self.address, self._behind, self._proxy = address, behind, (proxy.address, proxy.port)
        self.alter, self.said, self.others = None, [], []
        self._front = self._socket(address, peers.PORT)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._front, selectors.EVENT_READ, self._from_client)
        self._ways = {}  # a socket towards the proxy, by client

    @staticmethod
    def _socket(address, port=0):
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        found.bind((address, port))
        return found

    def close(self):
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _run(self):
        while not self._ended:
            for key, _ in self._selector.select(0.05):
                data, source = key.fileobj.recvfrom(65536)
                key.data(data, source)

    def _from_client(self, data, client):
        self.said.append((REQUEST, data))
        if peers.decode(data).type == peers.RST:
            return
        if client not in self._ways:
            self._ways[client] = self._way(lambda data, _: self._from_proxy(data, client))
        *others, last = self._altered(REQUEST, data)
        for other in others:
            self._way(lambda data, _: self.others.append(data)).sendto(other, self._proxy)
        self._ways[client].sendto(last, self._proxy)

    def _way(self, receive):
        way = self._socket(self._behind)
        self._selector.register(way, selectors.EVENT_READ, receive)
        return way

    def _from_proxy(self, data, client):
        self.said.append((RESPONSE, data))
        for each in self._altered(RESPONSE, data):
            self._front.sendto(each, client)

    def _altered(self, direction, data):
        message = peers.decode(data)
        if self.alter is None or message.code == "0.00":
            return [data]
        found = self.alter(direction, message)
        return [data] if found is None else [each if isinstance(each, bytes) else raw(each) for each in found]

    def requests(self):
        """The requests that have come from clients, as messages."""
        found = [peers.decode(data) for direction, data in self.said if direction == REQUEST]
        return [message for message in found if message.code != "0.00"]


def raw(message):
    """The bytes of a message."""
    return peers.encode(*message[:6])


def anew(message):
    """The message as another one: with a Message ID of its own, so that it is no repetition."""
    return message._replace(mid=random.randrange(65536))


def with_option(message, number, value):
    """The message with this value of an option, in place of any; None: without it."""
    options = [option for option in message.options if option[0] != number]
    return message._replace(options=(*options, *([] if value is None else [(number, value)])))


def flipped(message, at):
    """The message with one bit of its payload changed, in the byte at `at`."""
    payload = bytearray(message.payload)
    payload[at] ^= 4
    return message._replace(payload=bytes(payload))


def flips(message, first=0, step=1):
    """Datagrams, each of which is a copy of the message with one bit changed behind the token: every step-th byte."""
    found = []
    for at in range(4 + len(message.token) + first, len(raw(message)), step):
        copy = bytearray(raw(anew(message)))
        copy[at] ^= 1 << at % 8
        found.append(bytes(copy))
    return found


def parts(message):
    """(flags, Partial IV, kid context with its length, kid) of the OSCORE option."""
    value = message.option(OSCORE)
    flags, at = value[0], 1 + (value[0] & 7)
    piv, start = value[1:at], at
    if flags & _KID_CONTEXT:
        at += 1 + value[at]
    return flags, piv, value[start:at], value[at:]


def kid(message):
    """The Sender ID that a message says it is of, in hexadecimal."""
    return parts(message)[3].hex()


def with_kid(message, kid):
    """The message with another Sender ID in the OSCORE option, in hexadecimal."""
    flags, piv, context, _ = parts(message)
    return with_option(message, OSCORE, bytes([flags]) + piv + context + bytes.fromhex(kid))

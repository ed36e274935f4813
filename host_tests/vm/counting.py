"""Nodes that tell what they have counted: counting_node.py as a process of a test."""

import contextlib
import json
import socket

import foreign
import peers


class CountingNode:
    """A node with the fixture `node`'s address and port, that can be asked what it has counted."""

    def __init__(self, config, control):
        self.address, self.port = config["address"], config.get("port", peers.PORT)
        self.uri = f"coap://{self.address}:{self.port}"
        self._control = peers.Peer(control)

    def told(self):
        """What it counts now: {"heap": bytes in use, "lost": datagrams, "unmatched": responses}."""
        self._control.send_bytes((self._control.address, peers.PORT), b"?")
        self._control.socket.settimeout(peers.ANSWER_S)
        return json.loads(self._control.socket.recv(1024))


@contextlib.contextmanager
def counting_node(config, lan, folder, buffer=0, heap="256K"):
    """Such a node until the end of the block; buffer: bytes for its upstream socket's SO_RCVBUF, 0 for Linux' own."""
    config = {"multicast_interface": "127.0.0.1", "address": lan.address(), **config}
    folder.mkdir()
    path, control = folder / "config.json", lan.address()
    path.write_text(json.dumps(config))
    with foreign.vm_program("counting_node", str(path), control, str(buffer), folder=folder, heap=heap):
        yield CountingNode(config, control)


def buffer_for(datagrams):
    """The least SO_RCVBUF, in bytes, with which a socket holds so many small datagrams, found by trying."""
    for size in range(256, 1 << 20, 256):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            s.setblocking(False)
            s.bind(("127.0.0.1", 0))
            for _ in range(2 * datagrams):
                s.sendto(bytes(32), s.getsockname())
            held = 0
            with contextlib.suppress(BlockingIOError):
                while s.recv(64):
                    held += 1
            if held >= datagrams:
                return size

"""What a process has in its memory, and what goes over the loopback: for a look at what a node could know. Linux."""

import re
import socket

import peers
import support

_IP, _UDP = 0x0800, 17
_MOST = 1 << 28  # bytes of one mapping; a VM has no larger one


def remembers(pid, *wanted):
    """Which of these bytes are anywhere in the memory of a process?"""
    found = set()
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                start, end, mode, name = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
                if mode[0] == "r" and name not in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                    start, end = int(start, 16), int(end, 16)
                    assert end - start < _MOST, line
                    memory.seek(start)
                    data = memory.read(end - start)
                    found |= {each for each in wanted if each in data}
    except OSError as e:
        support.missing(f"needs to read another process's memory, as root does: {e}")
    return found


class Wire(support.Background):
    """Every UDP datagram on the loopback from or to one of `addresses`, until the end of the block.

    seen: (source address, destination address, destination port, bytes) of each.
    """

    def __init__(self, *addresses):
        self._addresses, self.seen = set(addresses), []
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IP))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self._socket.bind(("lo", _IP))
        except (AttributeError, OSError) as e:
            support.missing(f"needs to hear the loopback, as root does on Linux: {e}")
        self._socket.settimeout(0.05)

    def close(self):
        self._socket.close()

    def _run(self):
        while True:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                if self._ended:
                    return
                continue
            if data[9] != _UDP:
                continue
            source, destination = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
            if {source, destination} & self._addresses:
                start = 4 * (data[0] & 15)
                port = int.from_bytes(data[start + 2 : start + 4], "big")
                self.seen.append((source, destination, port, data[start + 8 :]))

    def answers(self, source):
        """The responses from this address, as messages."""
        found = [peers.decode(data) for address, _, _, data in self.seen if address == source]
        return [message for message in found if message.code >= "2"]

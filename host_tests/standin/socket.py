# Stands in for `socket` on a computer: UDP sockets as lwIP's on RP2 and ESP32 are, over those of the unix port. While
# the radio has no address nothing is sent and nothing comes. Memberships are the network interface's: they outlive the
# socket that asked for them, count how often, and are forgotten with the interface. A socket keeps few datagrams, and
# takes the heap for one before it looks; an empty one closes an ESP32's for good. RP2's calls back for each one kept.
import asyncio
import errno
import io
import micropython
import select

import usocket

import air

AF_INET = 2
SOCK_DGRAM = 2
SOL_SOCKET = 0xFFF
SO_REUSEADDR = 4
MSG_PEEK = 1
IP_ADD_MEMBERSHIP = 0x400

_RP2 = air.air()["port"] == "rp2"
if _RP2:
    IP_DROP_MEMBERSHIP = 0x401
_KEPT = 4 if _RP2 else 6
_POLL = 3
_POLLIN = 1
_CALLBACK = 20
_LOOPBACK = bytes((127, 0, 0, 1))


def getaddrinfo(host, port, *_):
    return [(AF_INET, SOCK_DGRAM, 0, "", (host, port))]


def _packed(ip):
    return bytes([int(part) for part in ip.split(".")])


def _raw(pair):
    return b"\x02\x00" + bytes((pair[1] >> 8, pair[1] & 255)) + _packed(pair[0]) + bytes(8)


def _pair(raw):
    return "%d.%d.%d.%d" % (raw[4], raw[5], raw[6], raw[7]), raw[2] << 8 | raw[3]


def _open(pair):
    s = usocket.socket(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, 1)
    s.setsockopt(0, 32, _LOOPBACK)
    s.setblocking(False)
    s.bind(_raw(pair))
    return s


_bound = []  # the sockets that are


class socket(io.IOBase):
    def __init__(self, family=AF_INET, kind=SOCK_DGRAM, *_):
        self._pair = None
        self._real = []  # triples: socket, its poll, the group that it hears or None
        self._queue = []
        self._closed = False
        self._dead = False
        self._callback = None

    def setsockopt(self, level, option, value):
        if option == _CALLBACK and _RP2:
            if air.air().get("callback", True):
                if self._callback is None:
                    asyncio.create_task(self._pumping())
                self._callback = value
        elif level == 0 and option in (0x400, 0x401):
            group = "%d.%d.%d.%d" % tuple(value[:4])
            if "%d.%d.%d.%d" % tuple(value[4:]) != air.address:
                raise OSError(errno.EINVAL)
            if option == 0x400:
                air.join(group)
                for s in _bound:
                    s._hear(group)
            elif _RP2:
                air.leave(group)

    def bind(self, pair):
        self._pair = pair
        _bound.append(self)
        if pair[0] != "0.0.0.0" and int(pair[0].split(".")[0]) < 224:
            self._add(pair, None)
        for group in air.joined:
            self._hear(group)

    def _hear(self, group):
        # What the interface is a member of, whoever has joined it.
        if self._pair[0] in ("0.0.0.0", group) and not any(of == group for _, _, of in self._real):
            self._add((group, self._pair[1]), group).setsockopt(0, 35, _packed(group) + _LOOPBACK)

    def _add(self, pair, group):
        s = _open(pair)
        poller = select.poll()
        poller.register(s, select.POLLIN)
        self._real.append((s, poller, group))
        return s

    def setblocking(self, on):
        pass

    def close(self):
        if not self._closed:
            self._closed = True
            if self in _bound:
                _bound.remove(self)
            for s, _, _ in self._real:
                s.close()
            self._real = []

    def sendto(self, data, pair):
        if self._closed:
            raise OSError(errno.EBADF)
        if air.address is None:
            raise OSError(errno.EHOSTUNREACH)
        return self._real[0][0].sendto(data, _raw(pair))

    def _pump(self):
        # Take over what has come; where there is nothing, that takes no heap.
        for s, poller, group in self._real:
            while True:
                for _ in poller.ipoll(0):
                    break
                else:
                    break
                try:
                    data, raw = s.recvfrom(2048)
                except OSError:
                    break
                reached = air.address is not None and (group in air.joined if group else self._pair[0] == air.address)
                if reached and len(self._queue) < _KEPT and not self._dead:
                    self._queue.append((data, _pair(raw)))
                    if self._callback is not None:
                        try:
                            micropython.schedule(self._callback, self)  # comes before the next datagram does
                        except RuntimeError:
                            pass  # too many wait; a board loses it without a word, too

    async def _pumping(self):
        # What the radio's interrupt does.
        while not self._closed and self._callback is not None:
            self._pump()
            await asyncio.sleep_ms(2)

    def recvfrom(self, size, flags=0):
        if self._closed:
            raise OSError(errno.EBADF)
        bytearray(size)
        if self._callback is None:
            self._pump()
        if self._dead:
            return b"", ("0.0.0.0", 0)
        if not self._queue:
            raise OSError(errno.EAGAIN)
        data, pair = self._queue[0]
        if flags & MSG_PEEK:
            return data[:size], pair
        self._queue.pop(0)
        if not data and not _RP2:
            self._dead = True
        return data[:size], pair

    def readinto(self, buf):
        if not self._queue:
            return None
        data = self._queue.pop(0)[0][: len(buf)]
        buf[: len(data)] = data
        if not data and not _RP2:
            self._dead = True
        return len(data)

    def ioctl(self, request, argument):
        if request != _POLL:
            return -errno.EINVAL  # no file descriptor
        if self._closed:
            return argument & _POLLIN | 32
        if self._callback is None:
            self._pump()
        return argument & _POLLIN if self._queue or self._dead else 0

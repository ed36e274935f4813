# Stands in for `socket` on a computer: UDP sockets as lwIP's on RP2 and ESP32 are, over those of the unix port. While
# the radio has no address nothing is sent and nothing comes; memberships are the network interface's and are forgotten
# with it; a socket keeps few datagrams; an empty one closes an ESP32's for good.
import asyncio
import errno
import io
import micropython

import usocket

import air

AF_INET = 2
SOCK_DGRAM = 2
SOL_SOCKET = 0xFFF
SO_REUSEADDR = 4
IP_ADD_MEMBERSHIP = 0x400

_RP2 = air.air()["port"] == "rp2"
if _RP2:
    IP_DROP_MEMBERSHIP = 0x401
_KEPT = 4 if _RP2 else 6
_POLL = 3
_POLLIN = 1
_LOOPBACK = bytes((127, 0, 0, 1))


def getaddrinfo(host, port, *_):
    return [(AF_INET, SOCK_DGRAM, 0, "", (host, port))]


def _raw(pair):
    ip = bytes([int(part) for part in pair[0].split(".")])
    return b"\x02\x00" + bytes((pair[1] >> 8, pair[1] & 255)) + ip + bytes(8)


def _pair(raw):
    return "%d.%d.%d.%d" % (raw[4], raw[5], raw[6], raw[7]), raw[2] << 8 | raw[3]


def _open(pair):
    s = usocket.socket(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, 1)
    s.setsockopt(0, 32, _LOOPBACK)
    s.setblocking(False)
    s.bind(_raw(pair))
    return s


class socket(io.IOBase):
    def __init__(self, family=AF_INET, kind=SOCK_DGRAM, *_):
        self._bound = None
        self._real = []  # pairs: socket, the group that it hears or None
        self._queue = []
        self._closed = False
        self._dead = False
        self._callback = None

    def setsockopt(self, level, option, value):
        if option == 20 and level == SOL_SOCKET:
            if air.air().get("callback"):  # not in a MicroPython from before this callback was there for UDP
                self._callback = value
                asyncio.create_task(self._call_back())
            return
        if level == 0 and option in (0x400, 0x401):
            group = "%d.%d.%d.%d" % tuple(value[:4])
            if "%d.%d.%d.%d" % tuple(value[4:]) != air.address:
                raise OSError(errno.EINVAL)
            if option == 0x400:
                if group not in air.joined:
                    air.heard("join " + group)
                air.joined[group] = air.joined.get(group, 0) + 1
                if not any(of == group for _, of in self._real) and self._bound[0] in ("0.0.0.0", group):
                    s = _open((group, self._bound[1]))
                    s.setsockopt(0, 35, value[:4] + _LOOPBACK)
                    self._real.append((s, group))
            elif group not in air.joined:
                raise OSError(errno.EADDRNOTAVAIL if hasattr(errno, "EADDRNOTAVAIL") else 99)
            else:
                air.joined[group] -= 1
                if not air.joined[group]:
                    del air.joined[group]
                    air.heard("leave " + group)

    def bind(self, pair):
        self._bound = pair
        first = int(pair[0].split(".")[0])
        if pair[0] != "0.0.0.0" and first < 224:
            self._real.append((_open(pair), None))

    def setblocking(self, on):
        pass

    def close(self):
        if not self._closed:
            self._closed = True
            for s, _ in self._real:
                s.close()
            self._real = []

    def sendto(self, data, pair):
        if self._closed:
            raise OSError(errno.EBADF)
        if air.address is None:
            raise OSError(errno.EHOSTUNREACH)
        return self._real[0][0].sendto(data, _raw(pair))

    _pumping = False

    def _pump(self):
        if not self._pumping:  # the callback reads from here
            self._pumping = True
            try:
                self._pump_all()
            finally:
                self._pumping = False

    def _pump_all(self):
        for s, group in self._real:
            while True:
                try:
                    data, raw = s.recvfrom(2048)
                except OSError:
                    break
                reached = air.address is not None and (group in air.joined if group else self._bound[0] == air.address)
                if reached and len(self._queue) < _KEPT and not self._dead:
                    self._queue.append((data, _pair(raw)))
                    if self._callback is not None:
                        micropython.schedule(self._callback, self)

    async def _call_back(self):
        # What an interrupt does on a board: notice what has come.
        while not self._closed:
            if not self._pumping:
                self._pump()
            await asyncio.sleep_ms(2)

    def recvfrom(self, size):
        if self._closed:
            raise OSError(errno.EBADF)
        self._pump()
        if self._dead:
            return b"", ("0.0.0.0", 0)
        if not self._queue:
            raise OSError(errno.EAGAIN)
        data, pair = self._queue.pop(0)
        if not data and not _RP2:
            self._dead = True
        return data[:size], pair

    def ioctl(self, request, argument):
        if request != _POLL:
            return -errno.EINVAL  # no file descriptor
        if self._closed:
            return argument & _POLLIN | 32
        self._pump()
        return argument & _POLLIN if self._queue or self._dead else 0

"""What a person at the console, or a program, sees of a running node; nothing here is on the way of a datagram."""

import gc
from collections import OrderedDict

from groupcoap import __version__
from groupcoap.addresses import address_text


class State:
    """board: name of the board's data; node: the `Node`; log: the `Log`. The rest is told as it comes to be known."""

    def __init__(self, board, node, log):
        self.board = board
        self.node = node
        self.log = log
        self.role = None
        self.phase = "connecting"
        self.station = None  # the `wifi.Station` of a board
        self.ssid = None
        self.low = gc.mem_free()  # the least heap that was free after a collection, bytes

    def collect(self):
        """Collect garbage, and note what is free."""
        gc.collect()
        free = gc.mem_free()
        self.low = min(self.low, free)
        return free

    def status(self):
        """All of it, as a dict."""
        node = self.node
        free = self.collect()
        found = OrderedDict()
        found["board"] = self.board
        found["version"] = __version__
        found["role"] = self.role
        found["state"] = self.phase
        found["address"] = address_text(node.links[0].address, None) if node.links else None
        found["groups"] = self.groups()
        found["uptime"] = self.log.uptime() // 1000
        found["heap"] = {"free": free, "low": self.low, "total": free + gc.mem_alloc()}
        found["wifi"] = self.wifi()
        found["faults"] = node.faults
        found["lost"] = node.lost()
        found["no_memory"] = sum([link.no_memory for link in node.links])
        found["send_errors"] = sum([link.send_errors for link in node.links])
        if node.status is not None:
            found["proxy"] = node.status()
        elif self.role == "server":
            server = node.links[0].endpoint.role
            found["server"] = {
                "resources": len(server.resources),
                "observers": len(server.observers) if server.observers is not None else 0,
                "suppressed": server.suppressed,
                "crowded": server.groups.crowded if server.groups is not None else 0,
            }
        found["log"] = self.log.lines
        return found

    def wifi(self):
        """The state of the Wi-Fi, or None where the node has none."""
        station = self.station
        if station is None:
            return None
        return {
            "state": station.state,
            "ssid": self.ssid,
            "address": station.address,
            "rssi": station.rssi(),
            "outages": station.outages,
            "reason": station.reason,
        }

    def groups(self):
        """The groups that the node is a member of."""
        return [address_text(group, None) for group in self.node.groups()]

    def exchanges(self):
        """The open exchanges of a proxy."""
        return self.node.status()["exchanges"] if self.node.status is not None else []

    def cache(self):
        """The state of a proxy's cache, or None."""
        return self.node.status().get("cache") if self.node.status is not None else None

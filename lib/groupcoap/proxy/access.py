"""Whom the proxy serves: the allow-list (draft-ietf-core-groupcomm-proxy §4 REQ1, REQ2).

A client's identity is its IP address: for tests and closed networks, since the draft demands a security association.
"""


class AllowList:
    """entries: triples (IP, 4 or 16 bytes; packed group addresses that it may reach; may it have unicast targets?)."""

    def __init__(self, entries):
        self._entries = {ip: (tuple(groups), unicast) for ip, groups, unicast in entries}
        self.groups = any(groups for groups, _ in self._entries.values())  # is any group enabled at all?

    def knows(self, peer):
        """Is this peer on the list at all?"""
        return peer[:-2] in self._entries

    def group(self, peer, address):
        """May this peer have group requests sent to this packed group address?"""
        entry = self._entries.get(peer[:-2])
        return entry is not None and address in entry[0]

    def unicast(self, peer):
        """May this peer have requests sent to a single server?"""
        entry = self._entries.get(peer[:-2])
        return entry is not None and entry[1]

"""Who the members of a group are, as far as the proxy knows: from its configuration, or from a resource directory.

A directory is asked by an endpoint lookup (RFC 9176 §6.3) such as coap://192.0.2.9/rd-lookup/ep?d=floor1; who is
registered there is a member, at its `base`. It is asked again when its answer is no longer fresh. A list that fails, or
has somebody in it whom an IP address of this network does not name, is none: then the members are not known.
"""


class Members:
    """known: packed addresses of its members by that of a group."""

    def __init__(self, known):
        self._known = known
        self._lookups = None

    def of(self, group):
        """The packed addresses of the members of this group, or None where they are not known."""
        return self._known.get(group)

    def learn(self, endpoint, group, lookup, now):
        """Ask a directory for the members of this group, from `endpoint`, now and from now on; lookup: a Uri."""
        if self._lookups is None:
            from .lookup import Lookups

            self._lookups = Lookups(self._known, endpoint)
        self._lookups.add(group, lookup, now)

"""Who the members of a group are, as far as the proxy knows: from its configuration, or from a resource directory.

A directory is asked by an endpoint lookup (RFC 9176 §6.3) such as coap://192.0.2.9/rd-lookup/ep?d=floor1; who is
registered there is a member, at its `base`. It is asked again when its answer is no longer fresh. A list that fails, or
has somebody in it whom an IP address of this network does not name, is none: then the members are not known. What asks
is `lookup.Lookups`.
"""


class Members:
    """known: packed addresses of its members by that of a group."""

    def __init__(self, known):
        self._known = known

    def of(self, group):
        """The packed addresses of the members of this group, or None where they are not known."""
        return self._known.get(group)

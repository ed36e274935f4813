"""Which security context a request is for (RFC 8613 §8.2 step 2, draft-ietf-core-oscore-groupcomm §6)."""

from .. import numbers as n
from .errors import no_context, undecodable
from .exchange import header
from .option import parse


class Contexts:
    """The security contexts of a node: a list of Context and a list of Group.

    A kid context names a group by its Gid, or a context by its ID Context; without one it is a context's kid alone, and
    of several with the same the one without ID Context, else the first. Raises ValueError for two that cannot be told
    apart.
    """

    def __init__(self, contexts=(), groups=()):
        self.contexts = contexts
        self.groups = groups
        self._by_gid = {}
        self._by_kid = {}
        for group in groups:
            if group.gid in self._by_gid:
                raise ValueError("two groups have the Gid %s" % _hex(group.gid))
            self._by_gid[group.gid] = group
        for context in contexts:
            same = self._by_kid.setdefault(context.recipient_id, [])
            for other in same:
                if other.rederives or context.rederives:  # any ID Context may be its own
                    raise ValueError("%s and %s: recipient_id is equal" % (other.name, context.name))
                if other.id_context == context.id_context:
                    raise ValueError("%s and %s: recipient_id and id_context are equal" % (other.name, context.name))
            if context.id_context is None:
                same.insert(0, context)
            else:
                same.append(context)
            if context.id_context in self._by_gid:
                raise ValueError("%s: its id_context is the Gid of a group" % context.name)

    def begin(self, doubt=False):
        """Begin a life of this node, before the first message. What requests it has had in an earlier one is not known:
        they are told from replays by Echo (RFC 8613 Appendix B.1.2). That there was one is told by the record of the
        sequence numbers, so that the first is recorded now. doubt: ask for freshness even in the first.

        Raises what `Sequence.take` raises.
        """
        for context in list(self.contexts) + list(self.groups):
            sequence = context.sequence
            if sequence is not None:  # a silent server's windows are `Floor`s
                if doubt or sequence.number:
                    context.distrust()
                if not sequence.number:
                    sequence.take()

    def knows(self, m):
        """Is this protected request, or piece of one, for one of them?"""
        try:
            return self.find(m) is not None
        except ValueError:
            return True  # it is malformed, whoever it is for

    def find(self, m):
        """Which one this request, or piece of one, is for, by its OSCORE option; None: none. Raises ValueError where
        that is malformed."""
        return self._find(*parse(m.option(n.OSCORE)))

    def open_request(self, m):
        """Begin to open a protected request, a Message: an `Opening`, whose `finish` gives its Exchange.

        Raises Rejected where no context is found, and where it can be seen already that the request is malformed or
        was replayed.
        """
        piv, kid_context, kid, group = header(m)
        if piv is None or kid is None:
            raise undecodable()
        found = self._find(piv, kid_context, kid, group)
        if found is None:
            raise no_context()
        return found.open_request(m, piv, kid_context, kid, group)

    def _find(self, piv, kid_context, kid, group):
        found = self._by_gid.get(kid_context) if kid_context is not None else None
        if found is None:
            for context in self._by_kid.get(kid, ()):
                if context.takes(kid_context):
                    return context
        return found


def _hex(data):
    return "".join(["%02x" % byte for byte in data])

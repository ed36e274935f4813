"""Conditional requests: If-Match and If-None-Match against what GET would give (RFC 7252 §5.10.8)."""

from . import errors
from . import numbers as n
from .options import carries
from .resource import close


def check(server, m, resource):
    """Raise PreconditionFailed where a condition of this request for `resource` does not hold."""
    exists = True
    tag = resource.tag
    if tag is None and resource.allows(n.GET):
        try:
            result = resource.methods[n.GET](m)
            if hasattr(result, "send"):
                result.close()  # a coroutine, that cannot be waited for: something is there
            else:
                _, pairs, body = resource.outcome(n.GET, result)
                tag = server.representation_etag(pairs, body)
                close(body)
        except errors.NotFound:
            exists = False
    if m.find(n.IF_NONE_MATCH) >= 0 and exists:
        raise errors.PreconditionFailed()
    if m.find(n.IF_MATCH) >= 0 and not (exists and (carries(m, n.IF_MATCH, b"") or carries(m, n.IF_MATCH, tag))):
        raise errors.PreconditionFailed()

"""Exceptions named for their response codes (RFC 7252 §12.1.2, 7959, 8132, 8516, 8768): errors.NotFound is 4.04.

A resource raises one, and it becomes the response; a client raises the one of the response that it got. A class is
made when it is first asked for, since each takes some 250 bytes of heap: `from groupcoap.errors import NotFound` works
as if it stood here.
"""

_NAMES = (
    "4.00 BadRequest 4.01 Unauthorized 4.02 BadOption 4.03 Forbidden 4.04 NotFound 4.05 MethodNotAllowed "
    "4.06 NotAcceptable 4.08 RequestEntityIncomplete 4.09 Conflict 4.12 PreconditionFailed 4.13 RequestEntityTooLarge "
    "4.15 UnsupportedContentFormat 4.22 UnprocessableEntity 4.29 TooManyRequests 5.00 InternalServerError "
    "5.01 NotImplementedHere 5.02 BadGateway 5.03 ServiceUnavailable 5.04 GatewayTimeout 5.05 ProxyingNotSupported "
    "5.08 HopLimitReached"
)


class ResponseError(Exception):
    """A response that is no success. `code` as in RFC 7252 §3; str() is the diagnostic payload (§5.5.2).

    max_age: s for which 5.03 or 4.29 holds, or None for no word on that (§5.9.3.4). reason: a word by which refusals
    are counted, or None. response: what a client has got.
    """

    code = 0xA0
    response = None

    def __init__(self, text="", max_age=None, reason=None):
        super().__init__(text)
        self.max_age = max_age
        self.reason = reason


def by_code(code):
    """The class for this code; ResponseError where the code has none."""
    words = _NAMES.split()
    dotted = "%d.%02d" % (code >> 5, code & 31)
    return _class(words[words.index(dotted) + 1]) if dotted in words else ResponseError


def from_response(response):
    """The exception for a response of class 4 or 5, as a client raises it."""
    diagnostic = not any(number == 12 for number, _ in response.options)  # Content-Format
    try:
        text = str(response.payload, "utf-8") if diagnostic else ""
    except UnicodeError:
        text = ""
    error = by_code(response.code)(text or "%d.%02d" % (response.code >> 5, response.code & 31))
    error.code = response.code
    error.response = response
    error.max_age = response.option_uint(14)
    return error


def _class(name):
    found = globals().get(name)
    if found is None:
        words = _NAMES.split()
        dotted = words[words.index(name) - 1]
        found = type(name, (ResponseError,), {"code": int(dotted[0]) << 5 | int(dotted[2:])})
        globals()[name] = found
    return found


def __getattr__(name):
    if not "A" <= name[:1] <= "Z" or name not in _NAMES.split():
        raise AttributeError(name)
    return _class(name)

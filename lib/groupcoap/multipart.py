"""application/multipart-core (RFC 8710), and the answers of a group in a proxy's one aggregated response.

Such a response has two parts for each answer: Content-Format 63 with the value of Reply-From and the response code, a
CBOR sequence; then the answer's own Content-Format and payload. `proxy.parts` writes it; see docs/aggregate.md.
"""

from . import cbor, options, uri
from . import numbers as n
from .cri import read_reply_from
from .message import uint_bytes
from .request import Response

_CODE_BYTES = 2  # of a response code in CBOR


class Answer(Response):
    """A `Response` that came in an aggregated one. origin: packed address, or None where none is named.

    reply_from: value of Reply-From, bytes; None where the proxy itself answers: with 5.03 it says that more answers
    came than it had room for. content_format: int, or None. payload is empty where there is none, and where it was too
    long for one message: it can then be had from the server. options: Content-Format and Reply-From; rtt: ms.
    """

    def __init__(self, reply_from, code, content_format, payload, rtt):
        pairs = [] if content_format is None else [(n.CONTENT_FORMAT, uint_bytes(content_format))]
        origin = None
        if reply_from:
            pairs.append((options.number(options.REPLY_FROM), reply_from))
            try:
                origin, _, second = read_reply_from(reply_from)
                if second is not None and type(second.host) is bytes:  # of a reverse-proxy: its server
                    origin = uri.pack(second.host, n.COAP_PORT if second.port is None else second.port)
            except ValueError:
                pass  # as where it is an option: the others' answers are none the worse for it
        Response.__init__(self, code, pairs, payload, origin, rtt)
        self.reply_from = reply_from or None
        self.content_format = content_format


def parts(payload):
    """The parts, a list of (Content-Format, bytes or None), of a payload (bytes, bytearray or memoryview).

    As `cbor` is, it is for definite lengths and shortest heads only. Raises ValueError where this is no multipart-core,
    and then nothing of it is to be used (RFC 8710 §2).
    """
    items = cbor.loads(payload, 1)
    if type(items) is not list or len(items) & 1:
        raise ValueError("multipart-core: expected an array with an even number of items")
    found = []
    for i in range(0, len(items), 2):
        number, part = items[i], items[i + 1]
        if type(number) is not int or not 0 <= number <= 65535:
            raise ValueError("multipart-core: item %d: expected a Content-Format, 0 to 65535" % i)
        if part is not None and type(part) is not bytes:
            raise ValueError("multipart-core: item %d: expected bytes or null" % (i + 1))
        found.append((number, part))
    return found


def responses(payload, rtt=0):
    """The answers, a list of `Answer`, in the payload of an aggregated response. Raises ValueError.

    rtt: ms, that of the aggregated one.
    """
    found = parts(payload)
    if len(found) & 1:
        raise ValueError("aggregated response: expected two parts for each answer")
    answers = []
    for i in range(0, len(found), 2):
        number, head = found[i]
        # The code is a CBOR integer of two bytes.
        if number != n.CBOR_SEQ or head is None or head[-2:-1] != b"\x18" or not 64 <= head[-1] < 192:
            raise ValueError("aggregated response: part %d: expected Reply-From and response code" % i)
        code = head[-1]
        number, body = found[i + 1]
        if number == n.OCTET_STREAM and (body is None or code >> 5 != 2):
            number = None  # 42 stands there for none: a diagnostic payload has none (RFC 7252 §5.5.2)
        answers.append(Answer(head[:-_CODE_BYTES], code, number, body or b"", rtt))
    return answers


def answers(response):
    """The answers in a `Response`, if it is an aggregated one of a proxy's; else itself alone."""
    if response.origin is None and response.code == n.CONTENT:
        if response.option_uint(n.CONTENT_FORMAT) == n.MULTIPART_CORE:
            try:
                return responses(response.payload, response.rtt)
            except ValueError:
                pass  # something else of this format
    return [response]

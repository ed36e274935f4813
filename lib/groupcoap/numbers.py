"""Registered numbers of CoAP as constants: message types, codes, option numbers, content formats.

From the IANA registry "CoRE Parameters": RFC 7252 §12, 7641, 7959, 7967, 8132, 8516, 8613, 8710, 8742, 8768, 9175.
What an option's number means (format, length, repeatability) is in `options`; nothing else knows it.
"""

from micropython import const

# Message types (RFC 7252 §3)
CON = const(0)
NON = const(1)
ACK = const(2)
RST = const(3)

# Codes: class << 5 | detail (RFC 7252 §12.1)
EMPTY = const(0)
GET = const(1)
POST = const(2)
PUT = const(3)
DELETE = const(4)
FETCH = const(5)
PATCH = const(6)
IPATCH = const(7)

CREATED = const(0x41)  # 2.01
DELETED = const(0x42)
VALID = const(0x43)
CHANGED = const(0x44)
CONTENT = const(0x45)
CONTINUE = const(0x5F)  # 2.31
BAD_REQUEST = const(0x80)  # 4.00
UNAUTHORIZED = const(0x81)
BAD_OPTION = const(0x82)
FORBIDDEN = const(0x83)
NOT_FOUND = const(0x84)
METHOD_NOT_ALLOWED = const(0x85)
NOT_ACCEPTABLE = const(0x86)
REQUEST_ENTITY_INCOMPLETE = const(0x88)
PRECONDITION_FAILED = const(0x8C)
REQUEST_ENTITY_TOO_LARGE = const(0x8D)  # 4.13
UNSUPPORTED_CONTENT_FORMAT = const(0x8F)  # 4.15
INTERNAL_SERVER_ERROR = const(0xA0)  # 5.00
NOT_IMPLEMENTED = const(0xA1)
BAD_GATEWAY = const(0xA2)
SERVICE_UNAVAILABLE = const(0xA3)
GATEWAY_TIMEOUT = const(0xA4)
PROXYING_NOT_SUPPORTED = const(0xA5)
HOP_LIMIT_REACHED = const(0xA8)  # 5.08

# Option numbers (those of the two wire profiles can be changed and are in `options`)
IF_MATCH = const(1)
URI_HOST = const(3)
ETAG = const(4)
IF_NONE_MATCH = const(5)
OBSERVE = const(6)
URI_PORT = const(7)
LOCATION_PATH = const(8)
OSCORE = const(9)
URI_PATH = const(11)
CONTENT_FORMAT = const(12)
URI_PATH_ABBREV = const(13)
MAX_AGE = const(14)
URI_QUERY = const(15)
HOP_LIMIT = const(16)
ACCEPT = const(17)
LOCATION_QUERY = const(20)
BLOCK2 = const(23)
BLOCK1 = const(27)
SIZE2 = const(28)
PROXY_URI = const(35)
PROXY_SCHEME = const(39)
SIZE1 = const(60)
PROXY_CRI = const(235)
PROXY_SCHEME_NUMBER = const(239)
ECHO = const(252)
NO_RESPONSE = const(258)
REQUEST_TAG = const(292)
REQUEST_HASH = const(548)  # draft-ietf-core-cacheable-oscore, as suggested to IANA

# Content formats
TEXT_PLAIN = const(0)
LINK_FORMAT = const(40)
OCTET_STREAM = const(42)
CBOR = const(60)
MULTIPART_CORE = const(62)  # RFC 8710
CBOR_SEQ = const(63)  # RFC 8742

COAP_PORT = const(5683)


def dotted(code):
    """Code 0x45 as the text "2.05" (RFC 7252 §3)."""
    return "%d.%02d" % (code >> 5, code & 31)

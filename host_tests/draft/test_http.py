"""draft-ietf-core-groupcomm-proxy-07 §9: HTTP-to-CoAP proxies."""

from conformance.statements import Document

DOCUMENT = Document("groupcomm-proxy")

NOT_BUILT = "HTTP-to-CoAP is not built yet"

for section, level, text in (
    ("9.1", "TEXT", "The header field Multicast-Timeout is digits; empty is 0"),
    ("9.2", "MUST", "The header field Reply-From is a List of one or two members"),
    ("9.2", "MUST", "Each member is a Byte Sequence"),
    ("9.2", "MUST", "A field of another form is ignored as a whole"),
    ("9.2", "MUST", "Towards HTTP: no second member without a second CBOR array"),
    ("9.2", "MUST", "Towards CoAP: no second CBOR array without a second member"),
    ("9.3", "MUST", "The header field Group-ETag is a List of one or more members in requests, of one in responses"),
    ("9.3", "MUST", "Each member is a Byte Sequence"),
    ("9.3", "MUST", "A field of another form is ignored as a whole"),
    ("9.3", "MUST", "A request towards HTTP has a member for each Group-ETag Option"),
    ("9.3", "MUST", "A response towards HTTP has one member"),
    ("9.3", "MUST", "A 304 for a Group-ETag that matches has the field, with the current entity-tag"),
    ("9.4", "MUST", "Under Group OSCORE the HTTP request is sent as RFC 8613 §11.1 has it"),
    ("9.5", "TEXT", "T' = 0 gives 204 (No Content) once the request was forwarded"),
    ("9.6", "TEXT", "So does a T' within which nobody has answered"),
    ("9.6", "MUST", "Else all responses come in one of 200 (OK), once T' is over"),
    ("9.6", "MUST", "That has the Content-Type multipart/mixed, with application/http in each part"),
    ("9.7", "TEXT", "The client takes the parts out, and knows their origin by Reply-From"),
    ("9.10.1", "TEXT", "To a reverse-proxy it sends the same"),
    ("9.10.2", "TEXT", "Which does as in 6.1 with the CoAP request"),
):
    DOCUMENT.not_claimed(section, level, text, NOT_BUILT)

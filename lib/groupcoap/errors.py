"""Exceptions named for their response codes (RFC 7252 §12.1.2): a resource raises one, and it becomes the response."""

from . import numbers as n


class ResponseError(Exception):
    """A response that is no success. `code` as in RFC 7252 §3; str() is the diagnostic payload (§5.5.2)."""

    code = n.INTERNAL_SERVER_ERROR
    max_age = None  # s; how long 5.03 holds (§5.9.3.4)


class BadRequest(ResponseError):
    code = n.BAD_REQUEST


class Unauthorized(ResponseError):
    code = n.UNAUTHORIZED


class BadOption(ResponseError):
    code = n.BAD_OPTION


class Forbidden(ResponseError):
    code = n.FORBIDDEN


class NotFound(ResponseError):
    code = n.NOT_FOUND


class MethodNotAllowed(ResponseError):
    code = n.METHOD_NOT_ALLOWED


class NotAcceptable(ResponseError):
    code = n.NOT_ACCEPTABLE


class RequestEntityTooLarge(ResponseError):
    code = n.REQUEST_ENTITY_TOO_LARGE


class UnsupportedContentFormat(ResponseError):
    code = n.UNSUPPORTED_CONTENT_FORMAT


class InternalServerError(ResponseError):
    code = n.INTERNAL_SERVER_ERROR


class NotImplementedHere(ResponseError):
    code = n.NOT_IMPLEMENTED


class BadGateway(ResponseError):
    code = n.BAD_GATEWAY


class ServiceUnavailable(ResponseError):
    code = n.SERVICE_UNAVAILABLE

    def __init__(self, text="", max_age=None):
        super().__init__(text)
        self.max_age = max_age


class GatewayTimeout(ResponseError):
    code = n.GATEWAY_TIMEOUT


class ProxyingNotSupported(ResponseError):
    code = n.PROXYING_NOT_SUPPORTED


class HopLimitReached(ResponseError):
    code = n.HOP_LIMIT_REACHED

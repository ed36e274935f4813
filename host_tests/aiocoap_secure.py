"""aiocoap with OSCORE and Group OSCORE, as programs: a server, and a client that prints what comes as JSON lines.

    aiocoap_secure.py server ADDRESS --key FILE… [--group ADDRESS] [--value TEXT] [--lost] [--answer-in-group-mode]
    aiocoap_secure.py request METHOD URI [--key FILE] [--pairwise MEMBER | --deterministic] [--observe N] …

A line: {"code", "payload", "by": who has sent it, verified, or null, "mode": "oscore", "group", "pairwise" or null for
an unprotected one, "source": address, "observe": number or null, "options": [[number, hexadecimal], …]}, or
{"error": name, "text": …}.
"""

import argparse
import asyncio
import json
import os
import socket
import struct
import time
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiocoap
import aiocoap_contexts as contexts
from aiocoap import oscore, resource
from aiocoap.credentials import CredentialsMap
from aiocoap.message import UndecidedRemote
from aiocoap.numbers.codes import Code
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.optiontypes import OpaqueOption
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from aiocoap.transports import simplesocketserver
from aiocoap.transports.oscore import OSCOREAddress

PORT = 5683
LONG = b"".join(b"%09d\n" % i for i in range(300))  # 3000 bytes
ANSWER_S = 10


# Server


class Value(resource.ObservableResource):
    def __init__(self, value):
        super().__init__()
        self._value = value

    async def render_get(self, request):
        return aiocoap.Message(payload=self._value)

    async def render_put(self, request):
        self._value = request.payload
        self.updated_state()
        return aiocoap.Message(code=Code.CHANGED)


class Who(resource.Resource):
    """Says who has asked, and in which mode."""

    async def render_get(self, request):
        if not isinstance(request.remote, OSCOREAddress):
            return aiocoap.Message(payload=b"null")
        return aiocoap.Message(payload=json.dumps(contexts.verified(request.remote.security_context)).encode())


class Protected(resource.Site):
    """A site whose resources are for protected requests, but for /open."""

    async def render_to_pipe(self, pipe):
        request = pipe.request
        if isinstance(request.remote, OSCOREAddress) or request.opt.uri_path == ("open",):
            await super().render_to_pipe(pipe)
        else:
            pipe.add_response(aiocoap.Message(code=Code.UNAUTHORIZED), is_last=True)


class Membership(asyncio.DatagramProtocol):
    """A socket in a group, whose requests are as if they had come to `server`, and answered from its address."""

    def __init__(self, server, received):
        self._server, self._received = server, received

    def datagram_received(self, data, source):
        self._received(simplesocketserver._Address(self._server, source), data)


async def join(context, group):
    (manager,) = [each for each in context.request_interfaces if hasattr(each, "token_interface")]
    interface = manager.token_interface.message_interface
    member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    member.bind((group, PORT))
    loopback = socket.inet_aton("127.0.0.1")
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + loopback)
    loop = asyncio.get_running_loop()
    protocol = Membership(interface._pool, interface._received_datagram)
    await loop.create_datagram_endpoint(lambda: protocol, sock=member)


async def serve(options):
    contexts.amend_server(options.answer_in_group_mode)
    site = Protected()
    value = Value(options.value.encode())
    for path, what in (("temp", value), ("big", Value(LONG)), ("who", Who()), ("open", Value(b"open"))):
        site.add_resource([path], what)
    credentials = CredentialsMap()
    for path in options.key:
        credentials[f":{path}"] = contexts.load(path, options.lost)
    wrapped = OscoreSiteWrapper(site, credentials)
    # "simple6" and "udp6" want IPv6; "simplesocketserver" binds one IPv4 address.
    bind, transports = (options.address, PORT), ["simplesocketserver"]
    context = await aiocoap.Context.create_server_context(wrapped, bind=bind, transports=transports)
    if options.group:
        await join(context, options.group)
    await asyncio.get_running_loop().create_future()


# Client


def tell(message, by=None, mode=None, source=None):
    line = {"code": message.code.dotted, "payload": message.payload.decode(errors="replace"), "by": by, "mode": mode}
    line["source"], line["observe"] = source, message.opt.observe  # -1: without Partial IV
    options = [option for option in message.opt.option_list() if option.number != OptionNumber.OBSERVE]
    line["options"] = [[int(option.number), option.encode().hex()] for option in options]
    print(json.dumps(line), flush=True)


def tell_error(error):
    if isinstance(error, oscore.NotAProtectedMessage):
        tell(error.plain_message)  # an unprotected response to a protected request
    else:
        print(json.dumps({"error": type(error).__name__, "text": str(error)}), flush=True)


def plain_request(options):
    code = getattr(aiocoap, options.method.upper())
    request = aiocoap.Message(code=code, payload=options.payload.encode(), observe=0 if options.observe else None)
    request.set_request_uri(options.uri)
    request.transport_tuning = aiocoap.Unreliable if options.non else aiocoap.Reliable
    return request


def security(options):
    context = contexts.load(options.key)
    if isinstance(context, contexts.Group):
        return context.addressed(options.pairwise, options.deterministic)
    return context


async def request(options):
    """By aiocoap's own client: block-wise transfer, Observe, repetition with an Echo option."""
    context = await aiocoap.Context.create_client_context()
    message = plain_request(options)
    if options.key:
        message.remote = OSCOREAddress(security(options), message.remote)
        if options.block_size:
            message.remote.maximum_block_size_exp = options.block_size.bit_length() - 5

    def show(response):
        remote, by, mode = response.remote, None, None
        if isinstance(remote, OSCOREAddress):
            by, mode = contexts.verified(remote.security_context)
        tell(response, by, mode, remote.hostinfo)

    try:
        pending = context.request(message)
        show(await asyncio.wait_for(pending.response, options.timeout))
        if options.observe > 1:
            left = options.observe - 1
            async for notification in pending.observation:
                show(notification)
                left -= 1
                if not left:
                    break
    except (aiocoap.error.Error, ValueError, AttributeError, KeyError, TimeoutError) as error:
        tell_error(error)
    await context.shutdown()


class Datagrams:
    """Messages that are protected by aiocoap, and sent and received one by one: several responses, outer options."""

    def __init__(self, options):
        self._options = options
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        self.socket.bind((options.bind, 0))
        self._token, self._layers = os.urandom(4), []
        self._message = self._protect()
        to = urlsplit(options.proxy or options.uri)
        self._to = to.hostname, to.port or PORT

    def _protect(self):
        options, message = self._options, plain_request(self._options)
        message.remote = None
        if options.key:
            message = self._layer(security(options), message)
        if options.proxy:
            target = urlsplit(options.uri)
            message.opt.proxy_scheme = target.scheme
            message.opt.uri_host = target.hostname
            message.opt.uri_port = target.port
        for number, value in options.outer:
            message.opt.add_option(OpaqueOption(OptionNumber(number), value))
        if options.proxy_key:
            message = self._layer(contexts.load(options.proxy_key, adjacent=True), message)
        return message

    def _layer(self, context, message):
        protected, identifiers = context.protect(message)
        self._layers.insert(0, (context, identifiers))
        return protected

    def send(self):
        to_group = ip_address(self._to[0]).is_multicast
        self._message.mtype = aiocoap.NON if self._options.non or to_group else aiocoap.CON
        self._message.mid, self._message.token = int.from_bytes(os.urandom(2), "big"), self._token
        self.socket.sendto(self._message.encode(), self._to)

    def collect(self, seconds, count):
        end = time.monotonic() + seconds
        while count and (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, source = self.socket.recvfrom(65536)
            except TimeoutError:
                break
            message = aiocoap.Message.decode(data, UndecidedRemote("coap", source[0]))
            if message.mtype is aiocoap.CON:
                self.socket.sendto(struct.pack(">BBH", 0x60, 0, message.mid), source)
            if message.token == self._token and message.code.is_response():
                self._show(message, source[0])
                count -= 1

    def _show(self, message, source):
        by, mode = None, None
        try:
            for context, identifiers in self._layers:
                opened = context.context_from_response(oscore.verify_start(message))
                message, _ = opened.unprotect(message, identifiers)
                by, mode = contexts.verified(opened)
        except oscore.NotAProtectedMessage:
            # Where a proxy has said so, by a layer that it shares with the client, it is the proxy's word.
            pass
        except (aiocoap.error.Error, ValueError) as error:
            return tell_error(error)
        tell(message, by, mode, source)


def collect(options):
    datagrams = Datagrams(options)
    for _ in range(1 + options.again):
        datagrams.send()
        seconds = ANSWER_S if options.collect is None else options.collect
        datagrams.collect(seconds, options.count or (1 if options.collect is None else 1 << 30))


# Arguments


def outer(text):
    number, _, value = text.partition("=")
    return int(number), bytes.fromhex(value)


def arguments():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("server").add_argument
    add("address")
    add("--key", action="append", default=[])
    add("--group", help="multicast address")
    add("--value", default="21.5", help="of /temp")
    add("--lost", action="store_true", help="the replay windows were: challenge clients by an Echo option")
    add("--answer-in-group-mode", action="store_true", help="instead of pairwise, as aiocoap has it")
    add = commands.add_parser("request").add_argument
    add("method")
    add("uri")
    add("--key", help="none: an unprotected request")
    add("--pairwise", metavar="MEMBER", help="in pairwise mode; of a deterministic request, the only one to answer")
    add("--deterministic", action="store_true")
    add("--payload", default="")
    add("--observe", type=int, default=0, metavar="N", help="end after N responses")
    add("--non", action="store_true")
    add("--block-size", type=int, help="of blocks sent, and of those asked for after the first")
    add("--timeout", type=float, default=ANSWER_S, help="seconds, for the first response")
    add("--collect", type=float, metavar="S", help="datagram by datagram, all responses of so many seconds; no blocks")
    add("--count", type=int, help="end after so many responses")
    add("--again", type=int, default=0, metavar="N", help="send the same protected message N times more")
    add("--bind", default="0.0.0.0", help="the address to send from, datagram by datagram")
    add("--proxy", metavar="URI", help="through this proxy, named in outer options; datagram by datagram")
    add("--proxy-key", metavar="FILE", help="and protected for it, with all its options")
    add("--outer", type=outer, action="append", default=[], metavar="NUMBER=HEX", help="an outer option")
    return parser.parse_args()


def main():
    options = arguments()
    if options.command == "server":
        asyncio.run(serve(options))
    elif options.collect is not None or options.again or options.proxy or options.outer or options.count:
        collect(options)
    else:
        asyncio.run(request(options))


if __name__ == "__main__":
    main()

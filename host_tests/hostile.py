"""Hostile datagrams for nodes with security: keys as the library has them, messages made with them, and altered ones.

Every message has a token of four bytes, so that its answer is known by it, and the next Message ID.
"""

import itertools
import json
import os
import struct
import subprocess
import sys

import peers
import secure_keys
import support
from groupcoap.oscore import aad, exchange, option
from groupcoap.oscore.context import Context
from groupcoap.oscore.ed25519 import Key
from groupcoap.oscore.exchange import Exchange
from groupcoap.oscore.group import DETERMINISTIC, Group, Member
from oscore_ends import Sequence, message, seal_request, writer
from peers import NON

OSCORE = 9
HEAD = 8  # bytes of header and token

# What a node answers, unprotected, to what it does not take (RFC 8613 §8.2); each with a Max-Age of 0
MALFORMED = "4.02", b"Failed to decode COSE"
UNKNOWN = "4.01", b"Security context not found"
REPLAYED = "4.01", b"Replay detected"
UNDECRYPTED = "4.00", b"Decryption failed"
REFUSALS = {MALFORMED, UNKNOWN, REPLAYED, UNDECRYPTED}
UNPROTECTED = "4.01", b"protection required"

PIECES = {"2.31", "4.00", "4.01", "4.02", "4.08", "4.13"}  # codes of what answers a piece

tokens = itertools.count(0x10000000)


def context(path, adjacent=False, number=0):
    """The OSCORE context of a file of keys."""
    entry = json.loads(path.read_text())["oscore"]
    found = {name: bytes.fromhex(entry[name]) for name in ("master_secret", "master_salt", "sender_id", "recipient_id")}
    return Context(entry["name"], sequence=Sequence(number), algorithm=entry["algorithm"], adjacent=adjacent, **found)


def group(path, number=0):
    """The group of a file of keys."""
    entry = json.loads(path.read_text())["group"]
    members = [Member(m["name"], bytes.fromhex(m["id"]), bytes.fromhex(m["credential"])) for m in entry["members"]]
    of_hex = ("gid", "master_secret", "master_salt", "sender_id", "credential", "manager_credential")
    found = {name: bytes.fromhex(entry[name]) for name in of_hex}
    more = {name: entry[name] for name in ("aead", "group_encryption", "signature", "key_agreement")}
    deterministic = entry["deterministic_id"]
    return Group(
        entry["name"],
        key=Key(bytes.fromhex(entry["private_key"])),
        members=members,
        sequence=Sequence(number),
        deterministic_id=deterministic and bytes.fromhex(deterministic),
        **found,
        **more,
    )


def member(group, name):
    """The Member of this name."""
    return next(each for each in group.members if each.name == name)


def checker(path, group):
    """Write a checker's file for this group, seen by one of its members."""
    own = {"name": "own", "id": group.sender_id.hex(), "credential": group.credential.hex()}
    others = [{"name": m.name, "id": m.id.hex(), "credential": m.credential.hex()} for m in group.members]
    return secure_keys.write(
        path,
        "checker",
        name=group.name,
        gid=group.gid.hex(),
        signature_encryption_key=group.signature_key.hex(),
        manager_credential=group.manager_credential.hex(),
        members=[own, *others],
    )


def plain(code="0.01", options=(), payload=b"", type=NON):
    """A message with the next token."""
    number = next(tokens)
    return peers.encode(type, code, number & 0xFFFF, number.to_bytes(4, "big"), options, payload)


def renewed(data, token=None):
    """This message with the next token, or that one, and the next Message ID."""
    number = next(tokens)
    token = token or number.to_bytes(4, "big")
    return data[:2] + (number & 0xFFFF).to_bytes(2, "big") + token + data[HEAD:]


def flips(data, start=HEAD, end=None, step=1):
    """Every message with one bit of data[start:end] flipped; step: or only every so many bits."""
    for bit in range(8 * start, 8 * (len(data) if end is None else end), step):
        altered = bytearray(data)
        altered[bit >> 3] ^= 1 << (bit & 7)
        yield bytes(altered)


def truncations(data):
    """Every message that this one begins with, from its token on."""
    for length in range(HEAD, len(data)):
        yield data[:length]


def apart(altered):
    """These datagrams as two lists, the second of those that read as a piece of a protected one (RFC 8613 §4.1.3.4.2).

    A flipped length makes options of what follows, some of it random: once in a while an outer Block1 or Block2, whose
    answer is one of `PIECES`.
    """
    kinds = [], []
    for data in altered:
        kinds[_is_piece(data)].append(data)
    return kinds


def _is_piece(data):
    try:
        numbers = {number for number, _ in peers.decode(data).options}
    except (AssertionError, IndexError, struct.error):
        return False
    return OSCORE in numbers and not numbers.isdisjoint((23, 27))


def parts(data):
    """(OSCORE option, other options, payload) of a message."""
    found = peers.decode(data)
    others = [pair for pair in found.options if pair[0] != OSCORE]
    return found.option(OSCORE), others, found.payload


def put_together(data, options, payload):
    """A message with the head of this one, with other options and another payload."""
    found = peers.decode(data)
    return peers.encode(found.type, found.code, found.mid, found.token, options, payload)


def in_a_piece(data):
    """This message as the only piece of itself, by an outer Block1: what takes pieces is made at the first one."""
    value, _, payload = parts(data)
    return put_together(data, [(OSCORE, value), (27, b"\6")], payload)


def with_value(data, value):
    """This message with another OSCORE option."""
    _, others, payload = parts(data)
    return put_together(data, [*others, (OSCORE, value)], payload)


def sealed_raw(context, plaintext):
    """(Exchange, datagram) of a request by a Context that holds these bytes, whatever they are."""
    piv = option.piv_bytes(context.sequence.take())
    head = plain("0.02", [(OSCORE, option.encode(piv, None, context.sender_id))], b"x")[:-1]
    buf = bytearray(head + plaintext + bytes(16))
    structure = aad.structure(context._start, context.sender_id, piv, b"")
    nonce = aad.nonce(context.common_iv, 13, context.sender_id, piv)
    end = context._seal.seal(nonce, structure, buf, len(head), len(plaintext))
    return Exchange(context, exchange.OSCORE, context.sender_id, piv), bytes(buf[:end])


def opened(exchange, data):
    """The plain response, as peers.Message; raises Rejected."""
    return peers.decode(uncovered(exchange, data))


def uncovered(exchange, data):
    """The datagram that a response is in this layer; raises Rejected."""
    opening = exchange.open(message(data))
    while not opening.step():
        pass
    out = writer()
    opening.finish(out)
    return out.message()


def run_node(config):
    """Run tools/node with a configuration that it is to refuse: its CompletedProcess."""
    environment = {**os.environ, "MICROPYTHON": support.micropython()}
    command = [sys.executable, support.REPO / "tools/node", config, "--heap", "512K"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)


class Hostile(peers.Peer):
    """A socket that sends datagrams no faster than the node takes them."""

    def answers(self, node, datagrams, slow=False):
        """The answer to each datagram that has one: {token: Message}. slow: every one has, and it may take a while."""
        found = {}
        batch = 3 if slow else 16
        datagrams = iter(datagrams)
        while some := list(itertools.islice(datagrams, batch)):
            for data in some:
                self.send_bytes(node, data)
            before = [self.expect() for _ in some] if slow else self.ping(node)
            for answer in before:
                assert answer.token not in found, "two answers to one request"
                found[answer.token] = answer
        return found

    def ask(self, node, data):
        """The raw answer to this request."""
        self.send_bytes(node, data)
        self.socket.settimeout(peers.ANSWER_S)
        while True:
            answer = self.socket.recv(2048)
            if answer[4:8] == data[4:8]:
                return answer


def told(answer):
    """(code, payload) of an answer that nobody has protected; an error of the protection must not be cached."""
    said = answer.code, answer.payload
    assert answer.option(OSCORE) is None
    assert said not in REFUSALS or answer.option(peers.MAX_AGE) == b"", answer
    return said


__all__ = ("DETERMINISTIC", "seal_request")

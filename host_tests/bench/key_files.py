"""Contexts made of the files of secure_keys.py, and plain messages for them, on MicroPython."""

import binascii
import json

from groupcoap import numbers as n
from groupcoap.message import Message, Writer
from groupcoap.oscore.context import Context
from groupcoap.oscore.ed25519 import Key
from groupcoap.oscore.group import Group, Member


class Sequence:
    def __init__(self):
        self.number = 0

    def take(self):
        self.number += 1
        return self.number - 1


class Maker:
    """Makes the contexts of the files in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def read(self, name):
        with open("%s/%s.json" % (self.folder, name)) as f:
            ((kind, table),) = json.load(f).items()
        for key, value in table.items():
            if isinstance(value, str) and key != "name":
                table[key] = binascii.unhexlify(value)
        table["sequence"] = Sequence()
        return table

    def context(self, name):
        return Context(**self.read(name))

    def group(self, name):
        table = self.read(name)
        table["key"] = Key(table.pop("private_key"))
        unhex = binascii.unhexlify
        table["members"] = [Member(m["name"], unhex(m["id"]), unhex(m["credential"])) for m in table["members"]]
        return Group(**table)


def plain(code, payload):
    out = Writer(bytearray(1280))
    out.begin(n.NON, code, 7, b"toke")
    if code < 32:
        out.option(n.URI_PATH, b"temp")
    out.payload(payload)
    return out.message()


def parsed(data):
    m = Message()
    m.parse(data, len(data))
    return m

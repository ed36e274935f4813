"""Wycheproof's vectors of Ed25519 and X25519, on any VM: how many there are, and the tcIds of those that differ."""

import json

from groupcoap.oscore.ed25519 import PublicKey, verify
from groupcoap.oscore.x25519 import x25519


def vectors(path):
    with open(path) as file:
        for group in json.load(file)["testGroups"]:
            for test in group["tests"]:
                yield group, test


def ed25519(path):
    count, differing = 0, []
    for group, test in vectors(path):
        public = PublicKey(bytes.fromhex(group["publicKey"]["pk"]))
        valid = verify(public, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
        count += 1
        if valid is not (test["result"] == "valid"):
            differing.append(test["tcId"])
    return count, differing


def agreements(path):
    count, differing = 0, []
    for _, test in vectors(path):
        expected = bytes.fromhex(test["shared"])
        try:
            secret = x25519(bytes.fromhex(test["private"]), bytes.fromhex(test["public"]))
        except ValueError:
            secret = None
        count += 1
        if secret != (expected if any(expected) else None):  # all zero: refused
            differing.append(test["tcId"])
    return count, differing

"""Holds AES-CCM and HKDF against Wycheproof's vectors, on CPython and on MicroPython: a list of what went otherwise.

As a program: symmetric_vectors.py FOLDER-OF-VECTORS prints {"ccm": [run, otherwise], "hkdf": [run, otherwise]} as JSON.
"""

import json
import sys
from binascii import hexlify, unhexlify


def ccm(path):
    """(how many vectors were run, [the tcId of each that went otherwise])."""
    from groupcoap.oscore.aead import Ccm

    run, otherwise = 0, []
    with open(path) as file:
        groups = json.load(file)["testGroups"]
    for group in groups:
        if group["keySize"] == 192:  # cryptolib has no such key
            continue
        for vector in group["tests"]:
            run += 1
            valid = vector["result"] == "valid"
            if not ccm_agrees(Ccm, vector, group, valid):
                otherwise.append(vector["tcId"])
    return run, otherwise


def ccm_agrees(Ccm, vector, group, valid):
    key, nonce, aad, plain, cipher, tag = [unhexlify(vector[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")]
    tag_length = group["tagSize"] // 8
    try:
        one = Ccm(key, tag_length, len(nonce))
    except ValueError:  # of all lengths that the vectors have, the right ones must be taken
        return not valid and (not 7 <= len(nonce) <= 13 or tag_length not in (4, 6, 8, 10, 12, 14, 16))
    margin = b"\xaa" * 3
    sealed = bytearray(margin + cipher + tag + margin)
    before = bytes(sealed)
    length = one.open(nonce, aad, sealed, 3, len(cipher) + tag_length)
    if not valid:
        return length == -1 and sealed == before
    if length != len(plain) or bytes(sealed) != margin + plain + tag + margin:
        return False
    end = one.seal(nonce, aad, sealed, 3, length)
    return end == 3 + len(cipher) + tag_length and bytes(sealed) == before


def hkdf(path):
    """(how many vectors were run, [the tcId of each that went otherwise])."""
    from groupcoap.oscore import kdf

    run, otherwise = 0, []
    with open(path) as file:
        groups = json.load(file)["testGroups"]
    for group in groups:
        for vector in group["tests"]:
            run += 1
            ikm, salt, info = [unhexlify(vector[name]) for name in ("ikm", "salt", "info")]
            try:
                result = hexlify(kdf.hkdf(salt, ikm, info, vector["size"])).decode()
            except ValueError:
                result = None
            if result != (vector["okm"] if vector["result"] == "valid" else None):
                otherwise.append(vector["tcId"])
    return run, otherwise


if __name__ == "__main__":
    folder = sys.argv[1]
    found = {"ccm": ccm(folder + "/wycheproof_aes_ccm.json"), "hkdf": hkdf(folder + "/wycheproof_hkdf_sha256.json")}
    print(json.dumps(found))

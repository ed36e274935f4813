"""Key files of a test: pairs of OSCORE contexts, and a group's members, with random secrets."""

import json
import secrets

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

AES_CCM_16_64_128 = 10
AES_CCM_16_128_128 = 30
A128CTR = -65534


def credential(public):
    """A CWT Claims Set whose key is the Ed25519 public key (RFC 8392, RFC 9053 §7.2)."""
    return cbor2.dumps({8: {1: {1: 1, 3: -8, -1: 6, -2: public}}}).hex()


def write(path, kind, **content):
    path.touch(0o600)
    path.write_text(json.dumps({kind: content}))
    return path


def oscore(folder, client, server, ids=("01", "02"), id_context=None, algorithm=AES_CCM_16_64_128):
    """Files of one OSCORE context: (the client's, which names the server; the server's, which names the client)."""
    common = {
        "master_secret": secrets.token_hex(16),
        "master_salt": secrets.token_hex(8),
        "id_context": id_context,
        "algorithm": algorithm,
    }
    at_client = {"name": server, "sender_id": ids[0], "recipient_id": ids[1]}
    at_server = {"name": client, "sender_id": ids[1], "recipient_id": ids[0]}
    return (
        write(folder / f"{client}-to-{server}.json", "oscore", **common, **at_client),
        write(folder / f"{server}-from-{client}.json", "oscore", **common, **at_server),
    )


def group(folder, ids, name="building", deterministic_id=None, **algorithms):
    """A file of each member of a group, by name; `ids` has their Sender IDs in hexadecimal by their names."""
    keys = {member: Ed25519PrivateKey.generate() for member in ids}
    members = [
        {"name": member, "id": id, "credential": credential(keys[member].public_key().public_bytes_raw())}
        for member, id in ids.items()
    ]
    common = {
        "name": name,
        "gid": secrets.token_hex(3),
        "master_secret": secrets.token_hex(16),
        "master_salt": secrets.token_hex(8),
        "manager_credential": credential(Ed25519PrivateKey.generate().public_key().public_bytes_raw()),
        "aead": AES_CCM_16_64_128,
        "group_encryption": AES_CCM_16_64_128,
        "signature": -8,
        "key_agreement": -27,
        "deterministic_id": deterministic_id,
        **algorithms,
    }
    return {
        own["name"]: write(
            folder / f"{name}-{own['name']}.json",
            "group",
            **common,
            sender_id=own["id"],
            private_key=keys[own["name"]].private_bytes_raw().hex(),
            credential=own["credential"],
            members=[other for other in members if other is not own],
        )
        for own in members
    }


def with_another_key(path):
    """A file like this member's, whose key is not the one that the others know."""
    entry, key = json.loads(path.read_text())["group"], Ed25519PrivateKey.generate()
    entry["private_key"] = key.private_bytes_raw().hex()
    entry["credential"] = credential(key.public_key().public_bytes_raw())
    return write(path.with_stem(path.stem + "-other"), "group", **entry)


def checker(*paths):
    """A file for who only checks the signatures of these members of one group."""
    entries = [json.loads(path.read_text())["group"] for path in paths]
    (entry, *_) = entries
    info = cbor2.dumps([b"", bytes.fromhex(entry["gid"]), entry["group_encryption"], "SEKey", 16])
    key = HKDF(SHA256(), 16, bytes.fromhex(entry["master_salt"]), info).derive(bytes.fromhex(entry["master_secret"]))
    kept = "name", "gid", "manager_credential", "aead", "group_encryption", "signature", "key_agreement"
    members = [
        {"name": path.stem.split("-")[-1], "id": found["sender_id"], "credential": found["credential"]}
        for path, found in zip(paths, entries, strict=True)
    ]
    content = {name: entry[name] for name in kept}
    path = paths[0].with_name(f"{entry['name']}-checker.json")
    return write(path, "checker", **content, signature_encryption_key=key.hex(), members=members)

"""How a node countersigns the end of an attempt; written from docs/design/receipt.md.

`self_test` checks it against the vector published there.
"""

from __future__ import annotations

import hashlib
import struct
import time
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DOMAIN = b"cortex/result/v1\0"
CUT_STDOUT, CUT_STDERR, FORGOTTEN = 1, 2, 4

_LAYOUT = struct.Struct(">17s 16s 16s 16s 16s I 32s B i 32s B Q 32s Q 32s q")
_KINDS = ["exited", "signalled", "value_json", "broken", "cancelled", "timed_out", "rejected", "interrupted"]


class Mandate(NamedTuple):
    """The signed order that an attempt answers."""

    hub: bytes
    node: bytes
    session: bytes
    task: bytes
    attempt: int
    envelope: bytes


class Transcript:
    """What an attempt has put out, hashed as it goes."""

    def __init__(self) -> None:
        self.streams = {stream: (hashlib.sha256(), [0]) for stream in ("stdout", "stderr")}
        self.flags = 0

    def add(self, stream: str, data: bytes) -> None:
        """Takes the next piece."""
        digest, length = self.streams[stream]
        digest.update(data)
        length[0] += len(data)


def statement(mandate: Mandate, response: Any, transcript: Transcript | None, at_ms: int) -> bytes:
    """The bytes that are signed; without a transcript the output is stated as forgotten."""
    field = response.WhichOneof("outcome")
    outcome = getattr(response, field)
    number, words = 0, b""
    if field == "exited":
        number = outcome.code
    elif field == "signalled":
        number = outcome.signal
    elif field in ("cancelled", "timed_out"):
        number = outcome.processes
    elif field == "rejected":
        words = outcome.rule.encode() + b"\0" + outcome.reason.encode()
    else:
        words = outcome if isinstance(outcome, bytes) else outcome.encode()
    flags = FORGOTTEN if transcript is None else transcript.flags
    output = []
    for digest, length in (transcript or Transcript()).streams.values():
        output += [length[0], digest.digest()]
    return _LAYOUT.pack(
        DOMAIN, mandate.hub, mandate.node, mandate.session, mandate.task, mandate.attempt,
        mandate.envelope, _KINDS.index(field) + 1, number, hashlib.sha256(words).digest(), flags,
        *output, at_ms,
    )  # fmt: skip


def countersign(
    key: Ed25519PrivateKey, mandate: Mandate, response: Any, transcript: Transcript | None
) -> dict[str, bytes]:
    """The fields of a `cortex.v1.Receipt`."""
    stated = statement(mandate, response, transcript, time.time_ns() // 1_000_000)
    return {"statement": stated, "signature": key.sign(stated)}


def chain_of(session: bytes) -> bytes:
    """The digest of a session's chain of receipts that has none yet."""
    purpose = b"cortex/receipts/v1"
    head = b"cortex/chain/v1\0" + struct.pack(">QQ", 0, len(purpose))
    return hashlib.sha256(head + purpose + session).digest()


def extend(count: int, before: bytes, stated: bytes, signature: bytes) -> bytes:
    """The chain's digest with one more receipt; `count` includes it."""
    head = b"cortex/chain/v1\0" + struct.pack(">Q", count) + before
    return hashlib.sha256(head + stated + signature).digest()


def vector() -> dict[str, str]:
    """The published vector, computed anew."""
    key = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
    hub, node, session, task = (bytes([byte]) * 16 for byte in (1, 2, 3, 4))
    transcript = Transcript()
    transcript.add("stdout", b"hello\n")

    class Exited:
        exited = type("Exited", (), {"code": 0})

        def WhichOneof(self, _: str) -> str:
            return "exited"

    mandate = Mandate(hub, node, session, task, 1, b"\xee" * 32)
    stated = statement(mandate, Exited(), transcript, 1_700_000_000_500)
    signature = key.sign(stated)
    return {
        "public": key.public_key().public_bytes_raw().hex(),
        "statement": stated.hex(),
        "sha256": hashlib.sha256(stated).hexdigest(),
        "signature": signature.hex(),
        "begin": chain_of(session).hex(),
        "chain": extend(1, chain_of(session), stated, signature).hex(),
    }


def self_test() -> None:
    """Checks the published vector."""
    wanted = {
        "sha256": "6c0e72244dce9905b5136bac3ffda89585da887dce4aa7af150a0d6d85bee881",
        "chain": "b2e9521458ff134f224fd5fa076150c8537dcd9f87ae44e1ada3031069d945a8",
    }
    found = vector()
    for name, value in wanted.items():
        if found[name] != value:
            raise AssertionError(f"{name}: found {found[name]}, wanted {value}")

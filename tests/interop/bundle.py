"""Trust bundles: which authorities and task keys count for a node, as the hub's anchor signed it.

Written from docs/design/bundle.md; `self_test` checks it against the vector published there.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

DOMAIN = b"cortex/bundle/v1\0"
MAX_KEYS = 8
MAX_CERTIFICATE_BYTES = 8 << 10

_HEAD = struct.Struct(">17s 16s 16s Q q")
_MEMBER = struct.Struct(">B q")


class Phase(IntEnum):
    """Where a key stands in its life."""

    PREPARED = 1
    ACTIVE = 2
    RETIRING = 3
    TAINTED = 4


class Trusted(NamedTuple):
    """A key or certificate; the end of its time is in milliseconds since 1970, or 0."""

    phase: Phase
    until_ms: int
    key: bytes

    def is_accepted(self, now_ms: int) -> bool:
        """Whether it counts now."""
        return self.phase != Phase.TAINTED or now_ms < self.until_ms


class Bundle(NamedTuple):
    """Whom one node trusts."""

    hub: bytes
    node: bytes
    serial: int
    issued_at: int
    authorities: tuple[Trusted, ...]
    task_keys: tuple[Trusted, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Bundle:
        """Reads the bytes; a ValueError where they are not exactly one bundle."""
        try:
            domain, *head = _HEAD.unpack_from(data)
            authorities, at = _members(data, _HEAD.size, None)
            task_keys, at = _members(data, at, 32)
        except (struct.error, IndexError) as error:
            raise ValueError("too short for a bundle") from error
        if domain != DOMAIN or at != len(data):
            raise ValueError("not a bundle of version 1")
        return cls(*head, authorities, task_keys)


def _members(data: bytes, at: int, length: int | None) -> tuple[tuple[Trusted, ...], int]:
    count, at = data[at], at + 1
    members = []
    for _ in range(count):
        (phase, until_ms), at = _MEMBER.unpack_from(data, at), at + _MEMBER.size
        size = length
        if size is None:
            (size,), at = struct.unpack_from(">I", data, at), at + 4
        if size > MAX_CERTIFICATE_BYTES or at + size > len(data):
            raise ValueError("a key is too long")
        members.append(Trusted(Phase(phase), until_ms, data[at : at + size]))
        at += size
    active = sum(member.phase == Phase.ACTIVE for member in members)
    if count > MAX_KEYS or active != 1:
        raise ValueError("not exactly one key is active")
    if any(member.until_ms and member.phase != Phase.TAINTED for member in members):
        raise ValueError("a key has an end that is not tainted")
    return tuple(members), at


def verify(
    data: bytes, signature: bytes, anchor: bytes, hub: bytes, node: bytes, held: Bundle | None
) -> Bundle:
    """Makes all checks in their order; a ValueError with the word of the first that fails."""
    try:
        Ed25519PublicKey.from_public_bytes(anchor).verify(signature, data)
    except InvalidSignature as error:
        raise ValueError("BAD_SIGNATURE") from error
    try:
        bundle = Bundle.from_bytes(data)
    except ValueError as error:
        raise ValueError("MALFORMED") from error
    if (bundle.hub, bundle.node) != (hub, node):
        raise ValueError("WRONG_ADDRESS")
    if held and bundle.serial <= held.serial and bundle != held:
        raise ValueError("OLDER")
    return bundle


def self_test() -> int:
    """Checks the published vector, each refusal, and that no flipped bit is accepted; counts the
    flips."""
    anchor = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
    public = anchor.public_key().public_bytes_raw()
    keys = [
        Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key().public_bytes_raw()
        for seed in (7, 6)
    ]
    hub, node = b"\x01" * 16, b"\x02" * 16
    data = _HEAD.pack(DOMAIN, hub, node, 4, 1_700_000_000_000)
    data += b"\x02" + _MEMBER.pack(2, 0) + b"\0\0\0\x03new"
    data += _MEMBER.pack(4, 1_700_172_800_000) + b"\0\0\0\x06former"
    data += b"\x02" + _MEMBER.pack(2, 0) + keys[0] + _MEMBER.pack(1, 0) + keys[1]
    signature = bytes.fromhex(
        "7f08518d8e2c06d7f506e2fff7f64636aa095b6e31e7aa61a5869f382c496741"
        "f7c85909714e9c88e8cad04a516d2ece50de81868bfe480e07ae0729f38e2407"
    )
    assert (len(data), anchor.sign(data)) == (184, signature)
    bundle = verify(data, signature, public, hub, node, None)
    assert [key.key for key in bundle.task_keys] == keys
    assert [one.is_accepted(1_700_172_800_000) for one in bundle.authorities] == [True, False]
    older = bundle._replace(serial=5)
    for arguments, code in [
        ((data, signature, keys[0], hub, node, None), "BAD_SIGNATURE"),
        ((data[:-1], anchor.sign(data[:-1]), public, hub, node, None), "MALFORMED"),
        ((data, signature, public, node, node, None), "WRONG_ADDRESS"),
        ((data, signature, public, hub, hub, None), "WRONG_ADDRESS"),
        ((data, signature, public, hub, node, older), "OLDER"),
        ((data, signature, public, hub, node, bundle), None),
    ]:
        assert _refusal(*arguments) == code, code
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert _refusal(bytes(flipped), signature, public, hub, node, None), f"bit {bit}"
    return len(data) * 8


def _refusal(*arguments) -> str | None:
    try:
        verify(*arguments)
    except ValueError as refusal:
        return str(refusal)
    return None

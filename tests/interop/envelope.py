"""What crosses the wire between hub and node and is no protobuf: ids, envelopes, proofs.

Written from docs/design/envelope.md; `self_test` checks it against the vector published there.
"""

from __future__ import annotations

import hashlib
import struct
from enum import IntEnum
from typing import Mapping, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

DOMAIN = b"cortex/task/v1\0"
CLOCK_SKEW_MS = 30_000
MAX_LIFE_MS = 600_000
MAX_TYPE_BYTES = 128

_HEAD = struct.Struct(">15s B 8s 16s 16s 16s Q 16s I Q q q 16s 32s I")
_TAIL = struct.Struct(">Q 32s")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Kind(IntEnum):
    """What a signed message is about."""

    TASK = 1
    CANCEL = 2
    POLICY = 3
    FILE_OP = 4
    CONTROL = 5
    INPUT = 6


class Refusal(Exception):
    """Why a signed message is not obeyed.

    `proven` holds the envelope where its signature and its address were right: only then does the
    hub deserve an answer.
    """

    def __init__(self, code: str, proven: Envelope | None = None):
        super().__init__(code)
        self.code = code
        self.proven = proven


class Envelope(NamedTuple):
    """One message from hub to node, as it is signed; times are in milliseconds since 1970."""

    kind: Kind
    key: bytes
    hub: bytes
    node: bytes
    session: bytes
    epoch: int
    task: bytes
    attempt: int
    sequence: int
    issued_at: int
    expires_at: int
    nonce: bytes
    policy: bytes
    payload_type: str
    payload_len: int
    payload_digest: bytes

    def to_bytes(self) -> bytes:
        """The bytes that are signed."""
        payload_type = self.payload_type.encode()
        head = _HEAD.pack(DOMAIN, *self[:13], len(payload_type))
        return head + payload_type + _TAIL.pack(*self[14:])

    @classmethod
    def from_bytes(cls, data: bytes) -> Envelope:
        """Reads the bytes back; a ValueError where they are not exactly one envelope."""
        if len(data) < _HEAD.size + _TAIL.size:
            raise ValueError("too short for an envelope")
        domain, kind, *head, type_len = _HEAD.unpack_from(data)
        if domain != DOMAIN or type_len > MAX_TYPE_BYTES:
            raise ValueError("not an envelope of version 1")
        if len(data) != _HEAD.size + type_len + _TAIL.size:
            raise ValueError("the length does not fit")
        payload_type = data[_HEAD.size : _HEAD.size + type_len].decode()
        return cls(Kind(kind), *head, payload_type, *_TAIL.unpack(data[-_TAIL.size :]))


class Expected(NamedTuple):
    """What the node knows and an envelope must agree with."""

    keys: Mapping[bytes, Ed25519PublicKey]
    hub: bytes
    node: bytes
    epoch: int
    last_sequence: int
    policy: bytes
    now_ms: int


def key_id(public: bytes) -> bytes:
    """The name of a signing key."""
    return hashlib.sha256(public).digest()[:8]


def verify(envelope: bytes, signature: bytes, payload: bytes, expected: Expected) -> Envelope:
    """Makes all checks in their order on raw bytes; after that the payload may be decoded."""
    try:
        told = Envelope.from_bytes(envelope)
    except ValueError as error:
        raise Refusal("MALFORMED") from error
    key = expected.keys.get(told.key)
    if key is None:
        raise Refusal("UNKNOWN_KEY")
    try:
        key.verify(signature, envelope)
    except InvalidSignature as error:
        raise Refusal("BAD_SIGNATURE") from error
    if (told.hub, told.node) != (expected.hub, expected.node):
        raise Refusal("WRONG_ADDRESS")
    if told.epoch != expected.epoch:
        raise Refusal("FENCED", told)
    if told.sequence <= expected.last_sequence:
        raise Refusal("REPLAY", told)
    life_is_sane = 0 < told.expires_at - told.issued_at <= MAX_LIFE_MS
    earliest, latest = told.issued_at - CLOCK_SKEW_MS, told.expires_at + CLOCK_SKEW_MS
    if not (life_is_sane and earliest <= expected.now_ms <= latest):
        raise Refusal("CLOCK_SKEW", told)
    if told.kind == Kind.TASK and told.policy != expected.policy:
        raise Refusal("POLICY_STALE", told)
    if (told.payload_len, told.payload_digest) != (len(payload), hashlib.sha256(payload).digest()):
        raise Refusal("PAYLOAD_MISMATCH", told)
    return told


def format_id(prefix: str, data: bytes) -> str:
    """The text form of 16 bytes: the prefix, `_`, and 26 characters of Crockford's base32."""
    value = int.from_bytes(data, "big")
    digits = (_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{''.join(digits)}"


def parse_id(prefix: str, text: str) -> bytes:
    """The 16 bytes of an id's text form; a ValueError where it is none of this prefix."""
    suffix = text.removeprefix(f"{prefix}_")
    value = 0
    for character in suffix:
        value = value << 5 | _ALPHABET.index(character)
    if len(suffix) != 26 or suffix == text or value >> 128:
        raise ValueError(f"{text!r} is no id with the prefix {prefix}_")
    return value.to_bytes(16, "big")


def enrolment_proof(
    hub: bytes, invite: bytes, challenge: bytes, csr: bytes, identity: bytes, host_name: str
) -> bytes:
    """What the identity key signs to enrol."""
    csr_digest, name = hashlib.sha256(csr).digest(), host_name.encode()
    head = b"cortex/enroll/v1\0" + hub + invite + challenge + csr_digest + identity
    return head + struct.pack(">I", len(name)) + name


def token_proof(hub: bytes, node: bytes, challenge: bytes) -> bytes:
    """What the identity key signs to get an access token."""
    return b"cortex/token/v1\0" + hub + node + challenge


def stream_proof(hub: bytes, node: bytes, nonce: bytes, boot: bytes, generation: int) -> bytes:
    """What the identity key signs to open a control stream."""
    return b"cortex/session/v1\0" + hub + node + nonce + boot + struct.pack(">Q", generation)


def self_test() -> int:
    """Checks the published vector, each refusal, and that no flipped bit is accepted; counts the
    flips."""
    key, payload = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32), bytes.fromhex("0a026c7312022d6c")
    public = key.public_key().public_bytes_raw()
    _same(public.hex(), "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c")
    _same(key_id(public).hex(), "fe812c12f3ab4ce6")
    hub, node, session, task = (bytes([byte]) * 16 for byte in (1, 2, 3, 4))
    policy, digest = b"\xaa" * 32, hashlib.sha256(payload).digest()
    told = Envelope(
        Kind.TASK, key_id(public), hub, node, session, 5, task, 1, 42, 1_700_000_000_000,
        1_700_000_060_000, b"\x09" * 16, policy, "cortex.v1.ShellTask", len(payload), digest,
    )  # fmt: skip
    data = told.to_bytes()
    signature = key.sign(data)
    _same(len(data), 235)
    _same(
        hashlib.sha256(data).hexdigest(),
        "987c78a396afc649ffc7fa557e5befd13deb2011c9e543f84a167c5f91f9623b",
    )
    _same(
        signature.hex(),
        "65bc4b1ce62f75aea54bb29b479634f25be45a7a7c68c2cc97d056f6bf82fa10"
        "55c4b5813b686e9c64422e5ea39c65e7ecac562d319a7b91caa9ba2d96d9c807",
    )
    keys = {key_id(public): key.public_key()}
    expected = Expected(keys, hub, node, 5, 41, policy, 1_700_000_000_000)
    _same(verify(data, signature, payload, expected), told)
    for change, code in [
        ({"keys": {}}, "UNKNOWN_KEY"),
        ({"hub": node}, "WRONG_ADDRESS"),
        ({"node": hub}, "WRONG_ADDRESS"),
        ({"epoch": 6}, "FENCED"),
        ({"last_sequence": 42}, "REPLAY"),
        ({"now_ms": told.issued_at - CLOCK_SKEW_MS - 1}, "CLOCK_SKEW"),
        ({"now_ms": told.expires_at + CLOCK_SKEW_MS + 1}, "CLOCK_SKEW"),
        ({"policy": digest}, "POLICY_STALE"),
    ]:
        _same(_refusal(data, signature, payload, expected._replace(**change)), code)
    _same(_refusal(data[:-1], signature, payload, expected), "MALFORMED")
    _same(_refusal(data, signature[::-1], payload, expected), "BAD_SIGNATURE")
    _same(_refusal(data, signature, payload + b"\0", expected), "PAYLOAD_MISMATCH")
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        if _refusal(bytes(flipped), signature, payload, expected) is None:
            raise AssertionError(f"bit {bit} was flipped and nobody noticed")
    _same(format_id("nod", node), "nod_02081040g2081040g2081040g2")
    _same(parse_id("nod", format_id("nod", node)), node)
    return len(data) * 8


def _refusal(*arguments) -> str | None:
    try:
        verify(*arguments)
    except Refusal as refusal:
        return refusal.code
    return None


def _same(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")

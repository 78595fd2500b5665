"""Who the node belongs to: the hub of its node.yaml, and its own identity."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import bundle
from envelope import enrolment_proof, parse_id, token_proof
from protocol import PB

VERSION = "python-1"
CALL_TIMEOUT = 20
MAX_MESSAGE_BYTES = 4 << 20
log = logging.getLogger("node")


def write_new(path: Path, data: bytes) -> None:
    """Makes a file for its owner only; once this returns, it survives a crash.

    The content is there in whole or not at all. A FileExistsError where the file exists.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        os.link(draft, path)
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class HubConfig(NamedTuple):
    """Where the hub is, how to know it, and what to enrol with."""

    id: bytes
    address: str
    server_name: str
    authorities: bytes
    anchor: bytes
    invite: str

    @classmethod
    def load(cls, path: Path) -> HubConfig:
        """Reads a node.yaml; only authorities whose key is pinned are kept."""
        written = yaml.safe_load(path.read_text())
        hub = written["hub"]
        pins = {bytes.fromhex(pin) for pin in hub["ca_spki_sha256"]}
        certificates = x509.load_pem_x509_certificates(hub["ca_pem"].encode())
        pinned = [one.public_bytes(Encoding.PEM) for one in certificates if _spki_digest(one) in pins]
        if not pinned:
            raise SystemExit("no certificate in hub.ca_pem has a key that hub.ca_spki_sha256 pins")
        address = f"{hub['server_host']}:{hub['grpc_port']}"
        anchor, invite = bytes.fromhex(hub["trust_anchor"]), written.get("invite", "")
        known = (address, hub["server_name"], b"".join(pinned), anchor, invite)
        return cls(parse_id("hub", hub["id"]), *known)

    def dial(self, authorities: bytes) -> grpc.aio.Channel:
        """A channel that speaks only to a hub whose certificate one of these authorities signed."""
        options = [
            ("grpc.ssl_target_name_override", self.server_name),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 10_000),
        ]
        credentials = grpc.ssl_channel_credentials(root_certificates=authorities)
        return grpc.aio.secure_channel(self.address, credentials, options)


def _spki_digest(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()


class Identity:
    """The node's key and what it is enrolled as; both stay in the data directory."""

    def __init__(self, folder: Path, hub: HubConfig):
        self.hub, self._member_file = hub, folder / "member.json"
        self._bundle_file = folder / "trust.bundle"
        key_file = folder / "identity.key"
        if not key_file.exists():
            write_new(key_file, secrets.token_bytes(32))
        self.key = Ed25519PrivateKey.from_private_bytes(key_file.read_bytes())
        self.member = None
        if self._member_file.exists():
            self.member = json.loads(self._member_file.read_text())
        self.bundle = None
        if self._bundle_file.exists():
            kept = self._bundle_file.read_bytes()
            self.bundle = bundle.verify(kept[64:], kept[:64], hub.anchor, hub.id, self.node, None)

    def trust(self, told: Any) -> bool:
        """Trusts what a bundle says and keeps it, unless that is the case already."""
        known = (self.hub.anchor, self.hub.id, self.node, self.bundle)
        newest = bundle.verify(told.bundle, told.signature, *known)
        if newest == self.bundle:
            return False
        draft = self._bundle_file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        write_new(draft, told.signature + told.bundle)
        draft.replace(self._bundle_file)
        self.bundle = newest
        return True

    def authorities(self) -> bytes:
        """Those whose signature on the hub's certificate counts now, as PEM."""
        if self.bundle is None:
            return self.hub.authorities
        now_ms = time.time_ns() // 1_000_000
        good = [one.key for one in self.bundle.authorities if one.is_accepted(now_ms)]
        certificates = map(x509.load_der_x509_certificate, good)
        return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)

    def task_keys(self) -> list[bytes]:
        """The keys that may sign for the node now."""
        if self.bundle is None:
            return [bytes.fromhex(key) for key in self.member["task_keys"]]
        now_ms = time.time_ns() // 1_000_000
        return [one.key for one in self.bundle.task_keys if one.is_accepted(now_ms)]

    @property
    def node_id(self) -> str:
        """The node's id in text."""
        return self.member["node"]

    @property
    def node(self) -> bytes:
        """The 16 bytes of the node's id."""
        return parse_id("nod", self.node_id)

    async def enrol(self, channel: grpc.aio.Channel) -> None:
        """Uses the invite, unless that was done. The key is on disk before, so that a repeat
        after a lost answer makes the same node."""
        if self.member is not None:
            return
        version, invite, secret = self.hub.invite.split(".")
        if version != "cxi1":
            raise SystemExit("node.yaml has an invite of an unknown version")
        stub, host_name = PB.EnrollmentServiceStub(channel), socket.gethostname()
        ask = PB.BeginEnrollmentRequest(invite_id=invite)
        begun = await stub.BeginEnrollment(ask, timeout=CALL_TIMEOUT)
        if parse_id("hub", begun.hub_id) != self.hub.id:
            raise SystemExit("this is another hub than the one in node.yaml")
        public = self.key.public_key().public_bytes_raw()
        proof = enrolment_proof(
            self.hub.id, parse_id("inv", invite), begun.challenge, b"", public, host_name
        )
        request = PB.FinishEnrollmentRequest(
            invite_id=invite,
            secret=base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4)),
            challenge=begun.challenge,
            identity_key=public,
            signature=self.key.sign(proof),
            host_name=host_name,
            version=VERSION,
        )
        done = await stub.FinishEnrollment(request, timeout=CALL_TIMEOUT)
        keys = [key.hex() for key in done.task_keys]
        self.member = {"node": done.node_id, "generation": done.generation, "task_keys": keys}
        write_new(self._member_file, json.dumps(self.member).encode())
        log.info("enrolled as %s, %s", done.node_name, done.node_id)

    def erase(self) -> None:
        """The hub has removed this node: nothing of it stays."""
        for name in ("member.json", "identity.key", "trust.bundle"):
            self._member_file.with_name(name).unlink(missing_ok=True)

    async def token(self, channel: grpc.aio.Channel) -> str:
        """A new access token, good for some minutes."""
        stub = PB.TokenServiceStub(channel)
        ask = PB.RequestChallengeRequest(node_id=self.node_id)
        challenge = (await stub.RequestChallenge(ask, timeout=CALL_TIMEOUT)).challenge
        signature = self.key.sign(token_proof(self.hub.id, self.node, challenge))
        prove = PB.IssueTokenRequest(
            node_id=self.node_id, challenge=challenge, signature=signature
        )
        return (await stub.IssueToken(prove, timeout=CALL_TIMEOUT)).access_token

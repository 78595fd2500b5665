#!/usr/bin/env python3
"""A Cortex node in another language, written from the .proto files and docs/design.

It enrols with the invite of a node.yaml, keeps the control stream open, and runs programs with
arguments inside the hub's policy; it has no command lines, no skills and no policy of its own. It
follows when the hub replaces its keys, as long as it knows the authority when it dials.
Linux, Python 3.11; `scripts/setup` installs what it imports.

`envelope.py` and `bundle.py` have what is signed, `receipt.py` what the node countersigns, `member.py` who the node is,
`attempt.py` what it runs; here is
its life: connect, obey what is verified, report until it is stored.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import logging
import os
import platform
import random
import secrets
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import DecodeError

import bundle
from attempt import Attempt
from envelope import Envelope, Expected, Kind, Refusal, format_id, key_id, self_test, stream_proof, verify
from member import CALL_TIMEOUT, VERSION, HubConfig, Identity, write_new
from protocol import PB
from receipt import Mandate, countersign
from receipt import self_test as receipt_self_test

POLICY_TYPE, TASK_TYPE = "cortex.v1.SandboxPolicy", "cortex.v1.TaskRequest"
BUNDLE_TYPE = "cortex.v1.TrustBundle"
CONTROL_TYPE = "cortex.v1.ControlRequest"
AFTER_RESTART = (1 << 63) - 1  # The report's number, as envelope.md says.
BATCH_REPORTS, BATCH_BYTES = 256, 512 << 10
LAST_ACKS = 5
FOR_EVER = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)
log = logging.getLogger("node")


class Node:
    """One run of a node; `limit` ends it after so many acknowledged tasks."""

    def __init__(self, identity: Identity, folder: Path, limit: int | None):
        self.identity, self.hub, self.limit = identity, identity.hub, limit
        self.workspace, self.journal = folder / "workspace", folder / "journal"
        self.workspace.mkdir(exist_ok=True)
        self.journal.mkdir(exist_ok=True)
        self.boot = secrets.token_bytes(16)
        self.epoch = self.last_sequence = self.settled = 0
        self.policy, self.policy_digest = PB.SandboxPolicy(), bytes(32)
        self.attempts: dict[tuple[str, int], Attempt] = {}
        self.running: set[asyncio.Task] = set()
        self.news, self.idle, self.stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.idle.set()
        for entry in self.journal.glob("tsk_*"):
            hub, node, session, task, number, envelope = entry.read_text().split()
            ids = [bytes.fromhex(text) for text in (hub, node, session, task)]
            attempt = self.admit(Mandate(*ids, int(number), bytes.fromhex(envelope)))
            attempt.started, attempt.sequence = True, AFTER_RESTART - 1
            attempt.transcript = None
            attempt.end(interrupted="the node was restarted while it ran")

    async def run(self) -> None:
        """Connects again and again, with back-off, until the node is to stop."""
        delay = 0.5
        while not self.stopping.is_set():
            try:
                async with self.hub.dial(self.identity.authorities()) as channel:
                    await self.identity.enrol(channel)
                    await self.converse(channel)
                delay = 0.5
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, OSError) as error:
                if self.stopping.is_set():
                    break
                status = error if isinstance(error, grpc.aio.AioRpcError) else None
                if status and status.code() in FOR_EVER:
                    raise SystemExit(f"the hub refuses this node: {status.details()}") from error
                log.warning("not connected: %s", status.details() if status else error)
                stopped = asyncio.ensure_future(self.stopping.wait())
                await asyncio.wait({stopped}, timeout=random.uniform(0, delay))
                stopped.cancel()
                delay = min(30, delay * 2)

    async def converse(self, channel: grpc.aio.Channel) -> None:
        """One control stream from its token to its end."""
        metadata = (("authorization", f"Bearer {await self.identity.token(channel)}"),)
        stub = PB.AgentOrchestratorStub(channel)
        configuration = await stub.SyncConfiguration(
            PB.RegistrationRequest(
                node_id=self.identity.node_id, version=VERSION, boot_id=self.boot,
                capabilities=capabilities(),
            ),
            metadata=metadata, timeout=CALL_TIMEOUT,
        )  # fmt: skip
        self.identity.trust(configuration.bundle)
        self.configure(configuration.policy)
        stream = stub.TaskStream(metadata=metadata)
        nonce = (await expect(stream, "challenge")).nonce
        generation = self.identity.member["generation"]
        proof = stream_proof(self.hub.id, self.identity.node, nonce, self.boot, generation)
        signature = self.identity.key.sign(proof)
        prove = PB.StreamProof(boot_id=self.boot, generation=generation, signature=signature)
        await stream.write(PB.NodeMessage(proof=prove))
        opened = await expect(stream, "opened")
        self.epoch, self.last_sequence = opened.epoch, 0
        self.identity.trust(opened.bundle)
        known = [
            PB.AttemptStatus(task_id=task_id, attempt=number, started=attempt.started)
            for (task_id, number), attempt in self.attempts.items()
        ]
        await stream.write(PB.NodeMessage(inventory=PB.Inventory(attempts=known)))
        log.info("online as %s, epoch %d", configuration.node_name, self.epoch)
        beats = stub.ReportHealth(metadata=metadata)
        work = [
            self.read(stream),
            self.send(stream),
            self.beat(beats, configuration.heartbeat_interval_ms / 1000),
            self.leave(stream),
        ]
        tasks = [asyncio.create_task(part) for part in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def read(self, stream: Any) -> None:
        """Takes what comes down."""
        while (message := await stream.read()) is not grpc.aio.EOF:
            body = message.WhichOneof("body")
            if body == "signed":
                self.obey(message.signed)
            elif body == "ack":
                self.settle(message.ack)
            elif body == "closing":
                raise ConnectionError(message.closing.message)
        raise ConnectionError("the hub ended the stream")

    async def send(self, stream: Any) -> None:
        """Sends each report once on this stream, and which trust bundle the node has; what is not
        acknowledged goes up the next one."""
        sent: dict[tuple[str, int], int] = {}
        adopted = None
        while True:
            self.news.clear()
            if adopted != self.identity.bundle:
                adopted = self.identity.bundle
                told = PB.TrustAdopted(serial=adopted.serial)
                await stream.write(PB.NodeMessage(adopted=told))
            batch, size = [], 0
            for key, attempt in self.attempts.items():
                for report in attempt.reports:
                    if report.sequence <= sent.get(key, 0):
                        continue
                    if len(batch) == BATCH_REPORTS or size > BATCH_BYTES:
                        break
                    batch.append(report)
                    size += report.ByteSize()
                    sent[key] = report.sequence
            if batch:
                await stream.write(PB.NodeMessage(reports=PB.ReportBatch(reports=batch)))
            else:
                sent = {key: sequence for key, sequence in sent.items() if key in self.attempts}
                await self.news.wait()

    async def beat(self, call: Any, interval: float) -> None:
        """A heartbeat at once, then one an interval; each is acknowledged."""
        before, sequence = processor_times(), 0
        while True:
            now, sequence = processor_times(), sequence + 1
            busy, total = now[0] - before[0], now[1] - before[1]
            beat = health(100 * busy / total if total else 0)
            beat.node_id, beat.epoch, beat.sequence = self.identity.node_id, self.epoch, sequence
            beat.tasks_running, before = len(self.running), now
            await call.write(beat)
            if await call.read() is grpc.aio.EOF:
                raise ConnectionError("the hub takes no more heartbeats")
            await asyncio.sleep(interval)

    async def leave(self, stream: Any) -> None:
        """When the node is to stop: ends what runs, waits for acknowledgements, says goodbye."""
        await self.stopping.wait()
        for attempt in self.attempts.values():
            attempt.ask_to_stop("interrupted")
        while self.running:
            await asyncio.wait(self.running)
        acknowledged = asyncio.ensure_future(self.idle.wait())
        await asyncio.wait({acknowledged}, timeout=LAST_ACKS)
        acknowledged.cancel()
        await stream.write(PB.NodeMessage(leaving=PB.Leaving(reason="the node was stopped")))
        await stream.done_writing()

    def configure(self, sealed: Any) -> None:
        """Puts the policy of the configuration in force: epoch 0, sequence 1."""
        try:
            told = self.verify(sealed, 0, 0)
        except Refusal as refusal:
            raise ConnectionError(f"the hub's policy is refused: {refusal.code}") from refusal
        if told.kind != Kind.POLICY:
            raise ConnectionError("the hub's configuration holds no policy")
        self.adopt(told, sealed.payload)

    def adopt(self, told: Envelope, payload: bytes) -> None:
        """Tasks must be planned against exactly these bytes from now on."""
        if told.payload_type != POLICY_TYPE:
            raise ConnectionError(f"the hub's policy is a {told.payload_type}")
        self.policy = PB.SandboxPolicy.FromString(payload)
        self.policy_digest = hashlib.sha256(payload).digest()

    def verify(self, sealed: Any, epoch: int, last_sequence: int) -> Envelope:
        """Verifies raw bytes; nothing of the payload is decoded before."""
        public = self.identity.task_keys()
        keys = {key_id(key): Ed25519PublicKey.from_public_bytes(key) for key in public}
        now_ms = time.time_ns() // 1_000_000
        expected = Expected(
            keys, self.hub.id, self.identity.node, epoch, last_sequence, self.policy_digest, now_ms
        )
        return verify(sealed.envelope, sealed.signature, sealed.payload, expected)

    def obey(self, sealed: Any) -> None:
        """Does what a message of the stream asks for, if everything about it is right."""
        try:
            told = self.verify(sealed, self.epoch, self.last_sequence)
        except Refusal as refusal:
            log.warning("refused: %s", refusal.code)
            if refusal.proven and refusal.proven.kind == Kind.TASK and refusal.proven.attempt:
                words = "the signed message does not fit"
                self.reject(refusal.proven, sealed.envelope, refusal.code, words)
            return
        self.last_sequence = told.sequence
        key = attempt_key(told)
        if told.kind == Kind.POLICY:
            self.adopt(told, sealed.payload)
        elif told.kind == Kind.CANCEL and key in self.attempts:
            self.attempts[key].ask_to_stop("cancelled")
        elif told.kind == Kind.CONTROL and told.payload_type == CONTROL_TYPE:
            self.control(PB.ControlRequest.FromString(sealed.payload))
        elif told.kind == Kind.TASK and key not in self.attempts and told.attempt:
            self.start(told, sealed)
        elif told.kind == Kind.CONTROL and told.payload_type == BUNDLE_TYPE:
            if self.identity.trust(PB.TrustBundle.FromString(sealed.payload)):
                self.news.set()

    def control(self, order: Any) -> None:
        """The node was locked or removed: everything ends at once; a removed one erases itself."""
        for attempt in self.attempts.values():
            attempt.kill()
        if order.action == PB.ControlRequest.ACTION_DEREGISTER:
            self.identity.erase()
            raise SystemExit(f"the hub has removed this node: {order.reason}")

    def mandate(self, told: Envelope, envelope: bytes) -> Mandate:
        """What a receipt will say that it answers."""
        digest = hashlib.sha256(envelope).digest()
        return Mandate(told.hub, told.node, told.session, told.task, told.attempt, digest)

    def start(self, told: Envelope, sealed: Any) -> None:
        """Decodes a verified task, writes it down, and starts it."""
        key, session = attempt_key(told), format_id("ses", told.session)
        mandate = self.mandate(told, sealed.envelope)
        try:
            order = PB.TaskRequest.FromString(sealed.payload)
        except DecodeError as error:
            return self.reject(told, sealed.envelope, "BAD_TASK", str(error))
        if told.payload_type != TASK_TYPE or (order.task_id, order.session_id) != (key[0], session):
            words = "type, task or session are not the envelope's"
            return self.reject(told, sealed.envelope, "BAD_TASK", words)
        if self.stopping.is_set():
            return self.reject(told, sealed.envelope, "NODE_LEAVING", "the node is shutting down")
        hub, node, ses, tsk, number, digest = mandate
        noted = [hub.hex(), node.hex(), ses.hex(), tsk.hex(), str(number), digest.hex()]
        write_new(self.journal / f"{key[0]}.{key[1]}", " ".join(noted).encode())
        task = asyncio.create_task(self.admit(mandate).run(order, self.policy, self.workspace))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def reject(self, told: Envelope, envelope: bytes, rule: str, reason: str) -> None:
        """Tells the hub that an attempt does not start here; one that is known goes on."""
        key = attempt_key(told)
        if key not in self.attempts:
            self.admit(self.mandate(told, envelope)).end(rejected=PB.Rejected(rule=rule, reason=reason))

    def admit(self, mandate: Mandate) -> Attempt:
        """Begins to keep an attempt's reports."""
        self.idle.clear()
        key = (format_id("tsk", mandate.task), mandate.attempt)
        sign = functools.partial(countersign, self.identity.key, mandate)
        self.attempts[key] = Attempt(*key, self.news, sign)
        return self.attempts[key]

    def settle(self, acks: Any) -> None:
        """Forgets what the hub has stored."""
        for ack in acks.attempts:
            key = (ack.task_id, ack.attempt)
            if key in self.attempts and self.attempts[key].acknowledge(ack.sequence):
                del self.attempts[key]
                (self.journal / f"{key[0]}.{key[1]}").unlink(missing_ok=True)
                self.settled += 1
        if not self.attempts:
            self.idle.set()
        if self.limit is not None and self.settled >= self.limit:
            self.stopping.set()


def attempt_key(told: Envelope) -> tuple[str, int]:
    """The task's id in text, and the attempt."""
    return format_id("tsk", told.task), told.attempt


async def expect(stream: Any, field: str) -> Any:
    """The next message of the handshake, which must be this one."""
    message = await asyncio.wait_for(stream.read(), CALL_TIMEOUT)
    if message is grpc.aio.EOF or message.WhichOneof("body") != field:
        raise ConnectionError(f"the hub did not send {field}")
    return getattr(message, field)


def capabilities() -> Any:
    """What this machine has, as far as Python's library knows."""
    pages, uname = os.sysconf("SC_PHYS_PAGES"), platform.uname()
    system = PB.OperatingSystem(name=uname.system, family="linux")
    return PB.Capabilities(
        os=system, kernel=uname.release, arch=uname.machine, cores=os.cpu_count() or 1,
        memory_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        skills=[PB.SkillInfo(name="shell", version=VERSION)],
        labels={"language": "python"},
    )  # fmt: skip


def processor_times() -> tuple[int, int]:
    """Busy and total time of all cores since the machine started."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def health(cpu_percent: float) -> Any:
    """This machine's load, without what only the node knows."""
    page, disk = os.sysconf("SC_PAGE_SIZE"), shutil.disk_usage(".")
    total, free = os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    return PB.Heartbeat(
        cpu_usage_percent=cpu_percent, memory_used_bytes=total - free, memory_total_bytes=total,
        disk_free_bytes=disk.free, disk_total_bytes=disk.total, load_one=os.getloadavg()[0],
    )  # fmt: skip


async def serve(arguments: argparse.Namespace) -> None:
    """Runs the node until it is told to stop or has done its tasks."""
    folder = arguments.data_dir.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = Identity(folder, HubConfig.load(arguments.config))
    node = Node(identity, folder, arguments.tasks)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, node.stopping.set)
    await node.run()


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--config", type=Path, help="the node.yaml of `invite create`")
    parser.add_argument("--data-dir", type=Path, help="where key, journal and workspace live")
    parser.add_argument("--tasks", type=int, help="stop after this many acknowledged tasks")
    parser.add_argument("--self-test", action="store_true", help="check the published vector")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    if arguments.self_test:
        receipt_self_test()
        print(f"the vectors hold; {self_test()} and {bundle.self_test()} flipped bits refused")
    elif arguments.config and arguments.data_dir:
        asyncio.run(serve(arguments))
    else:
        parser.error("--config and --data-dir are needed")


if __name__ == "__main__":
    main()

"""One attempt: whether the policy lets its program start, the program's run, and its reports."""

from __future__ import annotations

import asyncio
import os
import posixpath
import re
import shutil
import signal
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from protocol import PB
from receipt import CUT_STDERR, CUT_STDOUT, Transcript

CHUNK_BYTES = 64 << 10
UNSTORED_BYTES = 4 << 20  # Output that waits for the hub; with more, the program waits.


class Rejection(Exception):
    """The policy refuses a program; names the rule."""

    def __init__(self, rule: str, reason: str):
        super().__init__(reason)
        self.rule, self.reason = rule, reason


class Attempt:
    """One attempt, and its reports until the hub has stored them."""

    def __init__(self, task_id: str, attempt: int, news: asyncio.Event, countersign: Any):
        self.transcript, self._countersign = Transcript(), countersign
        self.key, self.started, self.ended = (task_id, attempt), False, False
        self.reports: deque = deque()
        self.sequence = self._waiting = 0
        self._offsets = {PB.OUTPUT_STREAM_STDOUT: 0, PB.OUTPUT_STREAM_STDERR: 0}
        self._news, self._stored, self._stop = news, asyncio.Event(), asyncio.Event()
        self._stop_word, self._grace = "", None

    def end(self, **outcome: Any) -> None:
        """Reports the end; nothing follows."""
        self.ended = True
        response = PB.TaskResponse(**outcome)
        receipt = self._countersign(response, self.transcript)
        response.receipt.CopyFrom(PB.Receipt(**receipt))
        self._report(response=response)

    def kill(self) -> None:
        """Ends the program without any grace: the node was locked or removed."""
        self._grace = 0.0
        self.ask_to_stop("interrupted")

    def ask_to_stop(self, word: str) -> None:
        """Asks the program to end: "cancelled" or "interrupted"; the first word counts."""
        self._stop_word = self._stop_word or word
        self._stop.set()

    def acknowledge(self, sequence: int) -> bool:
        """Forgets what is stored; says whether that was all."""
        while self.reports and self.reports[0].sequence <= sequence:
            self._waiting -= self.reports.popleft().ByteSize()
        self._stored.set()
        return self.ended and not self.reports

    async def run(self, order: Any, policy: Any, workspace: Path) -> None:
        """Does what a verified order asks for, and reports how it ended."""
        try:
            if order.WhichOneof("payload") != "shell" or order.shell.line:
                raise OSError("this node runs programs with arguments, nothing else")
            cwd = os.path.realpath(workspace / order.shell.cwd)
            file = judge(policy, order.shell.program, list(order.shell.args), cwd)
            self.end(**await self._run_program(order, file, cwd))
        except Rejection as rejection:
            self.end(rejected=PB.Rejected(rule=rejection.rule, reason=rejection.reason))
        except OSError as error:
            self.end(broken=str(error))

    def _report(self, **body: Any) -> None:
        self.sequence += 1
        task_id, attempt = self.key
        report = PB.TaskReport(task_id=task_id, attempt=attempt, sequence=self.sequence, **body)
        self.reports.append(report)
        self._waiting += report.ByteSize()
        self._news.set()

    async def _run_program(self, order: Any, file: str, cwd: str) -> dict[str, Any]:
        shell, pipe = order.shell, asyncio.subprocess.PIPE
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CORTEX_")}
        process = await asyncio.create_subprocess_exec(
            shell.program, *shell.args, executable=file, cwd=cwd, env=inherited | dict(shell.env),
            stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True,
        )  # fmt: skip
        self.started = True
        self._report(started=PB.TaskStarted(pid=process.pid))
        exited = asyncio.create_task(_exit_of(process))
        feeding = asyncio.create_task(_feed(process.stdin, shell.stdin))
        pumps = [
            asyncio.create_task(self._pump(process.stdout, PB.OUTPUT_STREAM_STDOUT, exited)),
            asyncio.create_task(self._pump(process.stderr, PB.OUTPUT_STREAM_STDERR, exited)),
        ]
        stopping = asyncio.create_task(self._stop.wait())
        limit = order.timeout_ms / 1000 or None
        await asyncio.wait({exited, stopping}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        grace = order.grace_ms / 1000 if self._grace is None else self._grace
        ended_by_us = None if exited.done() else await _end_group(process.pid, grace)
        code = await exited
        await asyncio.gather(*pumps)
        process._transport.close()  # Pipes that a background process holds; there is no public way.
        for task in (feeding, stopping):
            task.cancel()
        if ended_by_us is None:
            if code < 0:
                return {"signalled": PB.Signalled(signal=-code)}
            return {"exited": PB.Exited(code=code)}
        word = self._stop_word or "timed_out"
        if word == "interrupted":
            return {word: "the node was shut down"}
        return {word: PB.Stopped(processes=ended_by_us)}

    async def _pump(self, reader: asyncio.StreamReader, stream: int, exited: asyncio.Task) -> None:
        """Reports output as it comes, until the pipe ends or, where a background process holds it,
        has been silent for a second after the program's end."""
        while True:
            read = asyncio.create_task(reader.read(CHUNK_BYTES))
            await asyncio.wait({read, exited}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({read}, timeout=1)
            if not read.done():
                read.cancel()
                self.transcript.flags |= CUT_STDOUT if stream == PB.OUTPUT_STREAM_STDOUT else CUT_STDERR
                return
            if not (data := read.result()):
                return
            progress = PB.ProgressEvent(stream=stream, offset=self._offsets[stream], data=data)
            self._report(progress=progress)
            self._offsets[stream] += len(data)
            self.transcript.add("stdout" if stream == PB.OUTPUT_STREAM_STDOUT else "stderr", data)
            while self._waiting > UNSTORED_BYTES:
                self._stored.clear()
                await self._stored.wait()


async def _exit_of(process: asyncio.subprocess.Process) -> int:
    """Waits for the program's own end; `process.wait` would wait for all who hold its pipes."""
    with suppress(ProcessLookupError):
        handle, ended = os.pidfd_open(process.pid), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(handle, ended.set)
        await ended.wait()
        loop.remove_reader(handle)
        os.close(handle)
    while process.returncode is None:
        await asyncio.sleep(0.005)  # asyncio collects the exit code in a thread of its own.
    return process.returncode


async def _feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(data)
        await stdin.drain()
        stdin.close()


async def _end_group(group: int, grace: float) -> int:
    """TERM for the process group, KILL after the grace time; says how many processes ended."""
    count, loop = _living(group), asyncio.get_running_loop()
    deadline = loop.time() + grace
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        while _living(group) and loop.time() < deadline:
            await asyncio.sleep(0.02)
        os.killpg(group, signal.SIGKILL)
    return count


def _living(group: int) -> int:
    count = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = entry.read_text().rpartition(") ")[2].split()[:3]
            count += int(its_group) == group and state != "Z"
    return count


def judge(policy: Any, program: str, args: list[str], cwd: str) -> str:
    """The file to start, or the `Rejection` that the policy demands; deny rules win."""
    if not os.path.isdir(cwd):
        raise OSError(f"the working directory {cwd} cannot be used")
    found = shutil.which(program) if "/" not in program else os.path.join(cwd, program)
    spellings = [program, found or program, os.path.realpath(found or program)]
    for index, rule in enumerate(policy.denied_commands):
        if _denies(rule.program, spellings) and _args_fit(rule, args):
            label = rule.name or rule.program
            raise Rejection(f'deny[{index}] "{label}"', rule.reason or f"{program} is denied")
    allowed = any(
        _allows(rule.program, program, found) and _args_fit(rule, args)
        for rule in policy.allowed_commands
    )
    if not allowed and policy.mode != PB.SandboxPolicy.MODE_PERMISSIVE:
        raise Rejection("mode STRICT: no allow rule", f"no rule allows {program}")
    root = policy.workspace_root
    if root and os.path.commonpath([os.path.realpath(root), cwd]) != os.path.realpath(root):
        raise Rejection(f'workspace_root "{root}"', f"{cwd} is not below it")
    if found is None or not os.access(found, os.X_OK):
        raise OSError(f"there is no program {program}")
    return found


def _allows(pattern: str, program: str, found: str | None) -> bool:
    """A name stands for what the search path gives for it, a path for that very file."""
    if "/" in pattern:
        return found is not None and _matches(pattern, found)
    by_search = program == shutil.which(posixpath.basename(program))
    return ("/" not in program or by_search) and _matches(pattern, posixpath.basename(program))


def _denies(pattern: str, spellings: list[str]) -> bool:
    """A name stands for every file of that name, a path for every spelling of it."""
    if "/" in pattern:
        return any(_matches(_folded(pattern), _folded(spelling)) for spelling in spellings)
    names = [posixpath.basename(spelling).casefold() for spelling in spellings]
    return any(_matches(pattern.casefold(), name) for name in names)


def _folded(path: str) -> str:
    return re.sub("^/usr(?=/s?bin/)", "", posixpath.normpath(path).casefold())


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(_regex(pattern), text, re.DOTALL) is not None


def _args_fit(rule: Any, args: list[str]) -> bool:
    """Whether the arguments begin with what the patterns describe, or with `exact` are just that."""
    alone = {"*": "[^\0]*\0", "**": "(?:[^\0]*\0)*?"}
    regex = "".join(alone.get(pattern) or _regex(pattern) + "\0" for pattern in rule.args)
    text = "".join(f"{arg}\0" for arg in args)
    match = re.fullmatch if rule.exact else re.match
    return match(regex, text, re.DOTALL) is not None


def _regex(pattern: str) -> str:
    """`*` stands for any characters but separators, `**` for any."""
    wild = {"*": r"[^/\\\0]*", "**": "[^\0]*"}
    parts = re.split(r"(\*+)", pattern)
    return "".join(wild[part[:2]] if part.startswith("*") else re.escape(part) for part in parts)

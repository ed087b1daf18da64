# SPDX-License-Identifier: Apache-2.0
"""Runs one child process: passes its output on line by line, returns its exit code, leaves nothing of it running."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Protocol

OUTPUT_GRACE = 1.0
"""Wall time [s] to read what is left of the output of a process that has ended."""
CHUNK = 65536
"""Bytes read at once; a longer line is broken."""
NOT_STARTED = 127
"""Exit code of a program that could not be started, as a shell reports it."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class LineSink(Protocol):
    """Receives lines of output."""

    def line(self, name: str, text: str) -> None:
        """One line of output of process ``name``."""


class ChildProcess:
    """Runs one process once.

    asyncio has child processes of its own, but their end is reported only when every holder of their output pipe has
    closed it, and a grandchild may hold it for ever.

    Args:
        name: prefix of its lines.
        output: gets every line of stdout and stderr.
    """

    def __init__(self, name: str, output: LineSink) -> None:
        self._name = name
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._gone = asyncio.Event()
        self._output_over = asyncio.Event()

    async def live(self, command: Sequence[str], environment: Mapping[str, str], hold_interrupt: bool = False) -> int:
        """Start, pass the output on, and return the exit code (minus the signal number after a signal).

        Args:
            hold_interrupt: see :func:`start_process`.
        """
        try:
            self._process = start_process(command, environment, hold_interrupt=hold_interrupt)
        except OSError as error:
            self._output.line(self._name, f"cannot start {command[0]}: {error.strerror}")
            self._gone.set()
            return NOT_STARTED
        pipe = self._process.stdout
        assert pipe is not None
        loop = asyncio.get_running_loop()
        loop.add_reader(pipe, self._read, pipe.fileno())
        code = await _exit_code(self._process)
        self._signal_group(signal.SIGKILL)
        self._gone.set()
        await _within(self._output_over, OUTPUT_GRACE)
        loop.remove_reader(pipe)
        pipe.close()
        return code

    async def gone_within(self, seconds: float) -> bool:
        """Wait at most ``seconds`` for the end of the process; return whether it has ended."""
        return await _within(self._gone, seconds)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and to what it started."""
        if self._process is not None and not self._gone.is_set():
            self._signal_group(number)

    def _signal_group(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _read(self, descriptor: int) -> None:
        chunk = os.read(descriptor, CHUNK)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > CHUNK):
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._output.line(self._name, line.decode(errors="replace").rstrip("\r"))
        if not chunk:
            asyncio.get_running_loop().remove_reader(descriptor)
            self._output_over.set()


def start_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes] | int = subprocess.PIPE,
    hold_interrupt: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own that dies with the thread that calls this.

    Args:
        output: where its stdout and stderr go.
        hold_interrupt: SIGINT waits until the process unblocks it. Python, before it has read its own modules,
            answers it with the traceback of a fatal error.

    Raises:
        OSError: it cannot be started.
    """
    parent = os.getpid()

    def prepare() -> None:
        if hold_interrupt:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=prepare,
    )


async def _exit_code(process: subprocess.Popen[bytes]) -> int:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True

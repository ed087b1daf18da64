"""Starts the processes of a run, passes their output on, and leaves none behind.

For machines without ``launch``. Every child has a process group of its own, so that stopping it also stops what it
started, and dies with the starter even if that is killed.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from td3_driving.starting.course import Course, Decision, End, Restart, Say, Stop
from td3_driving.starting.node_table import ProcessSpec

GRACE = ((signal.SIGINT, 15.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""Signals of a stop in their order, each with the wall time [s] that is given before the next."""
OUTPUT_GRACE = 1.0
"""Wall time [s] for the output of a process that has ended; a grandchild may hold its pipe open for ever."""
CHUNK = 65536
"""Bytes read at once; a longer line is broken."""
NOT_STARTED = 127
"""Exit code of a program that could not be started, as a shell reports it."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class Output(Protocol):
    """Where lines go."""

    def line(self, name: str, text: str) -> None:
        """One line of output of process ``name``."""


class Supervisor:
    """Runs processes until their :class:`Course` says that the run is over.

    Args:
        specs: the processes, in the order in which they are started.
        command: command line of a process.
        output: gets every line.
        environment: environment of the children.
        grace: as :data:`GRACE`.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        command: Callable[[ProcessSpec], list[str]],
        output: Output,
        environment: Mapping[str, str],
        grace: Sequence[tuple[signal.Signals, float]] = GRACE,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._command = command
        self._output = output
        self._environment = dict(environment)
        self._grace = grace
        self._course = Course(specs)
        self._children: dict[str, _Child] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: asyncio.Future[End] | None = None

    def run(self) -> End:
        """Start everything and return when the last process has ended."""
        return asyncio.run(self._run())

    async def _run(self) -> End:
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted)
        try:
            for spec in self._specs.values():
                self._spawn(self._live(spec))
            return await self._end
        finally:
            for child in self._children.values():
                child.send(signal.SIGKILL)

    def _interrupted(self) -> None:
        """The first Ctrl-C stops the run in order, a second one at once."""
        decisions = self._course.interrupt()
        if not decisions:
            for child in self._children.values():
                child.send(signal.SIGKILL)
        self._carry_out(decisions)

    async def _live(self, spec: ProcessSpec) -> None:
        """One life of a process, from its start to its exit code."""
        child = self._children[spec.name] = _Child(spec.name, self._output)
        code = await child.live(self._command(spec), self._environment)
        self._carry_out(self._course.exited(spec.name, code, asyncio.get_running_loop().time()))

    def _carry_out(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, Say):
                self._output.line("run", decision.text)
            elif isinstance(decision, Restart):
                self._spawn(self._live(self._specs[decision.name]))
            elif isinstance(decision, Stop):
                self._spawn(self._stop(decision))
            elif self._end is not None and not self._end.done():
                self._end.set_result(decision)

    async def _stop(self, order: Stop) -> None:
        child = self._children[order.name]
        if await child.gone_within(order.after):
            return
        for number, patience in self._grace:
            child.send(number)
            if await child.gone_within(patience):
                return
            self._output.line("run", f"{order.name} did not end within {patience:g} s of {number.name}")

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._settle)

    def _settle(self, task: asyncio.Task[None]) -> None:
        """An error inside a task ends the run instead of leaving it to wait for ever."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._end is not None and not self._end.done():
            self._end.set_exception(error)


class _Child:
    """One life of one process."""

    def __init__(self, name: str, output: Output) -> None:
        self._name = name
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        self._pending: signal.Signals | None = None
        self._gone = asyncio.Event()

    async def live(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Start, pass the output on, and return the exit code (minus the signal number after a signal)."""
        try:
            self._process = await _start(command, environment)
        except OSError as error:
            self._output.line(self._name, f"cannot start {command[0]}: {error.strerror}")
            self._gone.set()
            return NOT_STARTED
        if self._pending is not None:
            self.send(self._pending)
        pump = asyncio.ensure_future(self._pump())
        code = await self._process.wait()
        await asyncio.wait([pump], timeout=OUTPUT_GRACE)
        pump.cancel()
        self._kill_group(signal.SIGKILL)
        self._gone.set()
        return code

    async def gone_within(self, seconds: float) -> bool:
        """Whether the process has ended, after a wait of at most ``seconds``."""
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and to what it started; kept back until it has been started."""
        if self._process is None:
            self._pending = number
        elif not self._gone.is_set():
            self._kill_group(number)

    def _kill_group(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def _pump(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        rest = b""
        while chunk := await self._process.stdout.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > CHUNK:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._output.line(self._name, line.decode(errors="replace").rstrip("\r"))
        if rest:
            self._output.line(self._name, rest.decode(errors="replace"))


async def _start(command: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    parent = os.getpid()

    def die_with_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )

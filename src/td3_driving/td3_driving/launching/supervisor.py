# SPDX-License-Identifier: Apache-2.0
"""Starts the processes of a run, passes their output on, and stops all of them at the end.

For machines without ``launch``. Every child has a process group of its own, so that stopping it also stops what it
started, and dies with the starter even if that is killed.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from td3_driving.launching.child import heeds_interrupt
from td3_driving.launching.course import Course, Decision, End, Restart, Say, Stop
from td3_driving.launching.node_table import ProcessSpec
from td3_driving.processes.child_process import ChildProcess, LineSink
from td3_driving.processes.hangup import drop_dead_outputs, outlives_terminal

GRACE = ((signal.SIGINT, 15.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""Signals of a stop in their order, each with the wall time [s] that is given before the next."""


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
        output: LineSink,
        environment: Mapping[str, str],
        grace: Sequence[tuple[signal.Signals, float]] = GRACE,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._command = command
        self._output = output
        # The pipe is read as UTF-8, whatever the terminal is; the starter writes for the terminal.
        self._environment = {**environment, "PYTHONIOENCODING": "utf-8:replace"}
        self._grace = grace
        self._course = Course(specs)
        self._children: dict[str, ChildProcess] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: asyncio.Future[End] | None = None

    def run(self, limit: float | None = None) -> End:
        """Start everything and return when the last process has ended; after ``limit`` [s] stop it as by Ctrl-C."""
        return asyncio.run(self._run(limit))

    async def _run(self, limit: float | None) -> End:
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted)
        if not outlives_terminal():
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        if limit is not None:
            loop.call_later(limit, self._interrupted)
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

    def _hung_up(self) -> None:
        """The terminal is closed: stop the run as by Ctrl-C."""
        drop_dead_outputs()
        self._interrupted()

    async def _live(self, spec: ProcessSpec) -> None:
        """Run a process once, from its start to its exit code."""
        child = self._children[spec.name] = ChildProcess(spec.name, self._output)
        command = self._command(spec)
        code = await child.live(command, self._environment, hold_interrupt=heeds_interrupt(command))
        self._carry_out(self._course.exited(spec.name, code, asyncio.get_running_loop().time()))

    def _carry_out(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, Say):
                with suppress(OSError):  # Output that leads nowhere must not keep the run from its end.
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
        """End the run on an error inside a task, instead of waiting for ever."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._end is not None and not self._end.done():
            self._end.set_exception(error)

# SPDX-License-Identifier: Apache-2.0
"""What a process does when its terminal is closed (SIGHUP): it ends as by Ctrl-C, and does not fail at its output.

A process that was told to outlive its terminal (``nohup``) ignores the signal from the start, and goes on to.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType

OUTPUTS = (1, 2)
"""File descriptors of stdout and stderr."""


def outlives_terminal() -> bool:
    """Return whether this process was told to ignore the end of its terminal."""
    return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def hang_up_as_interrupt() -> None:
    """Let SIGHUP do what SIGINT does in this process; to be called in its main thread."""
    if not outlives_terminal():
        signal.signal(signal.SIGHUP, _interrupt)


def drop_dead_outputs() -> None:
    """Discard what is written to a terminal or a pipe that has gone; it would raise OSError."""
    for descriptor in OUTPUTS:
        if _is_dead(descriptor):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    drop_dead_outputs()
    os.kill(os.getpid(), signal.SIGINT)


def _is_dead(descriptor: int) -> bool:
    asked = select.poll()
    asked.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in asked.poll(0))

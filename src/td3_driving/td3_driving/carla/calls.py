# SPDX-License-Identifier: Apache-2.0
"""Calls libcarla with a time limit."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from td3_driving.carla.errors import CarlaError, ServerLost

T = TypeVar("T")


class Calls:
    """Makes each call in its own thread, and abandons the thread where a frozen server never answers.

    libcarla's own time-out does not cover every call. It is the only one for calls that keep Python's lock while they
    wait, as ``get_world`` does: these hold up all threads of the process.

    Args:
        timeout: wall time of a call [s].
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def __call__(self, what: str, function: Callable[..., T], *arguments: object, timeout: float | None = None) -> T:
        """The result of ``function(*arguments)``.

        Raises:
            ServerLost: no answer in time, or libcarla's own time-out; ``what`` tells which call it was.
        """
        limit = self.timeout if timeout is None else timeout
        answers: SimpleQueue[tuple[bool, T | BaseException]] = SimpleQueue()

        def work() -> None:
            try:
                answers.put((True, function(*arguments)))
            except BaseException as error:  # noqa: BLE001  It is raised again in the thread that asked.
                answers.put((False, error))

        Thread(target=work, name=what, daemon=True).start()
        try:
            fine, answer = answers.get(timeout=limit)
        except Empty:
            raise ServerLost(f"{what}: no answer within {limit:g} s") from None
        if fine:
            return answer  # type: ignore[return-value]
        if isinstance(answer, RuntimeError) and not isinstance(answer, CarlaError):
            raise ServerLost(f"{what}: {' '.join(str(answer).split())}") from answer
        raise answer  # type: ignore[misc]

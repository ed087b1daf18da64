# SPDX-License-Identifier: Apache-2.0
"""Simulates a slow and lossy connection from the camera to the driver."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


def frames_of(delay: float, frame_time: float) -> int:
    """A delay [s] in whole frames of ``frame_time`` [s].

    Raises:
        ValueError: it is negative or lies between two frames.
    """
    frames = round(delay / frame_time)
    if delay < 0.0 or abs(frames * frame_time - delay) > 1e-6:
        raise ValueError(f"a delay of {1e3 * delay:g} ms is no multiple of a frame, {1e3 * frame_time:g} ms")
    return frames


class Link(Generic[T]):
    """Passes its input on ``delay`` frames later and drops some of it.

    Args:
        delay: in frames, 0 or more.
        drop: probability with which a frame is lost, 0 .. 1.
        generator: of the losses.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(self, delay: int, drop: float, generator: np.random.Generator) -> None:
        if delay < 0 or not 0.0 <= drop <= 1.0:
            raise ValueError(f"delay {delay} must be 0 or more and drop {drop} within 0 .. 1")
        self._under_way: deque[T | None] = deque([None] * delay)
        self._drop, self._generator = drop, generator

    def pass_on(self, sent: T) -> T | None:
        """Send ``sent``; return what arrives in the same frame, ``None`` when it was lost or nothing is due yet."""
        lost = self._drop > 0.0 and float(self._generator.random()) < self._drop
        self._under_way.append(None if lost else sent)
        return self._under_way.popleft()

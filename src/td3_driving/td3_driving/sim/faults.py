# SPDX-License-Identifier: Apache-2.0
"""Injects faults on demand, so that tests can check how the rest of the system handles them.

A plan is text: ``kind@frame`` or ``kind@frame:count``, separated by spaces. Frames count from 1 at the start of the
simulator; ``count`` is how many frames the fault lasts.

==================  ====================================================================
``drop``            the world moves on, nothing is published
``frozen_camera``   the image before the fault, again and again, with new stamps
``delayed_camera``  each image, with its own stamp, comes one frame late
``nan_odometry``    position and speed are not a number
``crash``           the process ends at once, with exit code 70
``dead``            the process lives on but neither moves, publishes nor answers
==================  ====================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

KINDS = ("drop", "frozen_camera", "delayed_camera", "nan_odometry", "crash", "dead")
LASTING_FOR_EVER = ("crash", "dead")
CRASH_CODE = 70
ENTRY = re.compile(r"(?P<kind>[a-z_]+)@(?P<first>\d{1,9})(?::(?P<count>\d{1,9}))?")


class FaultError(ValueError):
    """The text of a fault plan cannot be understood."""


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """One fault: what, from which frame on, for how many frames."""

    kind: str
    first: int
    count: int

    def active(self, frame: int) -> bool:
        """Whether the fault holds in ``frame``."""
        return self.first <= frame and (self.kind in LASTING_FOR_EVER or frame < self.first + self.count)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All faults of a run; an empty plan is a healthy simulator."""

    faults: tuple[InjectedFault, ...] = ()

    @classmethod
    def parse(cls, text: str) -> FaultPlan:
        """The plan that ``text`` describes.

        Raises:
            FaultError: an unknown kind, a frame or count below 1, a count for a fault without end, or another form.
        """
        return cls(tuple(_parse_entry(word) for word in text.split()))

    def active(self, frame: int) -> frozenset[str]:
        """Kinds of the faults that hold in ``frame``, which counts from 1."""
        return frozenset(fault.kind for fault in self.faults if fault.active(frame))


def _parse_entry(word: str) -> InjectedFault:
    match = ENTRY.fullmatch(word)
    if match is None:
        raise FaultError(f"fault {word!r} is not of the form kind@frame or kind@frame:count")
    kind, first, count = match["kind"], int(match["first"]), match["count"]
    if kind not in KINDS:
        raise FaultError(f"fault {word!r}: {kind!r} is not one of {', '.join(KINDS)}")
    if first < 1 or (count is not None and int(count) < 1):
        raise FaultError(f"fault {word!r}: frame and count start at 1")
    if kind in LASTING_FOR_EVER and count is not None:
        raise FaultError(f"fault {word!r}: {kind!r} does not end, so it takes no count")
    return InjectedFault(kind, first, int(count or 1))

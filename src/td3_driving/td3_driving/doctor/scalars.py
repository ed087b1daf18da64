# SPDX-License-Identifier: Apache-2.0
"""What every reader of logs yields: scalars, and a report on the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Scalar(NamedTuple):
    """One point of one series: tag, step as written, value, wall time [s]."""

    tag: str
    step: int
    value: float
    wall: float


@dataclass
class ReadReport:
    """What happened while one file was read: counts, texts by tag, and what is wrong with the file, if anything is.

    ``damage``: where it ends before its time; ``wrong``: what in it is not as it was written.
    """

    path: str
    scalars: int = 0
    records: int = 0
    damage: str = ""
    wrong: str = ""
    texts: dict[str, str] = field(default_factory=dict)

# SPDX-License-Identifier: Apache-2.0
"""One line of ``/diagnostics``. It imports nothing of ours, so that every package can report a status."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, ERROR, STALE = "OK", "WARN", "ERROR", "STALE"


@dataclass(frozen=True)
class Status:
    """One line of ``/diagnostics``.

    Attributes:
        name: who reports on what, ``learner: gradients``.
        level: ``OK``, ``WARN``, ``ERROR`` or ``STALE``.
        message: why, in a sentence.
        values: texts by key; a key carries its unit.
    """

    name: str
    level: str
    message: str
    values: dict[str, str]

# SPDX-License-Identifier: Apache-2.0
"""What changed, line by line, and how things stand now, on one page of text."""

from __future__ import annotations

import math
from typing import Any

from td3_driving.live.page import Page
from td3_driving.view.scene import Scene

LEARNER = ("waiting for experience", "filling the replay memory", "learning", "finished", "failed")
"""States of the learner, by their numbers in ``LearnerStatus``."""
QUIET = 2.0
"""Time for which an event of one kind is not told again [s]."""
MOST_ALARMS = 8
"""Most alarms that are listed."""
MOST_STATES = 200
"""Most things whose state is kept; there are some dozen in a run."""


class News:
    """Tells changes once and keeps what is in force.

    Args:
        page: where both are shown.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._states: dict[str, tuple[str, str]] = {}
        self._told: dict[str, float] = {}
        self._learner = self._episode = self._shown = ""

    def say(self, level: str, text: str) -> None:
        """Tell something once; ``level`` as in :meth:`Page.say`."""
        self._page.say(level, text)

    def event(self, level: str, text: str, kind: str, now: float) -> None:
        """Tell something that may come in every frame."""
        if now - self._told.get(kind, -math.inf) > QUIET:
            self._page.say(level, text)
        self._told[kind] = now

    def state(self, name: str, level: str, text: str) -> None:
        """Take the state of something that is always in one; tell it where its level changed."""
        before = self._states.get(name)
        if before is None and len(self._states) >= MOST_STATES:
            return
        self._states[name] = level, text
        first = before is None and level in ("OK", "STALE") and name != "gate"
        if not first and (before is None or before[0] != level or (name == "gate" and before[1] != text)):
            self._page.say(level, f"{name}: {text}")

    def learner(self, sent: Any) -> None:
        """Take a ``LearnerStatus``."""
        word = LEARNER[sent.state] if sent.state < len(LEARNER) else f"state {sent.state}"
        if word != self._learner.partition(",")[0]:
            self._page.say("ERROR" if sent.state == 4 else "OK", f"learner: {word} {sent.reason}".rstrip())
        self._learner = f"{word}, {sent.updates:,} updates on {sent.inserted:,} steps"

    def episode(self, number: int, reason: str, completion: float, total: float) -> None:
        """Take the end of an episode."""
        self._episode = f"{reason} after {completion:.0%} of the route, return {total:.1f}"
        self._page.say("OK", f"episode {number}: {self._episode}")

    def show(self, scene: Scene, step: int) -> None:
        """Show how things stand, where it changed."""
        alarms = [f"- {name}: {text}" for name, (level, text) in self._states.items() if level in ("WARN", "ERROR")]
        lines = [
            "| What | Now |",
            "|---|---|",
            *(f"| **{name}** | {text} |" for name, text in self._rows(scene, step) if text),
        ]
        more = [f"- and {len(alarms) - MOST_ALARMS} more"] if len(alarms) > MOST_ALARMS else []
        told = ["**Alarms in force**", "", *alarms[:MOST_ALARMS], *more] if alarms else ["**No alarm in force**"]
        text = "\n".join([*lines, "", *told])
        if text != self._shown:
            self._shown = text
            self._page.status(text)

    def _rows(self, scene: Scene, step: int) -> list[tuple[str, str]]:
        drive, values = scene.readings()
        gate = "" if scene.gate is None else scene.gate.message
        learns = step > 0 or bool(self._learner)
        return [
            ("Step", f"{step:,}" if learns else ""),
            ("Vehicle", "" if scene.vehicle is None else drive),
            ("Reward, Q", values if learns else ""),
            ("Learner", self._learner),
            ("Last episode", self._episode),
            ("Command gate", gate),
        ]

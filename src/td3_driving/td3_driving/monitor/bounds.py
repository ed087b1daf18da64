# SPDX-License-Identifier: Apache-2.0
"""What a message about a run may contain: numbers that no event file and no arithmetic trips over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from td3_driving.driving.reward import term_names
from td3_driving.driving.seeding import actor_names
from td3_driving.monitor.account import STATES
from td3_driving.settings import Settings

MOST_COUNTED = 2**53
"""Above it a count is no exact float any more."""
MOST_VALUES = 1000
MOST_WRITERS = 64
"""Strangers that one node tells of."""
LONGEST_NAME = 200
COUNTS = ("received", "duplicate", "rejected", "lost", "gone", "sampleable", "capacity", "strangers")
UPDATES = ("updates", "policy_updates")


class RunBounds:
    """Finds what is wrong with messages of the run; values that are not finite are news, not faults."""

    def __init__(self, settings: Settings) -> None:
        self._actors = frozenset(actor_names(settings.run.num_actors))
        self._steps = settings.run.steps
        self._terms = term_names(settings.reward)

    def step_fault(self, message: Any) -> str:
        """What is wrong with a ``RewardTerms``; empty if nothing is."""
        return self._place_fault(message) or self._terms_fault(message.names, message.values)

    def episode_fault(self, message: Any) -> str:
        """The same for an ``EpisodeSummary``."""
        return self._place_fault(message) or self._terms_fault(message.term_names, message.term_returns)

    def evaluation_fault(self, message: Any) -> str:
        """The same for an ``EvaluationSummary``."""
        return self._place_fault(message) or _values_fault("tags", message.tags, message.values)

    def status_fault(self, message: Any) -> str:
        """The same for a ``LearnerStatus``."""
        if message.state >= len(STATES):
            return f"state {message.state} is outside 0 .. {len(STATES) - 1}"
        for name in COUNTS + UPDATES:
            if getattr(message, name) > MOST_COUNTED:
                return f"{name} {getattr(message, name)} is beyond 2^53"
        for name in ("inserted", "begun_at"):
            if getattr(message, name) > self._steps:
                return f"{name} {getattr(message, name)} is outside the {self._steps} steps of the run"
        return _values_fault("tags", message.tags, message.values)

    def refusals_fault(self, message: Any) -> str:
        """The same for a ``Refusals``."""
        if message.strangers > MOST_COUNTED:
            return f"strangers {message.strangers} is beyond 2^53"
        if len(message.topics) != len(message.writers):
            return f"{len(message.topics)} topics beside {len(message.writers)} writers"
        texts = [message.node, message.stranger, *message.topics, *message.writers]
        if len(message.topics) > MOST_WRITERS or any(len(text) > LONGEST_NAME for text in texts):
            return f"topics: more than {MOST_WRITERS}, or a text longer than {LONGEST_NAME} letters"
        return ""

    def _terms_fault(self, names: Sequence[str], values: Sequence[float]) -> str:
        if tuple(names) != self._terms or len(values) != len(self._terms):
            return f"{len(names)} names beside {len(values)} values are not the terms {', '.join(self._terms)}"
        return ""

    def _place_fault(self, message: Any) -> str:
        if message.actor_id not in self._actors:
            return f"actor {message.actor_id[:40]!r} is not one of {', '.join(sorted(self._actors))}"
        if message.step > self._steps:
            return f"step {message.step} is outside the {self._steps} steps of the run"
        return ""


def _values_fault(name: str, names: Sequence[str], values: Sequence[float]) -> str:
    if len(names) != len(values):
        return f"{len(names)} {name} beside {len(values)} values"
    if len(names) > MOST_VALUES or any(len(text) > LONGEST_NAME for text in names):
        return f"{name}: more than {MOST_VALUES}, or one longer than {LONGEST_NAME} letters"
    return ""

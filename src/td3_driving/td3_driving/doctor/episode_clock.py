# SPDX-License-Identifier: Apache-2.0
"""Environment steps of episodes that are logged by their number."""

from __future__ import annotations


class EpisodeClock:
    """Recognises episode numbers, and converts them to environment steps."""

    def __init__(self) -> None:
        self.numbered: bool | None = None
        self.steps = 0.0
        self.count = 0
        self._previous: int | None = None
        self._behind = 0.0

    def end_of(self, raw_step: int, length: float | None, latest: float) -> float:
        """Environment step at which the episode logged at ``raw_step`` ended; ``latest`` is the last step known."""
        if length is None:
            return self.steps if self.numbered else float(raw_step)
        self._decide(raw_step, length)
        if self.count == 0 and raw_step > 1:
            self._behind = max(0.0, latest - length)
        self.steps = (self.steps or self._behind) + length
        self.count += 1
        self._previous = raw_step
        return self.steps if self.numbered else float(raw_step)

    def _decide(self, raw_step: int, length: float) -> None:
        if length <= 1:
            return
        if raw_step < length - 1:
            self.numbered = True
        elif self._previous is not None and self.numbered is None:
            self.numbered = raw_step - self._previous == 1 and length > 2
        elif self._previous is not None and self.numbered and raw_step - self._previous >= length > 2:
            self.numbered = False

    def is_number(self, raw_step: int, latest: float) -> bool:
        """Whether ``raw_step`` of another series looks like an episode number rather than like an environment step."""
        return bool(self.numbered) and raw_step <= self.count + 1 and raw_step < latest / 2

# SPDX-License-Identifier: Apache-2.0
"""Says how many updates belong to how many environment steps; policy and learner share this arithmetic."""

from __future__ import annotations

from td3_driving.settings import PacingSettings


class RateLimiter:
    """``gradient_steps`` updates after every ``train_freq`` steps that follow the first ``learning_starts``.

    The learner asks :meth:`updates_due`, the policy :meth:`weights_expected`; both count environment steps over all
    actors, so neither has to ask the other what is due.

    Attributes:
        strict: the policy acts on the weights expected for a step; otherwise on any that are at least as new.
        stall_timeout: wall time [s] after which whoever waits for the other gives up.
    """

    def __init__(self, settings: PacingSettings) -> None:
        self.strict = settings.mode == "strict"
        self.stall_timeout = settings.stall_timeout
        self._learning_starts = settings.learning_starts
        self._train_freq = settings.train_freq
        self._gradient_steps = settings.gradient_steps
        self._lead = settings.lead

    def updates_due(self, inserted: int) -> int:
        """Updates that must have been done in all once ``inserted`` steps are in the replay memory."""
        return self._gradient_steps * self._bursts(inserted)

    def inserted_at(self, update: int) -> int:
        """Steps that must be in the replay memory before update number ``update``, counted from 1, is due."""
        return self._learning_starts + ((update - 1) // self._gradient_steps + 1) * self._train_freq

    def weights_expected(self, step: int) -> int:
        """Updates behind the weights that the policy must hold before it chooses and publishes step ``step``.

        Args:
            step: 0, 1, 2 …; so many steps have been published before. With a lead of 0 newer weights than these cannot
                exist yet; each burst of ``lead`` lets the policy go on that much earlier.
        """
        return self._gradient_steps * max(self._bursts(step) - self._lead, 0)

    def _bursts(self, steps: int) -> int:
        return max(steps - self._learning_starts, 0) // self._train_freq

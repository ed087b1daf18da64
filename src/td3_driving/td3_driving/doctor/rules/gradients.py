# SPDX-License-Identifier: Apache-2.0
"""Rules about the gradients of parts of a network, each an L2 norm."""

from __future__ import annotations

import math
from typing import ClassVar, Iterable

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.findings import STRONG, Finding, Severity, Streak, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.rule import ACTOR, Rule
from td3_driving.doctor.watches import GRADIENTS


class BypassGradient(Rule):
    """A gradient that reaches the actor's encoder and passes the policy by.

    Condition: the policy MLP's gradient is below 1e-7 while its encoder's is above 1e-2, at three points in a row.
    Meaning: The gradient of the actor's loss reaches the actor's encoder although the policy behind it passes none:
    there is a path around the action, through the critic's state input.
    Refuted by: norms of different kinds in the two series
    Example: MLP gradient 0 beside an encoder gradient of 2.02: the policy is saturated, and the encoder is still
    trained.
    """

    id = "bypass-gradient"
    sections = ("gradients",)
    charts = ("gradients",)
    status = GRADIENTS
    alert = "gradient_bypass"
    about = ACTOR
    confidences: ClassVar = {"encoder_mismatch": STRONG, "policy_saturated": STRONG}
    confirms = ("q-ratio",)
    reads = ("grad_actor_mlp", "grad_actor_cnn")
    ZERO, ALIVE = 1e-7, 1e-2

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.streak = Streak(3)
        self.pair = (math.nan, math.nan)

    def feed(self, row: Row) -> None:
        mlp, cnn = row.values.get("grad_actor_mlp"), row.values.get("grad_actor_cnn")
        if mlp is None or cnn is None:
            return
        holds = mlp < self.ZERO and cnn > self.ALIVE
        self.pair = (mlp, cnn) if holds else self.pair
        self.streak.update(holds, row.step)

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if not self.streak.fired:
            return []
        mlp, cnn = self.pair
        text = (
            f"policy MLP gradient {number(mlp)} beside an encoder gradient of {number(cnn)}, at up to"
            f" {self.streak.longest} points in a row"
        )
        causes = ("encoder_mismatch", "policy_saturated")
        return [self.find(Severity.CRITICAL, self.streak.first_step, text, causes, mlp=mlp, cnn=cnn)]


class VanishingGradient(Rule):
    """A policy gradient that dies out.

    Condition: the actor MLP's gradient is below a thousandth of the critic MLP's at the first three learning points, or
    it falls a hundredfold within 1,000 updates.
    Meaning: The policy's gradient dies out, as under a saturated tanh. An early sign, to be read with q-ratio and
    saturated-actions.
    Refuted by: a policy that goes on changing (frozen-policy quiet)
    Example: A norm that goes from 0.4 to 0.003 within 1,000 updates.
    """

    id = "vanishing-gradient"
    sections = ("gradients",)
    charts = ("gradients",)
    status = GRADIENTS
    about = ACTOR
    needs = ("grad_actor_mlp",)
    RATIO, FALL, WITHIN = 1e-3, 100.0, 1000.0

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        steps, norms, _ = self.history.get("grad_actor_mlp").columns()
        critic = self.history.get("grad_critic_mlp").values()
        if len(norms) >= 3 and len(critic) >= 3 and np.all(norms[:3] < self.RATIO * critic[:3]):
            ratio = float(norms[0] / critic[0]) if critic[0] else 0.0
            text = f"actor/critic MLP gradient {number(ratio)} at the first learning points"
            return [self.find(Severity.WARN, float(steps[0]), text, ratio=ratio)]
        return self._fall(steps, norms)

    def _fall(self, steps: NDArray[np.float64], norms: NDArray[np.float64]) -> list[Finding]:
        updates = self.history.updates_along(steps)
        if updates is None:
            return []
        for index in range(len(norms) - 2):
            later = norms[index + 1 :][updates[index + 1 :] <= updates[index] + self.WITHIN]
            if len(later) >= 2 and norms[index] > 0 and later[-2:].max() < norms[index] / self.FALL:
                text = f"from {number(norms[index])} to {number(later[-1])} within {self.WITHIN:.0f} updates"
                return [self.find(Severity.WARN, float(steps[index]), text)]
        return []

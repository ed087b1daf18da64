# SPDX-License-Identifier: Apache-2.0
"""Rules about the critic against its own past, the returns and the target networks."""

from __future__ import annotations

from typing import Iterable

import numpy as np

from td3_driving.doctor.findings import Finding, Severity, Streak, found_by, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.rule import VALUES, Rule
from td3_driving.doctor.rules.bound import ReturnBound
from td3_driving.doctor.rules.environment import DeadEnvironment, RegimeBreak
from td3_driving.doctor.rules.quantities import discount
from td3_driving.doctor.watches import CONFIG, Q_HEALTH


class CriticStability(Rule):
    """A critic that does not settle.

    Condition: q jumps between neighbours by more than three standard deviations, or changes its sign; or the critic's
    loss grows tenfold from the first quarter to the last, beyond the growth of Q or the returns, squared. Critical
    where q also exceeds the return bound and the environment did not change.
    Meaning: The critic does not settle.
    Refuted by: a change of the data at that moment (dead-environment, regime-break): then the critic follows the data
    Example: 7 sign changes of q, and a loss that goes from 2 to 90 while the returns stay as they are.
    """

    id = "critic-stability"
    sections = ("q_values",)
    charts = ("q", "critic_loss")
    status = Q_HEALTH
    alert = "critic_divergence"
    about = VALUES
    needs = ("q1",)
    JUMP, GROWTH, LEAST_POINTS = 3.0, 10.0, 12

    def _jumps(self) -> tuple[int, float | None]:
        """Number of jumps of q by more than 3 standard deviations, or of its sign; and the step of the first."""
        steps, values, _ = self.history.get("q1").columns()
        if len(values) < self.LEAST_POINTS:
            return 0, None
        moves = np.abs(np.diff(values))
        usual = 1.4826 * float(np.median(moves))
        spread = float(np.std(values))
        jumps = np.flatnonzero((moves > self.JUMP * max(usual, 1e-12)) & (moves > self.JUMP * spread))
        flips = np.flatnonzero((values[1:] * values[:-1] < 0) & (moves > max(spread, 1.0)))
        found = np.union1d(jumps, flips)
        return len(found), float(steps[found[0] + 1]) if len(found) else None

    def _loss_growth(self, beyond: bool) -> float:
        """Growth of the loss from the first quarter to the last, relative to that of Q or the returns, squared.

        Errors grow with the values that they belong to. Values ``beyond`` the bound are no excuse.
        """
        growth = self._quarters("critic_loss")
        scale = max(1.0, *(self._quarters(name) for name in ("q1", "episode_return", "episode_return_mean")))
        return growth if beyond else growth / scale**2

    def _quarters(self, name: str) -> float:
        values = np.abs(self.history.get(name).values())
        quarter = len(values) // 4
        return float(np.median(values[-quarter:]) / max(np.median(values[:quarter]), 1e-12)) if quarter >= 3 else 1.0

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        earlier = list(earlier)
        beyond = any(finding.critical and "q" in finding.numbers for finding in found_by(earlier, ReturnBound.id))
        jumps, first = self._jumps()
        growth = self._loss_growth(beyond)
        if jumps == 0 and growth <= self.GROWTH:
            return []
        changed = any(finding.critical for finding in found_by(earlier, DeadEnvironment.id, RegimeBreak.id))
        severity = Severity.CRITICAL if beyond and not changed else Severity.WARN
        text = f"{jumps} jumps or sign changes of q between neighbours; critic loss last/first quarter {number(growth)}"
        text += "" if beyond else " beyond the growth of Q or the returns, squared"
        causes = ("critic_divergence",) if severity is Severity.CRITICAL else ()
        return [self.find(severity, first, text, causes, jumps=float(jumps), loss_growth=growth)]


class QAgainstReturns(Rule):
    """Q against the discounted returns of the last episodes.

    Condition: q is above 1 and above three times the mean discounted return-to-go of the last 50 episodes.
    Meaning: The critic promises more than the episodes returned.
    Refuted by: episodes that are cut by a time limit, or an evaluation that reaches the promised return
    Example: q 140 against a discounted return-to-go of 22.
    """

    id = "q-against-returns"
    sections = ("q_values",)
    charts = ("return",)
    status = Q_HEALTH
    about = VALUES
    needs = ("q1", "episode_return", "episode_length")
    FACTOR, LEAST_EPISODES = 3.0, 10

    def _expected(self) -> float | None:
        """Mean discounted return-to-go over the last episodes, rewards taken as even within an episode."""
        episodes = self.history.episodes()
        good = np.isfinite(episodes.returns) & (episodes.lengths > 0)
        recent = episodes.where(good)
        if len(recent.end) < self.LEAST_EPISODES:
            return None
        gamma = discount(self.history)[0]
        lengths, returns = recent.lengths[-50:], recent.returns[-50:]
        # mean over t of (1 - gamma^(L-t)) / (1 - gamma), t = 0 .. L-1
        horizon = (1.0 - gamma * (1.0 - gamma**lengths) / (lengths * (1.0 - gamma))) / (1.0 - gamma)
        return float(np.sum(returns / lengths * horizon * lengths) / np.sum(lengths))

    def missing(self) -> str:
        return super().missing() or (
            "" if self._expected() is not None else f"fewer than {self.LEAST_EPISODES} episodes"
        )

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        expected, q = self._expected(), self.history.last("q1")
        if expected is None or q is None or q <= 1.0 or q <= self.FACTOR * max(expected, 0.0):
            return []
        text = f"q {number(q)} against a discounted return-to-go of {number(expected)} over the last episodes"
        return [self.find(Severity.WARN, None, text, q=q, expected=expected)]


class TargetNetworks(Rule):
    """The measured step of every target network towards the trained one.

    Condition: the step is exactly 0 at three points in a row, differs from tau by more than 5 %, or is above 0.5.
    Meaning: A target network does not follow the trained one as asked: it stands still, is a mere copy, or moves at
    another rate.
    Refuted by: a measured step of the targets equal to the one asked for
    Example: tau_critic_cnn measured 0, asked 0.005: the target encoder stands still.
    """

    id = "target-networks"
    sections = ("q_values",)
    status = CONFIG
    alert = "critic_divergence"
    about = VALUES
    reads = ("tau_actor", "tau_critic", "tau_actor_cnn", "tau_critic_cnn")
    TOLERANCE, COPY = 0.05, 0.5

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.still = {name: Streak(3) for name in self.reads}

    def feed(self, row: Row) -> None:
        for name, streak in self.still.items():
            if name in row.values:
                streak.update(row.values[name] == 0.0, row.step)

    def missing(self) -> str:
        return "" if any(self.history.has(name) for name in self.reads) else "no measured step of the target networks"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        results = []
        for name in self.reads:
            value = self.history.get(name).median() if self.history.has(name) else None
            if value is not None:
                results += self._judge(name, value)
        return results

    def _judge(self, name: str, value: float) -> list[Finding]:
        asked = self.history.expect.number("tau")
        first = self.history.get(name).first
        step = first.step if first else None
        text = f"{name} measured {number(value)}" + ("" if asked is None else f", asked {number(asked)}")
        if self.still[name].fired:
            causes = ("encoder_mismatch",) if name.endswith("cnn") else ("config_not_honoured",)
            return [
                self.find(
                    Severity.CRITICAL,
                    self.still[name].first_step,
                    text + ": the target stands still",
                    causes,
                    tau=value,
                )
            ]
        if asked is not None and abs(value - asked) > self.TOLERANCE * asked:
            return [self.find(Severity.CRITICAL, step, text, ("config_not_honoured",), tau=value, asked=asked)]
        if value > self.COPY:
            return [
                self.find(
                    Severity.CRITICAL, step, text + ": there is no slow target", ("critic_divergence",), tau=value
                )
            ]
        return []

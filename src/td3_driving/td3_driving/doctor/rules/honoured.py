# SPDX-License-Identifier: Apache-2.0
"""Rules that compare what was asked with what is measured."""

from __future__ import annotations

from typing import ClassVar, Iterable

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.findings import STRONG, Finding, Severity, number
from td3_driving.doctor.history import History
from td3_driving.doctor.rule import VALUES, Rule
from td3_driving.doctor.watches import CONFIG

LARGEST_BATCH = 4096


def measured_updates(history: History) -> tuple[float, float] | None:
    """``(updates per environment step, steps over which it was measured)`` since learning start."""
    steps, counts, _ = history.get("updates").columns()
    keep = counts > 0
    steps, counts = steps[keep], counts[keep]
    if len(steps) < 2 or steps[-1] <= steps[0]:
        return None
    return float((counts[-1] - counts[0]) / (steps[-1] - steps[0])), float(steps[-1] - steps[0])


class UpdatesPerStep(Rule):
    """Updates per environment step, asked against counted.

    Condition: the slope of the update counter differs from gradient_steps / train_freq by more than 5 %, and by more
    than two bursts of updates over the measured span.
    Meaning: The setting for the update frequency is not what the code does.
    Refuted by: a counter that counts something else than updates
    Example: train_freq 50 asks for 0.02 updates per step. The counter rises by 1.000 per step: nobody read the setting.
    """

    id = "updates-per-step"
    sections = ("training_phase",)
    charts = ("updates",)
    status = CONFIG
    alert = "config_not_honoured"
    needs = ("updates",)
    TOLERANCE = 0.05

    def missing(self) -> str:
        if self.history.expect.updates_per_step is None:
            rate = measured_updates(self.history)
            return "not asked (train_freq, gradient_steps)" + (
                "" if rate is None else f"; {rate[0]:.3f} updates per step measured"
            )
        return super().missing() or (
            "" if measured_updates(self.history) else "the update counter has fewer than two points"
        )

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        asked, measured = self.history.expect.updates_per_step, measured_updates(self.history)
        if asked is None or measured is None:
            return []
        rate, span = measured
        burst = self.history.expect.number("gradient_steps") or 1.0
        # One burst of updates more or less may lie between two log points.
        if abs(rate - asked) <= max(self.TOLERANCE * asked, 2.0 * abs(burst) / span):
            return []
        text = f"{rate:.3f} updates per step, asked {number(asked)}"
        return [
            self.find(
                Severity.CRITICAL,
                self.history.learning_start,
                text,
                ("config_not_honoured",),
                measured=rate,
                asked=asked,
            )
        ]


class StepTime(Rule):
    """Wall time per step before and after learning start, as a remark.

    Condition: The log has three points or more on either side of learning start; the report states both times.
    Meaning: Wall time per step rises with the work done per step: it corroborates the measured updates per step.
    Refuted by: another load on the machine
    Example: 0.05 s per step before learning start and 0.21 s after it.
    """

    id = "step-time"
    sections = ("training_phase",)
    about = VALUES
    needs = ("buffer_size",)

    def missing(self) -> str:
        return super().missing() or ("" if self.history.learning_start is not None else "learning never started")

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        start = self.history.learning_start
        steps, _, walls = self.history.get("buffer_size").columns()
        if start is None or np.sum(steps <= start) < 3 or np.sum(steps > start) < 3:
            return []
        before, after = (_seconds_per_step(steps[mask], walls[mask]) for mask in (steps <= start, steps > start))
        text = f"{number(before)} s per step before learning start, {number(after)} s after"
        return [self.find(Severity.INFO, start, text, before=before, after=after)]


def _seconds_per_step(steps: NDArray[np.float64], walls: NDArray[np.float64]) -> float:
    moves = np.diff(steps) > 0
    return float(np.median(np.diff(walls)[moves] / np.diff(steps)[moves])) if moves.any() else 0.0


class LearningRate(Rule):
    """Learning rates, asked against logged.

    Condition: the first logged rate differs from the one asked for by more than 1 % (a warning), or tenfold (critical).
    Meaning: The learning rate in use is not the one that was asked for.
    Refuted by: a scheduler
    Example: 1e-3 asked for the actor, 3e-4 logged.
    """

    id = "learning-rate"
    sections = ("learning_rates",)
    status = CONFIG
    alert = "config_not_honoured"
    confidences: ClassVar = {"config_not_honoured": STRONG}
    TOLERANCE, ANOTHER_SIZE = 0.01, 10.0
    PAIRS: ClassVar[dict[str, tuple[str, ...]]] = {
        "actor_lr": ("lr_actor", "lr"),
        "critic_lr": ("lr_critic", "lr"),
        "actor_cnn_lr": ("lr_actor_cnn",),
        "critic_cnn_lr": ("lr_critic_cnn",),
    }

    def _asked(self) -> list[tuple[str, float, str]]:
        """``(setting, value asked, quantity logged)`` of the settings that were asked and are logged."""
        found = []
        for key, names in self.PAIRS.items():
            asked = self.history.expect.number(key)
            logged = next((name for name in names if self.history.has(name)), None)
            if asked is not None and logged is not None:
                found.append((key, asked, logged))
        return found

    def missing(self) -> str:
        if not any(self.history.expect.number(key) is not None for key in self.PAIRS):
            return "not asked (actor_lr, critic_lr, actor_cnn_lr, critic_cnn_lr)"
        return "" if self._asked() else "no series for learning rates"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        results = []
        for key, asked, logged in self._asked():
            first = self.history.get(logged).first
            if first is not None and abs(first.value - asked) > self.TOLERANCE * max(abs(asked), 1e-12):
                text = f"{key}: {number(first.value)} logged, {number(asked)} asked"
                severity = self._severity(first.value, asked)
                results.append(
                    self.find(severity, first.step, text, ("config_not_honoured",), measured=first.value, asked=asked)
                )
        return results

    def _severity(self, measured: float, asked: float) -> Severity:
        """Critical for a rate of another order of magnitude, as that is another experiment."""
        small, large = sorted((abs(measured), abs(asked)))
        return Severity.CRITICAL if large > self.ANOTHER_SIZE * small else Severity.WARN


class InferredSettings(Rule):
    """Discount and batch size as the data show them.

    Condition: effective_discount / (1 - done_ratio) differs from the discount asked for by more than 0.001; or all done
    ratios are whole multiples of 1 / n, and n is neither a divisor nor a multiple of the batch size asked for.
    Meaning: The data show another discount or batch size than was asked for.
    Refuted by: n-step returns, or a done ratio taken over something else than one batch
    Example: Done ratios of 3/64, 5/64 and 6/64 show a batch of 64, asked were 100.
    """

    id = "inferred-settings"
    sections = ("training_phase",)
    status = CONFIG
    alert = "config_not_honoured"
    about = VALUES
    confidences: ClassVar = {"config_not_honoured": STRONG}
    needs = ("terminated_share",)

    def gamma(self) -> float | None:
        """``effective_discount / (1 - done_ratio)``, median over the points."""
        effective, ends = self.history.get("effective_discount").values(), self.history.get("terminated_share").values()
        if len(effective) == 0 or len(effective) != len(ends) or np.any(ends >= 1):
            return None
        return float(np.median(effective / (1.0 - ends)))

    def batch_size(self) -> int | None:
        """Smallest number of which all done ratios are whole fractions.

        The true one may be a multiple of it, or a divisor where the ratio is a mean over several batches.
        """
        ends = np.unique(self.history.get("terminated_share").values())
        ends = ends[(ends > 0) & (ends < 1)]
        if len(ends) < 3:
            return None
        for size in range(2, LARGEST_BATCH + 1):
            if np.all(np.abs(ends * size - np.round(ends * size)) < 1e-3):
                return size
        return None

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        return self._judge_gamma() + self._judge_batch()

    def _judge_gamma(self) -> list[Finding]:
        gamma, asked = self.gamma(), self.history.expect.number("gamma")
        if gamma is None:
            return []
        text = f"discount {gamma:.5g} inferred" + ("" if asked is None else f", {asked:.5g} asked")
        if asked is not None and abs(gamma - asked) > 1e-3:
            return [self.find(Severity.WARN, None, text, ("config_not_honoured",), gamma=gamma, asked=asked)]
        return [self.find(Severity.INFO, None, text, meaning="The discount as the data show it.", gamma=gamma)]

    def _judge_batch(self) -> list[Finding]:
        size, asked = self.batch_size(), self.history.expect.number("batch_size")
        if size is None:
            return []
        text = f"batch size {size} (or a multiple, or a divisor) inferred" + (
            "" if asked is None else f", {asked:.0f} asked"
        )
        if asked is not None and asked % size and size % asked:
            return [self.find(Severity.WARN, None, text, ("config_not_honoured",), batch_size=float(size), asked=asked)]
        return [
            self.find(Severity.INFO, None, text, meaning="The batch size as the data show it.", batch_size=float(size))
        ]

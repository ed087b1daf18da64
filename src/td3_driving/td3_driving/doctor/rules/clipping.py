# SPDX-License-Identifier: Apache-2.0
"""Rules about gradient norms and their clipping.

A norm is an L2 norm. ``pre`` and ``post`` are those of a whole network before and after clipping.
"""

from __future__ import annotations

import math
from typing import ClassVar, Iterable

import numpy as np

from td3_driving.doctor.aliases import NETWORKS
from td3_driving.doctor.findings import STRONG, Finding, Severity, Streak, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.rule import VALUES, Rule
from td3_driving.doctor.rules.quantities import return_bound
from td3_driving.doctor.watches import GRADIENTS

MOST_TENSORS = 8


class PartAndWhole(Rule):
    """A part of a gradient that is larger than the whole.

    Condition: the norm of a part exceeds that of its network at three points; or, without a norm before clipping, it
    lies between max_norm and sqrt(8) times max_norm at 90 % of the points.
    Meaning: The logged norm is no global norm. Between max_norm and sqrt(k) times it, it is the sum of the norms of k
    tensors after a clip that worked: it says nothing of the clipping.
    Refuted by: a log of the global norm before and after clipping
    Example: A norm of 2.02 with max_norm 1.0 is a sum over five tensors or more. The clip did not fail.
    """

    id = "part-and-whole"
    sections = ("gradients",)
    charts = ("gradients",)
    status = GRADIENTS
    about = VALUES

    def missing(self) -> str:
        known = any(self.history.has(f"grad_{network}_{part}") for network in NETWORKS for part in ("cnn", "mlp"))
        return "" if known else "no series for gradient norms"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        results = []
        for network in NETWORKS:
            for part in ("cnn", "mlp"):
                results += self._above_total(network, part) + self._above_max_norm(network, part)
        return results

    def _above_total(self, network: str, part: str) -> list[Finding]:
        whole = f"grad_{network}_pre" if self.history.has(f"grad_{network}_pre") else f"grad_{network}_post"
        steps, parts, _ = self.history.get(f"grad_{network}_{part}").columns()
        totals = dict(zip(*self.history.get(whole).columns()[:2]))
        above = [
            (step, value) for step, value in zip(steps, parts) if step in totals and value > totals[step] * 1.001 + 1e-9
        ]
        if len(above) < 3:
            return []
        text = (
            f"{network} {part} norm {number(above[0][1])} above the whole network's {number(totals[above[0][0]])}"
            f" at {len(above)} points"
        )
        return [self.find(Severity.WARN, above[0][0], text, ("logging_inconsistent",))]

    def _above_max_norm(self, network: str, part: str) -> list[Finding]:
        limit = self.history.expect.number(f"{network}_max_norm")
        series = self.history.get(f"grad_{network}_{part}")
        if limit is None or series.count < 3 or self.history.has(f"grad_{network}_pre"):
            return []
        values = series.values()
        above = float(np.mean(values > 1.01 * limit))
        if above < 0.9 or values.max() > math.sqrt(MOST_TENSORS) * limit * 1.01:
            return []
        tensors = math.ceil((float(values.max()) / limit) ** 2)
        text = (
            f"{network} {part} norm {number(float(values.mean()))} with max_norm {number(limit)}: a sum over"
            f" {tensors} tensors or more"
        )
        return [self.find(Severity.WARN, series.first.step if series.first else None, text, ("logging_inconsistent",))]


class ClipAlwaysActive(Rule):
    """A clip that decides the size of every update.

    Condition: the norm after clipping is at its maximum at more than 95 % of the points, and the median norm before
    clipping is more than 10 times as large (a warning), or 1,000 times (critical).
    Meaning: The clip decides the size of every update; thresholds on the clipped norm can never be crossed.
    Refuted by: a share of unclipped updates above 5 %
    Example: A median norm of 340 before and 1.0 after clipping.
    """

    id = "clip-always-active"
    sections = ("gradients",)
    charts = ("gradients",)
    status = GRADIENTS
    alert = "clip_always_active"
    SHARE, EXCESS, HIDDEN, LEAST_POINTS = 0.95, 10.0, 1000.0, 10

    def missing(self) -> str:
        known = any(self.history.has(f"grad_{network}_pre") for network in NETWORKS)
        return "" if known else "no series for norms before clipping"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        return [finding for network in NETWORKS for finding in self._judge(network)]

    def _judge(self, network: str) -> list[Finding]:
        steps, after, _ = self.history.get(f"grad_{network}_post").columns()
        before = self.history.get(f"grad_{network}_pre").values()
        if len(after) < self.LEAST_POINTS or len(before) != len(after):
            return []
        limit = float(after.max())
        excess = float(np.median(before / np.maximum(after, 1e-12)))
        if np.mean(after > 0.99 * limit) <= self.SHARE or excess <= self.EXCESS:
            return []
        text = (
            f"{network}: norm {number(float(np.median(before)))} before and {number(limit)} after clipping (median"
            f" ratio {number(excess)})"
        )
        if excess > self.HIDDEN:
            meaning = "The clip hides an explosion: the gradients are thousands of times what the updates can follow."
            return [
                self.find(Severity.CRITICAL, float(steps[0]), text, ("gradient_explosion",), meaning, excess=excess)
            ]
        return [self.find(Severity.WARN, float(steps[0]), text, excess=excess)]


class GradientExplosion(Rule):
    """Unclipped norms that grow out of all proportion to the values that are learned.

    Condition: an unclipped norm is above 1,000 times the scale of Q and 100 times its first level, or above 1e5 times
    that scale, at three points in a row; or a norm after clipping exceeds max_norm at three points in a row.
    Meaning: Unclipped gradients explode: every update throws the weights further.
    Refuted by: norms measured before a clip that is applied (the norm after it at most max_norm)
    Example: The critic's norm goes from 64 to 8,200,000 while Q stays near 80.
    """

    id = "gradient-explosion"
    sections = ("gradients",)
    charts = ("gradients",)
    status = GRADIENTS
    alert = "gradient_explosion"
    confidences: ClassVar = {"config_not_honoured": STRONG}
    reads = tuple(f"grad_{network}_{kind}" for network in NETWORKS for kind in ("pre", "post", "cnn", "mlp"))
    GROWTH, LEAST, ALWAYS = 100.0, 1e3, 1e5

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.start: dict[str, list[float]] = {name: [] for name in self.reads}
        self.grown = {name: Streak(3) for name in self.reads}
        self.unclipped = {network: Streak(3) for network in NETWORKS}

    def feed(self, row: Row) -> None:
        scale = self._scale()
        for name in self.reads:
            norm = row.values.get(name)
            if norm is None:
                continue
            first = self.start[name]
            if len(first) < 3 and norm > 0:
                first.append(norm / scale)
            base = sorted(first)[len(first) // 2] if first else math.inf
            exploded = norm > self.LEAST * scale and norm / scale > self.GROWTH * base
            self.grown[name].update(exploded or norm > self.ALWAYS * scale, row.step)
        for network, streak in self.unclipped.items():
            norm, limit = row.values.get(f"grad_{network}_post"), self.history.expect.number(f"{network}_max_norm")
            if norm is not None and limit is not None:
                streak.update(norm > 1.01 * limit, row.step)

    def _scale(self) -> float:
        """Scale of the gradients of a healthy critic: Q, but no more than the rewards allow."""
        bound = return_bound(self.history) if self.history.get("q1").count < 4 else self._bound_now()
        q = abs(self.history.last("q1") or 0.0)
        return max(1.0, min(q, bound) if bound else q)

    def _bound_now(self) -> float | None:
        count = self.history.get("q1").count
        if count & (count - 1) == 0 or not hasattr(self, "_bound"):
            self._bound = return_bound(self.history)
        return self._bound

    def missing(self) -> str:
        return "" if any(self.history.has(name) for name in self.reads) else "no series for gradient norms"

    def _clipped(self, name: str) -> bool:
        """Whether the norm was measured before a clip that works."""
        network = name.split("_")[1]
        post, pre = self.history.get(f"grad_{network}_post"), self.history.get(f"grad_{network}_pre")
        if not name.endswith("_post") and post.highest is not None and not self.unclipped[network].fired:
            return pre.highest is None or post.highest.value < 0.5 * pre.highest.value
        return False

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        results = []
        for name, streak in self.grown.items():
            series = self.history.get(name)
            if streak.fired and not self._clipped(name) and series.first and series.highest:
                text = (
                    f"{name.removeprefix('grad_')} norm from {number(series.first.value)} to"
                    f" {number(series.highest.value)}"
                )
                results.append(
                    self.find(
                        Severity.CRITICAL, streak.first_step, text, ("gradient_explosion",), worst=series.highest.value
                    )
                )
        for network, streak in self.unclipped.items():
            if streak.fired:
                worst = self.history.get(f"grad_{network}_post").highest
                text = f"{network} norm after clipping reaches {number(worst.value if worst else 0.0)}, asked at most"
                text += f" {number(self.history.expect.number(f'{network}_max_norm') or 0.0)}"
                results.append(
                    self.find(Severity.CRITICAL, streak.first_step, text, ("gradient_explosion", "config_not_honoured"))
                )
        return results

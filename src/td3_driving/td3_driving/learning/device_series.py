# SPDX-License-Identifier: Apache-2.0
"""Sums and extremes of the series of many updates, kept on the device until a log point asks for them."""

from __future__ import annotations

import math
from collections import Counter

import torch
from torch import Tensor

from td3_driving.learning.series import is_extreme

LOSS = "train/critic_loss"


class Window:
    """The series of one form of update: the same tags, in the same order, every time."""

    def __init__(self, tags: list[str], device: torch.device) -> None:
        self.tags = tags
        self._sums, self._least, self._greatest = (torch.empty(len(tags), device=device) for _ in range(3))
        self.clear()

    def add(self, values: Tensor) -> None:
        """Take in the values of one update, ``(tags,)``."""
        self._sums.add_(values)
        torch.minimum(self._least, values, out=self._least)
        torch.maximum(self._greatest, values, out=self._greatest)

    def clear(self) -> None:
        self._sums.zero_()
        self._least.fill_(math.inf)
        self._greatest.fill_(-math.inf)

    def read(self) -> dict[str, tuple[float, float, float]]:
        """Sum, least and greatest value by tag."""
        rows = torch.stack((self._sums, self._least, self._greatest), dim=1).tolist()
        return {tag: (total, least, greatest) for tag, (total, least, greatest) in zip(self.tags, rows, strict=True)}


class DeviceSeries:
    """What :class:`~td3_driving.learning.series.Meter` does, for updates that a CUDA graph may repeat.

    The updates with the actor have more tags than those without, so each form has its own window.
    """

    def __init__(self) -> None:
        self._windows: dict[bool, Window] = {}
        self._counts: Counter[bool] = Counter()

    def add(self, with_actor: bool, report: dict[str, Tensor]) -> None:
        """Take in the series of one update."""
        values = torch.stack([value.float() for value in report.values()])
        if with_actor not in self._windows:
            self._windows[with_actor] = Window(list(report), values.device)
        self._windows[with_actor].add(values)

    def count(self, with_actor: bool) -> None:
        """One more update was given to the device; a CUDA graph cannot count for the processor."""
        self._counts[with_actor] += 1

    def loss(self) -> float:
        """Sum of the critic's losses since the last :meth:`pop`; not finite if one was not. Waits for the device."""
        return math.fsum(window.read()[LOSS][0] for window in self._windows.values())

    def pop(self) -> dict[str, float]:
        """Means by tag, and extremes of the tags that end in ``_max`` and ``_min``; waits for the device."""
        parts = [(window.read(), self._counts[form]) for form, window in self._windows.items() if self._counts[form]]
        values = {}
        for tag in {tag: None for part, _ in parts for tag in part}:
            rows = [(*part[tag], count) for part, count in parts if tag in part]
            sums, least, greatest, counts = zip(*rows, strict=True)
            extreme = max(greatest) if tag.endswith("_max") else min(least)
            values[tag] = extreme if is_extreme(tag) else sum(sums) / sum(counts)
        self._counts.clear()
        for window in self._windows.values():
            window.clear()
        return values

# SPDX-License-Identifier: Apache-2.0
"""Messages of every kind whose fields hold their extremes."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np

BITS = {"uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64, "int32": 32}
FLOATS = (0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 5e-324, 1e30, -1e30)
DOUBLES = (*FLOATS, 1e300, -1e300)
TEXTS = ("", "actor_0", "actor_9", "x" * 300, "\x00", "ä\u2028", "train/q1_value")
LENGTHS = (0, 1, 2, 5, 37)


class Extremes:
    """Changes fields of messages to values at the ends of their types.

    Args:
        rng: decides what is changed, and how.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def of(self, genuine: Any) -> Any:
        """A copy of ``genuine``; each field keeps its value in two of three cases."""
        message = copy.deepcopy(genuine)
        for name, kind in message.get_fields_and_field_types().items():
            if self._rng.random() < 1 / 3:
                setattr(message, name, self._value(kind, getattr(message, name)))
        return message

    def _value(self, kind: str, now: Any) -> Any:
        many = re.fullmatch(r"(?:sequence<(\w+)>|(\w+)\[(\d+)\])", kind)
        if many is not None:
            length = int(many[3]) if many[3] else self._one(LENGTHS)
            return [self._single(many[1] or many[2]) for _ in range(length)]
        if "/" in kind:
            now.stamp.sec, now.stamp.nanosec = self._one((-(2**31), 0, 2**31 - 1)), self._one((0, 2**32 - 1))
            return now
        return self._single(kind)

    def _single(self, kind: str) -> Any:
        if kind == "boolean":
            return bool(self._rng.integers(2))
        if kind == "string":
            return self._one(TEXTS)
        if kind in ("float", "double"):
            return self._one(DOUBLES if kind == "double" else FLOATS)
        top = 2 ** BITS[kind]
        return self._one((0, 1, 3, 250, top // 2 - 1, top // 2, top // 2 + 5, top - 2, top - 1))

    def _one(self, values: Any) -> Any:
        return values[self._rng.integers(len(values))]

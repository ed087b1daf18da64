# SPDX-License-Identifier: Apache-2.0
"""Messages of every kind whose fields hold their extremes, and the callbacks that must bear them.

``TD3_DRIVING_CASES`` says how many of each kind.
"""

from __future__ import annotations

import array
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from td3_driving.nodes.ros.entry import RunEnd

CASES = int(os.environ.get("TD3_DRIVING_CASES", "200"))
FEW = max(CASES // 10, min(CASES, 100))
"""Of messages that cost milliseconds each: a new route, a new world, a verdict of the doctor."""
WHOLE = {"int8": -7, "uint8": 8, "octet": 8, "int16": -15, "uint16": 16, "int32": -31, "uint32": 32}
WHOLE |= {"int64": -63, "uint64": 64}
"""Bits of the types of whole numbers; negative where the type has a sign."""
CODES = {"int8": "b", "uint8": "B", "octet": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I"}
CODES |= {"int64": "q", "uint64": "Q", "float": "f", "double": "d"}
FLOATS = (0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 1.401298464324817e-45, 1e30, -1e30, 3e38)
DOUBLES = (*FLOATS, 5e-324, 1e300, -1e300, 1.7976931348623157e308)
TEXTS = ("", "actor_0", "actor_9", "x" * 300, "\x00", "ä\u2028", "train/q1_value", "vehicle.*", "[")
ENCODINGS = ("rgb8", "bgr8", "bgra8", "mono8", "mono16", "rgba16", "yuv422", "bayer_rggb8", "32FC1", "jpeg", "png")
LENGTHS = (0, 1, 2, 5, 37)
IN_A_ROW = 5
"""Messages between two rounds of genuine ones."""
MOST_ELEMENTS = 3
"""Elements of a sequence of messages whose own fields are changed."""


class QuietLogger:
    """A logger in the place of a node's own, whose bookkeeping takes longer than a callback."""

    def info(self, *_: object, **__: object) -> None:
        """Nothing is written."""

    warning = error = info


def quieten(node: Any) -> None:
    """Let a node write no log."""
    node.get_logger = QuietLogger


class Leaf(NamedTuple):
    """A field and the extremes of its type."""

    owner: Any
    name: str
    genuine: Any
    values: list[Any]


class Extremes:
    """Changes fields of messages to values at the ends of their types."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._plans: dict[int, tuple[Any, list[Leaf]]] = {}
        self._changed: list[Leaf] = []

    def of(self, genuine: Any) -> Any:
        """``genuine`` itself with one field or more at an extreme, until the next call or :meth:`put_right`."""
        self.put_right()
        if id(genuine) not in self._plans:
            self._plans[id(genuine)] = genuine, list(_leaves(genuine))
        leaves = self._plans[id(genuine)][1]
        count = 1 + int(self._rng.expovariate(0.7))
        self._changed = [self._rng.choice(leaves) for _ in range(count)]
        for leaf in self._changed:
            setattr(leaf.owner, leaf.name, self._rng.choice(leaf.values))
        return genuine

    def put_right(self) -> None:
        """Give the changed fields their genuine values again."""
        for leaf in self._changed:
            setattr(leaf.owner, leaf.name, leaf.genuine)
        self._changed = []

    def bytes_of(self, data: bytes) -> bytes:
        """``data`` cut off, lengthened or with flipped bits."""
        kind, place = self._rng.randrange(4), self._rng.randrange(len(data))
        if kind == 0:
            return data[:place]
        if kind == 1:
            return data + self._rng.randbytes(1 + place % 64)
        flipped = bytearray(data)
        for _ in range(1 + place % 5):
            flipped[self._rng.randrange(len(data))] = self._rng.choice((0, 1, 127, 128, 255))
        return bytes(flipped)


def _leaves(message: Any) -> Iterator[Leaf]:
    for name, kind in message.get_fields_and_field_types().items():
        now = getattr(message, name)
        many = re.fullmatch(r"sequence<([\w/]+)(?:, \d+)?>|([\w/]+)\[(\d+)\]", kind)
        if many is None and "/" in kind:
            yield from _leaves(now)
        elif many is None:
            yield Leaf(message, name, now, _singles(kind, name))
        elif "/" in (many[1] or many[2]):
            for element in now[:MOST_ELEMENTS]:
                yield from _leaves(element)
            if many[1]:
                yield Leaf(message, name, now, [[], now[:1], now[:2], now * 2])
        else:
            yield Leaf(message, name, now, _arrays(many[1] or many[2], now, int(many[3] or 0)))


def _singles(kind: str, name: str) -> list[Any]:
    if kind == "boolean":
        return [False, True]
    if kind.startswith(("string", "wstring")):
        return [*TEXTS, *(ENCODINGS if name in ("encoding", "format") else ())]
    if kind in ("float", "double"):
        return list(DOUBLES if kind == "double" else FLOATS)
    bits = WHOLE[kind]
    least, top = (0, 2**bits) if bits > 0 else (-(2**-bits), 2**-bits)
    return sorted({least, 0, 1, 3, min(250, top - 1), top // 2 - 1, top // 2, top - 2, top - 1})


def _arrays(kind: str, now: Any, fixed: int) -> list[Any]:
    """Arrays of an extreme alone, and arrays with one in the place of a genuine value."""
    lengths = {fixed} if fixed else {*LENGTHS, max(len(now) - 1, 0), len(now), len(now) + 1}
    fills = _singles(kind, "")
    filled = [_sequence(kind, [fill] * length) for length in lengths for fill in fills]
    one = [_sequence(kind, [*now[:-1], fill]) for fill in fills] if len(now) and len(now) < 1000 else []
    return filled + one


def _sequence(kind: str, values: list[Any]) -> Any:
    return array.array(CODES[kind], values) if kind in CODES else values


def hurl(
    genuine: Any,
    seed: int,
    *callbacks: Callable[[Any], object],
    between: Callable[[], object] = int,
    cases: int = CASES,
) -> int:
    """Pass messages to the callbacks, which may end the run and must not fail; how often they ended it.

    Args:
        between: called after every :data:`IN_A_ROW` messages.
    """
    extremes, ended, start = Extremes(seed), 0, time.monotonic()
    for number in range(cases):
        message = extremes.of(genuine)
        for callback in callbacks:
            ended += ends_run(callback, message)
        if number % IN_A_ROW == 0:
            extremes.put_right()
            between()
    extremes.put_right()
    say(type(genuine).__name__, cases, ended, time.monotonic() - start)
    return ended


def ends_run(callback: Callable[[Any], object], message: Any) -> bool:
    """Whether a callback ended the run with a reason."""
    try:
        callback(message)
    except RunEnd:
        return True
    return False


def say(kind: str, cases: int, ended: int, seconds: float) -> None:
    """One line of JSON about a kind of message where the long proof asks for it."""
    if "TD3_DRIVING_CASES" in os.environ:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[-1].split(" ")[0]
        line = {"test": test, "message": kind, "cases": cases, "ended": ended, "seconds": round(seconds, 1)}
        print(json.dumps(line), flush=True)

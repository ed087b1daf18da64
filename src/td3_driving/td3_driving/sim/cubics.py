# SPDX-License-Identifier: Apache-2.0
"""Piecewise cubics as OpenDRIVE has them: rows of a start and the coefficients a, b, c, d from there on."""

from __future__ import annotations

from bisect import bisect_right

Row = tuple[float, float, float, float, float]
"""Start [m], then a, b, c, d of a + b s + c s² + d s³ with s from the start [m]."""
Cubics = list[Row]
"""Ordered by their starts; nothing before the first one counts."""
ZERO: Cubics = [(0.0, 0.0, 0.0, 0.0, 0.0)]


def moved(row: Row, start: float) -> Row:
    """The same cubic with its coefficients from ``start`` [m] on."""
    h = start - row[0]
    _, a, b, c, d = row
    return start, a + h * (b + h * (c + h * d)), b + h * (2.0 * c + 3.0 * h * d), c + 3.0 * h * d, d


def combined(first: Cubics, second: Cubics, factor: float) -> Cubics:
    """``first + factor * second``, with a row at each start of either."""
    starts = sorted({row[0] for row in first} | {row[0] for row in second})
    return [_sum(start, _at(first, start), _at(second, start), factor) for start in starts]


def _at(cubics: Cubics, start: float) -> Row:
    index = max(bisect_right([row[0] for row in cubics], start) - 1, 0)
    return moved(cubics[index], start)


def _sum(start: float, first: Row, second: Row, factor: float) -> Row:
    a, b, c, d = (one + factor * other for one, other in zip(first[1:], second[1:]))
    return start, a, b, c, d

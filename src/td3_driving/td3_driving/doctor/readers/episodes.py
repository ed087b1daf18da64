# SPDX-License-Identifier: Apache-2.0
"""Episodes of several environments that ran side by side, each with a monitor file of its own."""

from __future__ import annotations

import heapq
from typing import Iterator

from td3_driving.doctor.readers.streams import Stream
from td3_driving.doctor.scalars import Scalar


def monitors_merged(streams: list[Stream], samples: list[Iterator[Scalar]]) -> list[Iterator[Scalar]]:
    """``samples`` with those of several monitor files as one, dated by the steps of all environments together."""
    monitors = [item for stream, item in zip(streams, samples) if stream.is_monitor]
    if len(monitors) < 2:
        return samples
    others = [item for stream, item in zip(streams, samples) if not stream.is_monitor]
    return [*others, _together(monitors)]


def _together(monitors: list[Iterator[Scalar]]) -> Iterator[Scalar]:
    marked = [_marked(number, item) for number, item in enumerate(monitors)]
    steps = [0] * len(monitors)
    for number, sample in heapq.merge(*marked, key=lambda entry: entry[1].wall):
        steps[number] = sample.step
        yield sample._replace(step=sum(steps))


def _marked(number: int, samples: Iterator[Scalar]) -> Iterator[tuple[int, Scalar]]:
    for sample in samples:
        yield number, sample

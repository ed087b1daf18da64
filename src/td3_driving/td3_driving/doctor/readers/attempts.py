# SPDX-License-Identifier: Apache-2.0
"""One run in several files, or several runs in one folder.

A file continues an earlier one if its steps begin clearly later (a resumed run; points of the earlier file beyond that
step were rolled back). A file whose steps begin where another file's began is another attempt. A file that shares no
series with the others completes them, as when one writer logs the training and another the evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Iterator, NamedTuple

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.readers.streams import Stream
from td3_driving.doctor.scalars import ReadReport, Scalar

# A resumed run begins at least at this share of the span of the run before it.
LATER = 0.1
ENVIRONMENT_KEYS = ("env_id", "env", "env_name", "task")


class Span(NamedTuple):
    """First and last step of a series in one file."""

    first: int
    last: int


@dataclass
class Profile:
    """What one file holds."""

    stream: Stream
    spans: dict[str, Span] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0
    texts: dict[str, str] = field(default_factory=dict)


@dataclass
class Segment:
    """Streams that are read together; ``until`` is the step per tag at which a later segment takes over."""

    streams: list[Stream]
    until: dict[str, int] = field(default_factory=dict)

    def keeps(self, scalar: Scalar) -> bool:
        """Whether the sample was not rolled back."""
        return scalar.step < self.until.get(scalar.tag, scalar.step + 1)


def profile(stream: Stream) -> Profile:
    """Read a stream once for its spans."""
    report = ReadReport(str(stream.path))
    found = Profile(stream)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    walls: list[float] = []
    try:
        for tag, step, _, wall in stream.read(report):
            first.setdefault(tag, step)
            last[tag] = step
            if not walls:
                walls = [wall, wall]
            walls[1] = wall
    except Unusable:
        pass
    found.spans = {tag: Span(step, max(step, last[tag])) for tag, step in first.items()}
    found.began, found.ended = walls or (0.0, 0.0)
    found.texts = report.texts
    return found


def divided(streams: list[Stream]) -> list[list[Segment]]:
    """The runs in the files of one folder, each as segments in the order of time."""
    if len(streams) == 1:
        return [[Segment(list(streams))]]
    profiles = [item for item in map(profile, streams) if item.spans]
    if not profiles:
        return [[Segment(streams)]]
    runs: list[list[list[Profile]]] = []
    for item in sorted(profiles, key=lambda found: (found.began, str(found.stream.path))):
        _assign(item, runs)
    return [_segments(run) for run in runs]


def one_after_another(streams: list[Stream]) -> list[Segment]:
    """The files of a run that is known to be one, in the order of time."""
    profiles = [item for item in map(profile, streams) if item.spans] if len(streams) > 1 else []
    if not profiles:
        return [Segment(list(streams))]
    return _segments([[item] for item in sorted(profiles, key=lambda found: found.began)])


def _assign(item: Profile, runs: list[list[list[Profile]]]) -> None:
    """Put a file into the run that it completes or continues, else into a new run."""
    for run in reversed(runs):
        if not any(set(item.spans) & set(other.spans) for segment in run for other in segment):
            run[-1].append(item)
            return
    for run in reversed(runs):
        if any(_goes_on_with(item, other) for other in run[-1]):
            run.append([item])
            return
    runs.append([[item]])


def _goes_on_with(item: Profile, earlier: Profile) -> bool:
    shared = set(item.spans) & set(earlier.spans)
    if not shared or _other_environment(item, earlier):
        return False
    if earlier.began < item.began < earlier.ended < item.ended and item.began - earlier.began < 0.5 * (
        earlier.ended - earlier.began
    ):
        return False
    return median(_later(item.spans[tag], earlier.spans[tag]) for tag in shared) > LATER


def _later(span: Span, earlier: Span) -> float:
    """Place at which a file begins within the span of the earlier one: 0 is its beginning, 1 its end."""
    width = earlier.last - earlier.first
    return (span.first - earlier.first) / width if width > 0 else float(span.first > earlier.first)


def _other_environment(item: Profile, earlier: Profile) -> bool:
    mine, others = _environment(item), _environment(earlier)
    return bool(mine and others and mine != others)


def _environment(item: Profile) -> str:
    for text in item.texts.values():
        for line in text.splitlines():
            cells = [cell.strip(" \"'`,") for cell in line.replace("|", ":").strip(":").split(":", 1)]
            if len(cells) == 2 and cells[0] in ENVIRONMENT_KEYS:
                return cells[1]
    return ""


def _segments(run: list[list[Profile]]) -> list[Segment]:
    segments = [Segment([item.stream for item in group]) for group in run]
    for number, group in enumerate(run):
        for later in run[number + 1 :]:
            for tag, span in _spans(later):
                mine = dict(_spans(group)).get(tag)
                if mine is not None and _later(span, mine) > LATER:
                    segments[number].until[tag] = min(span.first, segments[number].until.get(tag, span.first))
    return segments


def _spans(group: list[Profile]) -> Iterator[tuple[str, Span]]:
    for item in group:
        yield from item.spans.items()

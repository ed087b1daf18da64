# SPDX-License-Identifier: Apache-2.0
"""Makes a replay memory from a bag and compares its steps with those that the learner was sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from td3_driving.bags.digest import step_digest
from td3_driving.bags.reading import Bag, BagError, BagMessage
from td3_driving.bags.rebuild import Rebuilder, RebuildError
from td3_driving.driving.decoding import experience
from td3_driving.driving.experience import Experience
from td3_driving.driving.privileged import others_needed
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.topics import ALL_OBJECTS, COLLISION, COMMAND, EPISODE_START, IMAGE, OBJECTS, ODOMETRY, REPLAY
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import Settings

SENSORS = frozenset({IMAGE, ODOMETRY, COMMAND, EPISODE_START})
"""Topics without which no step can be rebuilt; see :func:`sensors_of`."""
StepKey = tuple[str, int, int]
"""Actor, session, sequence number."""


@dataclass
class Comparison:
    """Steps rebuilt from the sensors against the messages to the learner.

    Attributes:
        rebuilt, sent: digests by step.
    """

    rebuilt: dict[StepKey, bytes] = field(default_factory=dict)
    sent: dict[StepKey, bytes] = field(default_factory=dict)

    @property
    def equal(self) -> int:
        """Steps that agree to the bit."""
        return sum(self.sent.get(key) == digest for key, digest in self.rebuilt.items())

    @property
    def different(self) -> list[StepKey]:
        """Steps that are on both sides and differ."""
        shared = self.rebuilt.keys() & self.sent.keys()
        return sorted(key for key in shared if self.rebuilt[key] != self.sent[key])

    @property
    def only_rebuilt(self) -> list[StepKey]:
        """Steps whose message to the learner is not in the bag."""
        return sorted(self.rebuilt.keys() - self.sent.keys())


@dataclass
class Replayed:
    """The result of replaying a bag.

    Attributes:
        source: ``sensors`` or ``messages``.
        comparison: ``None`` unless the bag holds both.
        filled: steps taken from the messages to the learner because the bag lacks a part of their frames.
    """

    source: str
    memory: ReplayMemory
    intake: ExperienceIntake
    comparison: Comparison | None
    filled: int


def sensors_of(settings: Settings, there: set[str]) -> frozenset[str]:
    """Topics without which no step of a run can be rebuilt, where the bag holds those called ``there``.

    Either object list will do where the run needed one.
    """
    if not others_needed(settings):
        return SENSORS
    return SENSORS | {ALL_OBJECTS if ALL_OBJECTS in there and OBJECTS not in there else OBJECTS}


def replay(bag: Bag, settings: Settings, source: str = "", directory: Path | None = None) -> Replayed:
    """Rebuild the steps of a bag and put them through the learner's own intake into a memory.

    Args:
        source: ``sensors``: images, odometry, objects and commands, and where the bag lacks some of these, the
            messages to the learner; ``messages``: these alone; "": the sensors where the bag holds them.
        directory: of the memory; ``None`` keeps it in main memory.

    Raises:
        BagError: the bag does not hold what is needed, or is damaged.
        ReplayError: the memory cannot be made.
    """
    there = bag.names()
    basis = sensors_of(settings, there)
    if settings.observation.cameras and source == "sensors":
        raise BagError(f"{bag.path} holds the images of the front camera alone; its policy looked through more")
    sensors, messages = there >= basis and not settings.observation.cameras, REPLAY in there
    source = source or ("sensors" if sensors else "messages")
    if not (sensors if source == "sensors" else messages):
        needed = basis - there if source == "sensors" else {REPLAY}
        raise BagError(f"{bag.path} holds no messages on {', '.join(sorted(needed))}, so no steps can be rebuilt")
    dimension = state_dim(settings.observation)
    memory = ReplayMemory(settings, dimension, directory)
    intake = ExperienceIntake(settings, dimension, memory)
    comparison, merged = Comparison(), _Merge(intake)
    course = _Course(settings)
    wanted = ({*basis, COLLISION} if sensors else set()) | ({REPLAY} if messages else set())
    for origin, step in course.steps(bag.messages(wanted)):
        digests = comparison.rebuilt if origin == "sensors" else comparison.sent
        digests.setdefault((step.actor_id, step.session_id, step.sequence), step_digest(step))
        if origin == source:
            merged.take(step)
        elif source == "sensors":
            merged.keep(step)
    merged.finish()
    memory.flush()
    return Replayed(source, memory, intake, comparison if sensors and messages else None, merged.filled)


class _Merge:
    """Puts rebuilt steps into the memory, and between them the steps known only by their message.

    Attributes:
        filled: steps known only by their message.
    """

    def __init__(self, intake: ExperienceIntake) -> None:
        self._intake = intake
        self._kept: dict[tuple[str, int], dict[int, Experience]] = defaultdict(dict)
        self._next: dict[tuple[str, int], int] = defaultdict(int)
        self.filled = 0

    def take(self, step: Experience) -> None:
        """Insert a rebuilt step, after the kept messages of earlier steps."""
        stream = step.actor_id, step.session_id
        self._fill(stream, step.sequence)
        self._kept[stream].pop(step.sequence, None)
        self._intake.accept(step)
        self._next[stream] = step.sequence + 1

    def keep(self, step: Experience) -> None:
        """Keep the message of a step that may yet be rebuilt."""
        stream = step.actor_id, step.session_id
        if step.sequence >= self._next[stream]:
            self._kept[stream][step.sequence] = step

    def finish(self) -> None:
        """Insert all kept messages: their steps can no longer be rebuilt."""
        for stream, kept in self._kept.items():
            self._fill(stream, max(kept, default=-1) + 1)

    def _fill(self, stream: tuple[str, int], end: int) -> None:
        kept = self._kept[stream]
        for sequence in sorted(number for number in kept if number < end):
            self._intake.accept(kept.pop(sequence))
            self.filled += 1


class _Course:
    """Passes the messages of a bag to one :class:`Rebuilder` per actor."""

    def __init__(self, settings: Settings) -> None:
        self._several = settings.run.num_actors > 1
        self._actors: dict[str, Rebuilder] = defaultdict(lambda: Rebuilder(settings))

    def steps(self, messages: Iterator[BagMessage]) -> Iterator[tuple[str, Experience]]:
        """Steps with their origin, ``sensors`` or ``messages``.

        Raises:
            BagError: a message cannot have come from a run.
        """
        try:
            for heard in messages:
                if heard.name == REPLAY:
                    yield "messages", experience(heard.message)
                    continue
                shared = heard.name == EPISODE_START and self._several
                space = f"/{heard.message.actor_id}" if shared else heard.space
                for step in _add(self._actors[space], heard):
                    yield "sensors", step
            for actor in self._actors.values():
                for step in actor.finish():
                    yield "sensors", step
        except (RebuildError, OverflowError) as error:
            raise BagError(f"the bag cannot be from a run: {error}") from error


def _add(actor: Rebuilder, heard: BagMessage) -> list[Experience]:
    if heard.name == IMAGE:
        return actor.add_image(heard.message)
    if heard.name == ODOMETRY:
        return actor.add_odometry(heard.message)
    if heard.name in (OBJECTS, ALL_OBJECTS):
        return actor.add_objects(heard.message)
    if heard.name == COMMAND:
        return actor.add_command(heard.message)
    if heard.name == COLLISION:
        return actor.add_collision(heard.message)
    return actor.add_start(heard.message)

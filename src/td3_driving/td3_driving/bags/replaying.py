# SPDX-License-Identifier: Apache-2.0
"""Makes a replay memory from a bag and compares its steps with those that the learner was sent."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from td3_driving.bags.digest import step_digest
from td3_driving.bags.reading import Bag, BagError, BagMessage
from td3_driving.bags.rebuild import Rebuilder, RebuildError
from td3_driving.bags.timeline import WINDOW, ClockError
from td3_driving.driving.decoding import experience
from td3_driving.driving.experience import Experience
from td3_driving.driving.privileged import others_needed
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.topics import (
    ALL_OBJECTS,
    COLLISION,
    COMMAND,
    EPISODE,
    EPISODE_START,
    IMAGE,
    OBJECTS,
    ODOMETRY,
    REPLAY,
    REWARD,
)
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import Settings

SENSORS = frozenset({IMAGE, ODOMETRY, COMMAND, EPISODE_START, REWARD})
"""Topics without which no step can be rebuilt; see :func:`sensors_of`."""
SHARED = frozenset({EPISODE_START, REWARD, EPISODE})
"""Topics whose messages name their actor: all actors of a run use one."""
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
    course = _Course(settings, bag, needed=source == "sensors")
    wanted = ({*basis, COLLISION, EPISODE} if sensors else set()) | ({REPLAY} if messages else set())
    for origin, step in course.steps(bag.messages(wanted)):
        digests = comparison.rebuilt if origin == "sensors" else comparison.sent
        digests.setdefault((step.actor_id, step.session_id, step.sequence), step_digest(step))
        if origin == source:
            merged.take(step)
        elif source == "sensors":
            merged.keep(step)
    merged.finish()
    memory.flush()
    compared = comparison if sensors and messages and course.comparable else None
    return Replayed(source, memory, intake, compared, merged.filled)


@dataclass
class _Stream:
    """The steps of one actor in one session that are not in the memory yet.

    Attributes:
        rebuilt: in their order.
        kept: messages by sequence number.
        next: sequence number behind the last step that was put into the memory.
        seen: greatest sequence number of a message.
    """

    rebuilt: deque[Experience] = field(default_factory=deque)
    kept: dict[int, Experience] = field(default_factory=dict)
    next: int = 0
    seen: int = -1


class _Merge:
    """Puts rebuilt steps into the memory, and between them the steps known only by their message.

    The learner's intake takes steps in their order alone. So a rebuilt step waits for its own message, which comes
    after those of the steps before it.

    Attributes:
        filled: steps known only by their message.
    """

    def __init__(self, intake: ExperienceIntake) -> None:
        self._intake = intake
        self._streams: dict[tuple[str, int], _Stream] = defaultdict(_Stream)
        self._oldest: dict[str, int] = {}
        self.filled = 0

    def take(self, step: Experience) -> None:
        """Insert a rebuilt step, after the kept messages of earlier steps."""
        if self._comes_in_time(step):
            stream = self._streams[step.actor_id, step.session_id]
            stream.rebuilt.append(step)
            self._release(stream)

    def keep(self, step: Experience) -> None:
        """Keep the message of a step that may yet be rebuilt."""
        if self._comes_in_time(step):
            stream = self._streams[step.actor_id, step.session_id]
            stream.seen = max(stream.seen, step.sequence)
            stream.kept[step.sequence] = step
            self._release(stream)

    def finish(self) -> None:
        """Insert all that is left: what was not rebuilt can no longer be."""
        for name in sorted(self._streams):
            self._empty(self._streams[name])

    def _comes_in_time(self, step: Experience) -> bool:
        """Whether the steps before ``step`` are the only ones in the memory."""
        if step.session_id < self._oldest.get(step.actor_id, 0):
            return False
        return step.sequence >= self._streams[step.actor_id, step.session_id].next

    def _release(self, stream: _Stream) -> None:
        while stream.rebuilt and (stream.rebuilt[0].sequence <= stream.seen or len(stream.rebuilt) > WINDOW):
            self._insert(stream, stream.rebuilt.popleft())

    def _insert(self, stream: _Stream, step: Experience) -> None:
        self._end_sessions(step.actor_id, step.session_id)
        self._fill(stream, step.sequence)
        stream.kept.pop(step.sequence, None)
        self._intake.accept(step)
        stream.next = step.sequence + 1

    def _end_sessions(self, actor: str, session: int) -> None:
        """Insert what is left of the sessions of ``actor`` before ``session``: the intake takes them one by one."""
        if self._oldest.get(actor, 0) < session:
            self._oldest[actor] = session
            for name in sorted(name for name in self._streams if name[0] == actor and name[1] < session):
                self._empty(self._streams.pop(name))

    def _empty(self, stream: _Stream) -> None:
        while stream.rebuilt:
            self._insert(stream, stream.rebuilt.popleft())
        self._fill(stream, max(stream.kept, default=-1) + 1)

    def _fill(self, stream: _Stream, end: int) -> None:
        for sequence in sorted(number for number in stream.kept if number < end):
            self._intake.accept(stream.kept.pop(sequence))
            self.filled += 1


class _Course:
    """Passes the messages of a bag to one :class:`Rebuilder` per actor.

    Args:
        needed: whether the steps are taken from the sensors; else these are there to be compared alone.

    Attributes:
        comparable: whether the clocks of the sensors could be told apart.
    """

    def __init__(self, settings: Settings, bag: Bag, needed: bool) -> None:
        self._several, self._path, self._needed = settings.run.num_actors > 1, bag.path, needed
        self.comparable = True
        self._actors: dict[str, Rebuilder] = defaultdict(lambda: Rebuilder(settings, bag.told))

    def steps(self, messages: Iterator[BagMessage]) -> Iterator[tuple[str, Experience]]:
        """Steps with their origin, ``sensors`` or ``messages``.

        Raises:
            BagError: a message cannot have come from a run.
        """
        try:
            for heard in messages:
                if heard.name == REPLAY:
                    yield "messages", experience(heard.message)
                elif self.comparable:
                    for step in self._of_sensors(heard):
                        yield "sensors", step
            for actor in self._actors.values() if self.comparable else ():
                for step in actor.finish():
                    yield "sensors", step
        except (RebuildError, OverflowError) as error:
            raise BagError(f"the bag cannot be from a run: {error}") from error

    def _of_sensors(self, heard: BagMessage) -> list[Experience]:
        shared = heard.name in SHARED and self._several
        space = f"/{heard.message.actor_id}" if shared else heard.space
        try:
            return _add(self._actors[space], heard)
        except ClockError as error:
            if self._needed:
                raise BagError(f"{self._path}: {error}; take its steps from the messages: --source messages") from error
            self.comparable = False
            return []


def _add(actor: Rebuilder, heard: BagMessage) -> list[Experience]:
    add = {
        IMAGE: actor.add_image,
        ODOMETRY: actor.add_odometry,
        OBJECTS: actor.add_objects,
        ALL_OBJECTS: actor.add_objects,
        COLLISION: actor.add_collision,
        COMMAND: actor.add_command,
        REWARD: actor.add_reward,
        EPISODE: actor.add_summary,
        EPISODE_START: actor.add_start,
    }
    return add[heard.name](heard.message, heard.process)

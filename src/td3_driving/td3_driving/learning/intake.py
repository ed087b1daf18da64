# SPDX-License-Identifier: Apache-2.0
"""Checks every message from an actor, keeps the account of what came, and puts the good ones into the memory.

Account, true after every message: ``sent = received + lost`` and ``received = inserted + duplicate + rejected``.

* A jump ahead in the sequence numbers counts the numbers in between as lost.
* A number that was stored or refused before is a duplicate: DDS delivers the last messages again to a learner that was
  started anew.
* A number that was counted as lost and arrives after all counts as rejected instead: its place in the episode has
  passed, and runs are repeatable only while the order of insertion is.

A lost or rejected message breaks the chain: no stack and no next observation reaches across it.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import frame_shape
from td3_driving.driving.privileged import privileged_dim
from td3_driving.driving.reward import term_names
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import Settings

REWARD_TOLERANCE = 1e-6
MAX_MISSING_RANGES = 1000


class IntakeVerdict(enum.Enum):
    """What became of a message."""

    INSERTED = "inserted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class IntakeOutcome:
    """What became of a message, and why if it was not stored."""

    verdict: IntakeVerdict
    reason: str = ""

    @property
    def inserted(self) -> bool:
        return self.verdict is IntakeVerdict.INSERTED


@dataclass
class IntakeCounters:
    """Messages by what became of them, over all actors and sessions."""

    received: int = 0
    inserted: int = 0
    duplicate: int = 0
    rejected: int = 0
    lost: int = 0
    last_rejection: str = ""

    @property
    def sent(self) -> int:
        """Messages that the actors must have sent, repeated deliveries counted each time."""
        return self.received + self.lost


@dataclass
class ActorStream:
    """One (actor, session).

    Attributes:
        expected: the sequence number that comes next.
        missing: ranges ``[start, end)`` of numbers that were passed over, oldest first.
        previous: (episode_id, step_index, closed) of the message before, ``None`` when it is lost or was rejected.
        episode_floor: least episode id that can still come.
    """

    expected: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)
    previous: tuple[int, int, bool] | None = None
    episode_floor: int = 0


class ExperienceIntake:
    """Checks messages, counts them, and puts the good ones into the replay memory."""

    def __init__(self, settings: Settings, state_dim: int, memory: ReplayMemory) -> None:
        observation = settings.observation
        self._config_hash = settings.digest()
        self._frame_shape = frame_shape(observation)
        self._terms_shape = (len(term_names(settings.reward)),)
        self._state_dim = state_dim
        self._privileged_dim = privileged_dim(settings)
        self._memory = memory
        self._streams: dict[tuple[str, int], ActorStream] = {}
        self.counters = IntakeCounters()
        self._catch_up()

    def accept(self, experience: Experience) -> IntakeOutcome:
        """Check and store ``experience``; never raises for what a message contains."""
        self.counters.received += 1
        if experience.sequence < 0:
            return self._reject(f"sequence {experience.sequence} is negative")
        stream = self._streams.setdefault((experience.actor_id, experience.session_id), ActorStream())
        if experience.sequence < stream.expected:
            return self._late(stream, experience.sequence)
        self._pass_over(stream, experience.sequence)
        fault = self._fault(experience) or _order_fault(stream, experience)
        if fault:
            stream.previous = None
            return self._reject(f"{experience.actor_id} message {experience.sequence}: {fault}")
        self._memory.append(experience, linked=stream.previous is not None and not stream.previous[2])
        stream.previous = (experience.episode_id, experience.step_index, experience.closes_episode)
        stream.episode_floor = experience.episode_id + int(experience.closes_episode)
        self.counters.inserted += 1
        return IntakeOutcome(IntakeVerdict.INSERTED)

    def state(self) -> dict[str, Any]:
        """Counters and streams as plain data for a checkpoint."""
        streams = [[actor, session, asdict(stream)] for (actor, session), stream in self._streams.items()]
        return {"counters": asdict(self.counters), "streams": streams}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`, then count what reached the memory after it was taken."""
        self.counters = IntakeCounters(**state["counters"])
        self._streams = {}
        for actor, session, values in state["streams"]:
            previous, missing = values["previous"], [(int(start), int(end)) for start, end in values["missing"]]
            self._streams[(actor, session)] = ActorStream(
                values["expected"], missing, tuple(previous) if previous else None, values["episode_floor"]
            )
        self._catch_up()

    def _catch_up(self) -> None:
        """Count what the memory holds beyond the checkpoint, as after a kill of the learner.

        Messages between two stored ones that are not in the memory count as lost, even if they were rejected.
        """
        unknown, passed = self._memory.inserted - self.counters.inserted, 0
        for key, end in self._memory.stream_ends().items():
            stream = self._streams.setdefault(key, ActorStream())
            if end.sequence >= stream.expected:
                passed += end.sequence + 1 - stream.expected
                stream.expected = end.sequence + 1
                stream.previous = (end.episode_id, end.step_index, end.closed)
                stream.episode_floor = end.episode_id + int(end.closed)
        self.counters.inserted += unknown
        self.counters.received += unknown
        self.counters.lost += max(passed - unknown, 0)

    def _pass_over(self, stream: ActorStream, sequence: int) -> None:
        """Count the numbers between the expected one and ``sequence`` as lost."""
        if sequence > stream.expected:
            self.counters.lost += sequence - stream.expected
            stream.missing.append((stream.expected, sequence))
            del stream.missing[:-MAX_MISSING_RANGES]
            stream.previous = None
        stream.expected = sequence + 1

    def _late(self, stream: ActorStream, sequence: int) -> IntakeOutcome:
        for index, (start, end) in enumerate(stream.missing):
            if start <= sequence < end:
                parts = [(start, sequence), (sequence + 1, end)]
                stream.missing[index : index + 1] = [part for part in parts if part[0] < part[1]]
                self.counters.lost -= 1
                return self._reject(f"message {sequence} came after its place in the episode had been passed")
        self.counters.duplicate += 1
        return IntakeOutcome(IntakeVerdict.DUPLICATE, f"message {sequence} was received before")

    def _reject(self, reason: str) -> IntakeOutcome:
        self.counters.rejected += 1
        self.counters.last_rejection = reason
        return IntakeOutcome(IntakeVerdict.REJECTED, reason)

    def _fault(self, experience: Experience) -> str:
        """What is wrong with the content of one message; empty if nothing is."""
        if experience.config_hash != self._config_hash:
            return (
                f"configuration {experience.config_hash[:12]!r} of the actor is not the learner's "
                f"{self._config_hash[:12]!r}"
            )
        return (
            _array_fault("frame", experience.frame, self._frame_shape, np.uint8)
            or _array_fault("state", experience.state, (self._state_dim,), np.float32)
            or _array_fault("privileged", experience.privileged, (self._privileged_dim,), np.float32)
            or _array_fault("action", experience.action, (2,), np.float32)
            or _teacher_fault(experience.teacher_action)
            or _array_fault("reward_terms", experience.reward_terms, self._terms_shape, np.float64)
            or _value_fault(experience)
            or self._final_fault(experience)
        )

    def _final_fault(self, experience: Experience) -> str:
        frame, state, privileged = experience.final_frame, experience.final_state, experience.final_privileged
        if frame is None and state is None:
            return "" if privileged is None or not privileged.size else "final_privileged without a final_frame"
        if frame is None or state is None:
            return "final_frame and final_state must come together"
        if not experience.closes_episode:
            return "final_frame on a message that does not close the episode"
        return (
            _array_fault("final_frame", frame, self._frame_shape, np.uint8)
            or _array_fault("final_state", state, (self._state_dim,), np.float32)
            or self._final_privileged_fault(privileged)
        )

    def _final_privileged_fault(self, privileged: NDArray[np.float32] | None) -> str:
        if privileged is None:
            return "final_privileged is missing beside final_state" if self._privileged_dim else ""
        return _array_fault("final_privileged", privileged, (self._privileged_dim,), np.float32)


def _array_fault(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type[np.generic]) -> str:
    if array.shape != shape or array.dtype != dtype:
        return f"{name} is {array.shape} {array.dtype}, needed is {shape} {np.dtype(dtype)}"
    return "" if np.isfinite(array).all() else f"{name} is not finite"


def _teacher_fault(action: np.ndarray | None) -> str:
    if action is None:
        return ""
    fault = _array_fault("teacher_action", action, (2,), np.float32)
    return fault or ("" if np.abs(action).max() <= 1.0 else f"teacher_action {action.tolist()} is outside -1 .. 1")


def _value_fault(experience: Experience) -> str:
    if np.abs(experience.action).max() > 1.0:
        return f"action {experience.action.tolist()} is outside -1 .. 1"
    total = float(experience.reward_terms.sum())
    # Written so that a reward that is not a number is refused as well.
    if not abs(experience.reward - total) <= REWARD_TOLERANCE:
        return f"reward {experience.reward} is not the sum {total} of its terms"
    if experience.terminated and experience.truncated:
        return "both terminated and truncated"
    return ""


def _order_fault(stream: ActorStream, experience: Experience) -> str:
    """What is wrong with the order of episode and step numbers; empty if nothing is.

    An episode may begin before the last one was closed: a failure of the simulator ends an episode without a message.
    """
    episode, step = experience.episode_id, experience.step_index
    if not 0 <= step <= experience.sequence:
        return f"step {step} cannot have been reached with {experience.sequence} messages before it"
    if episode < stream.episode_floor:
        return f"step {step} of episode {episode} cannot come after episode {stream.episode_floor} began or was closed"
    if stream.previous is None:
        return ""
    before_episode, before_step, closed = stream.previous
    begins = step == 0 and episode > before_episode
    possible = begins or (not closed and (episode, step) == (before_episode, before_step + 1))
    ending = "the end" if closed else f"step {before_step}"
    return "" if possible else f"step {step} of episode {episode} cannot follow {ending} of episode {before_episode}"

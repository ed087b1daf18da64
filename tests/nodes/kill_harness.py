# SPDX-License-Identifier: Apache-2.0
"""Kills the simulator of a training run, and looks for steps that cannot have happened."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from td3_driving_msgs.msg import Experience

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos

from ..shared.patience import HANG
from .run_harness import Ear, Run


@dataclass(frozen=True)
class Step:
    """What identifies a step, and when it began in simulated time [ns]."""

    session: int
    sequence: int
    episode: int
    index: int
    stamp: int
    closed: bool


class StepEar(Ear):
    """Also keeps the steps that were sent to the learner."""

    def __init__(self, domain: int) -> None:
        super().__init__(domain)
        self.steps: list[Step] = []
        self.node.create_subscription(Experience, "/td3/replay", self._on_step, qos.REPLAY)

    def _on_step(self, message: Experience) -> None:
        closed = message.terminated or message.truncated
        stamp = nanoseconds(message.header.stamp)
        self.steps.append(
            Step(message.session_id, message.sequence, message.episode_id, message.step_index, stamp, closed)
        )


def impossible(steps: Sequence[Step], frame_ns: int) -> list[str]:
    """What is wrong with the steps of one actor: gaps in the numbers, or a step that spans more than one frame."""
    wrong = []
    for one, two in zip(steps, steps[1:]):
        if (two.session, two.sequence) != (one.session, one.sequence + 1):
            wrong.append(f"step {two.sequence} after step {one.sequence}")
        if two.episode == one.episode:
            if one.closed or two.index != one.index + 1:
                wrong.append(f"step {two.index} of episode {two.episode} after step {one.index}, closed {one.closed}")
            if abs(two.stamp - one.stamp - frame_ns) > 2:
                wrong.append(f"step {one.index} of episode {one.episode} took {(two.stamp - one.stamp) * 1e-9:.3f} s")
        elif two.index != 0:
            wrong.append(f"episode {two.episode} begins with step {two.index}")
    return wrong


def kill_simulators(run: Run, ear: Ear, count: int, steps_between: int, seconds_between: float = 0.0) -> int:
    """Kill the simulator ``count`` times, each after some progress, and wait for the new one; how often it was killed.

    Args:
        steps_between: steps that the run takes between two kills.
        seconds_between: least wall time between two kills [s]: too many deaths in a minute end a run.
    """
    killed_at = -seconds_between
    for number in range(count):
        goal = ear.step + steps_between
        run.until(lambda: ear.step >= goal, f"step {goal} before kill {number}", ear)  # noqa: B023
        run.until(lambda: time.monotonic() - killed_at >= seconds_between, "the time to kill", ear)  # noqa: B023
        killed_at = time.monotonic()
        victim = run.kill("simulator")
        run.until(lambda: run.pid("simulator") not in (None, victim), "a new simulator", ear, HANG)  # noqa: B023
    return count

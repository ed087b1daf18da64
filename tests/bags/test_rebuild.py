# SPDX-License-Identifier: Apache-2.0
"""Steps rebuilt from topics equal those that were made of them, to the bit."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from td3_driving.bags.digest import step_digest
from td3_driving.bags.provenance import UNKNOWN
from td3_driving.bags.rebuild import Rebuilder, RebuildError
from td3_driving.driving.action import to_command
from td3_driving.driving.decoding import action_of
from td3_driving.driving.episode import ExitReason
from td3_driving.driving.experience import Experience
from td3_driving.driving.privileged import privileged_dim

from .recorded_drive import FRAME_NS, Drive, settings


def rebuilt(drive: Drive, heard: list[tuple[str, Any]] | None = None, told: bool = True) -> list[Experience]:
    rebuilder = Rebuilder(drive.options, told)
    steps = []
    for topic, message in drive.heard if heard is None else heard:
        if topic != "replay":
            steps += getattr(rebuilder, f"add_{topic}")(message, message.process if told else UNKNOWN)
    return steps + rebuilder.finish()


def same(left: list[Experience], right: list[Experience]) -> bool:
    keys = [[(step.episode_id, step.step_index, step.sequence) for step in side] for side in (left, right)]
    return keys[0] == keys[1] and list(map(step_digest, left)) == list(map(step_digest, right))


def test_episodes_one_after_another() -> None:
    drive = Drive()
    reasons = [drive.episode() for _ in range(6)]
    assert reasons == [ExitReason.TIME_LIMIT] * 6
    assert len(drive.sent) == 6 * 12
    assert same(rebuilt(drive), drive.sent)


def test_a_collision_closes_the_episode_where_it_did() -> None:
    drive = Drive()
    drive.reset()
    for _ in range(4):
        drive.frame()
    assert drive.frame(collide=True) is ExitReason.COLLISION
    drive.episode()
    assert len(drive.sent) == 4 + 12
    assert same(rebuilt(drive), drive.sent)
    without = [pair for pair in drive.heard if pair[0] != "collision"]
    assert not same(rebuilt(drive, without), drive.sent)


TAUGHT: dict[str, Any] = {"learning__teacher": "idm", "observation__colour": "colour", "observation__stack_stride": 2}


def test_what_critic_and_teacher_knew_is_rebuilt() -> None:
    drive = Drive(settings(**TAUGHT))
    drive.episode()
    steps = rebuilt(drive)
    assert same(steps, drive.sent) and len(steps) == 12
    dimension = privileged_dim(drive.options)
    assert all(step.privileged.shape == (dimension,) and step.teacher_action is not None for step in steps)
    assert steps[-1].final_privileged is not None and steps[0].frame.shape == (3, 36, 36)
    alone = [(topic, nobody(message) if topic == "objects" else message) for topic, message in drive.heard]
    assert not same(rebuilt(drive, alone), drive.sent), "the other cars are in the steps"


def nobody(message: Any) -> Any:
    """An object list without objects."""
    return SimpleNamespace(header=message.header, objects=[], process=message.process)


def test_a_critic_that_looks_through_the_camera_needs_no_objects() -> None:
    drive = Drive(settings(network__critic="camera"))
    drive.episode()
    steps = rebuilt(drive, [pair for pair in drive.heard if pair[0] != "objects"])
    assert same(steps, drive.sent) and steps[0].privileged.size == 0


@pytest.mark.parametrize("part", ["privileged", "final_privileged", "teacher_action"])
def test_a_step_is_another_one_with_another_privileged_vector(part: str) -> None:
    drive = Drive(settings(**TAUGHT))
    drive.episode()
    step = drive.sent[-1]
    changed = np.nextafter(getattr(step, part), np.float32(9.0))
    assert step_digest(replace(step, **{part: changed})) != step_digest(step)


@pytest.mark.parametrize("lost", ["image", "odometry", "objects"])
def test_a_lost_frame_cuts_the_episode_where_it_did(lost: str) -> None:
    drive = Drive()
    drive.reset()
    for _ in range(5):
        drive.frame()
    drive.frame(lose=lost)
    drive.now_ns += 7 * 50_000_000
    drive.episode()
    assert len(drive.sent) == 4 + 12
    assert same(rebuilt(drive), drive.sent)


def test_a_frame_that_only_the_policy_missed_is_not_scored() -> None:
    """The recorder heard a frame that the policy did not: no command answers it, so there is no step to it."""
    drive = Drive()
    drive.reset()
    for _ in range(5):
        drive.frame()
    drive.idle()
    drive.episode()
    assert same(rebuilt(drive), drive.sent) and len(drive.sent) == 4 + 12


@pytest.mark.parametrize("what", ["image", "odometry", "command"])
@pytest.mark.parametrize("place", [0, 1, 6])
def test_what_the_bag_lacks_costs_steps_and_changes_none(what: str, place: int) -> None:
    """The policy saw the frame: the rest of its episode cannot be rebuilt, and nothing else takes its place."""
    drive = Drive()
    for _ in range(2):
        drive.episode()
    found = [index for index, (topic, _) in enumerate(drive.heard) if topic == what]
    steps = rebuilt(drive, drive.heard[: found[place]] + drive.heard[found[place] + 1 :])
    kept = [step for step in drive.sent if step.episode_id == 1 or step.step_index < place - 1]
    assert same(steps, kept)


@pytest.mark.parametrize("lead_ns", [0, FRAME_NS // 2])
def test_frames_lost_between_episodes_cut_none(lead_ns: int) -> None:
    """The resets of CARLA take many frames, and a policy that waits may miss some of them."""
    drive = Drive(lead_ns=lead_ns)
    for _ in range(3):
        drive.idle()
        drive.now_ns += 16 * FRAME_NS
        drive.episode()
    assert len(drive.sent) == 3 * 12
    assert same(rebuilt(drive), drive.sent)


@pytest.mark.parametrize("lead_ns", [0, FRAME_NS // 2])
def test_an_episode_without_its_first_frame_is_not_rebuilt(lead_ns: int) -> None:
    """Its steps would begin with another stack of frames than those of the learner."""
    drive = Drive(lead_ns=lead_ns)
    drive.episode()
    drive.idle()
    drive.reset()
    before = len(drive.heard)
    drive.frame()
    del drive.heard[before:]
    while drive.frame() is None:
        pass
    assert same(rebuilt(drive), drive.sent[:12])


def test_a_simulator_that_starts_anew_starts_its_clock_anew() -> None:
    drive = Drive(now_ns=90 * 10**9)
    drive.episode()
    drive.reset()
    for _ in range(7):
        drive.frame()
    drive.restart(now_ns=5 * 10**9)
    drive.episode()
    assert same(rebuilt(drive), drive.sent)


def test_simulators_that_live_for_a_few_frames() -> None:
    """Their stamps are the same again and again."""
    drive = Drive(now_ns=5 * 10**9)
    for frames in (3, 9, 2, 6):
        drive.restart(now_ns=5 * 10**9)
        drive.reset()
        for _ in range(frames):
            drive.frame()
    drive.restart(now_ns=0)
    assert len(drive.sent) == sum((3, 9, 2, 6)) - 4
    assert same(rebuilt(drive), drive.sent)


@pytest.mark.parametrize("what", ["image", "odometry", "command"])
def test_a_message_that_had_to_be_sent_again_comes_late_and_not_too_late(what: str) -> None:
    drive = Drive()
    for _ in range(20):
        drive.episode()
    places = [index for index, (topic, _) in enumerate(drive.heard) if topic == what]
    late = drive.heard.pop(places[30])
    drive.heard.insert(places[130], late)
    assert same(rebuilt(drive), drive.sent)


def test_the_last_step_of_the_run_closes_its_episode() -> None:
    drive = Drive(settings(run__steps=5))
    drive.reset()
    for _ in range(6):
        drive.frame()
    steps = rebuilt(drive)
    assert [step.truncated for step in steps] == [False] * 4 + [True]
    assert steps[-1].final_frame is not None


@examples(max_examples=25, deadline=None)
@given(jitter=st.lists(st.integers(0, 8), min_size=1, max_size=50))
def test_topics_may_overtake_each_other(jitter: list[int]) -> None:
    drive = Drive()
    for _ in range(3):
        drive.episode()
    late = [index + jitter[index % len(jitter)] * 4 for index in range(len(drive.heard))]
    mixed = [drive.heard[index] for index in np.argsort(late, kind="stable")]
    assert same(rebuilt(drive, mixed), drive.sent)


@given(st.floats(-1.0, 1.0, width=32), st.floats(-1.0, 1.0, width=32))
def test_a_command_gives_its_action_back_to_the_bit(steer: float, drive: float) -> None:
    action = np.array((steer, drive), np.float32)
    command = to_command(action)
    wire = {name: float(np.float32(getattr(command, name))) for name in ("throttle", "brake", "steer")}
    assert action_of(SimpleNamespace(**wire)).tobytes() == action.tobytes()


@pytest.mark.parametrize("y", [np.zeros(3), np.full(300, np.nan)])
def test_routes_that_nobody_can_have_driven_are_refused(y: np.ndarray) -> None:
    drive = Drive()
    drive.episode()
    next(message for topic, message in drive.heard if topic == "start").route_y = y
    with pytest.raises(RebuildError, match="route"):
        rebuilt(drive)

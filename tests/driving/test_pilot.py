# SPDX-License-Identifier: Apache-2.0
"""The bookkeeping of a driven episode: what the learner gets of it."""

import numpy as np
import pytest

from td3_driving.driving.drivers import DRIVERS, NOBODY, Situation
from td3_driving.driving.episode import ExitReason
from td3_driving.driving.episode_driver import EpisodeDriver, episode_driver
from td3_driving.driving.observation import Observation, ObservationError
from td3_driving.driving.pilot import Pilot, Scored
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import EpisodeSettings, ObservationSettings, Settings

SETTINGS = Settings(
    observation=ObservationSettings(state="map", frame_height=36, frame_width=36, stack=2),
    episode=EpisodeSettings(max_steps=10),
)
ROUTE = Route(np.array([(0.0, 0.0), (200.0, 0.0)]))
ACTION = np.array([0.1, 0.5], dtype=np.float32)


def choose(observation: Observation, situation: Situation) -> tuple[np.ndarray, int]:
    return ACTION, 7


def frame(number: int) -> np.ndarray:
    return np.full((36, 36), number, dtype=np.uint8)


def vehicle(number: int, x: float | None = None, y: float = 0.0) -> VehicleState:
    return VehicleState(number * 50_000_000, 0.4 * number if x is None else x, y, 0.0, 0.0, 8.0, 0.0, 0.0)


def pilot() -> Pilot:
    made = Pilot(SETTINGS, "actor_0", 99, choose)
    made.start(ROUTE, scenario=0, seed=5)
    return made


def drive(made: Pilot, numbers: range) -> list[Scored]:
    scored = []
    for number in numbers:
        time_step = made.see(frame(number), vehicle(number))
        result = made.score(time_step, collided=False)
        if result is not None:
            scored.append(result)
        if result is None or result.exit_reason is None:
            made.act(time_step)
    return scored


def test_one_experience_per_step_with_the_frame_it_started_from() -> None:
    scored = drive(pilot(), range(4))
    sent = [item.experience for item in scored]
    assert [item.started_ns for item in scored] == [0, 50_000_000, 100_000_000]
    assert [e.frame[0, 0] for e in sent] == [0, 1, 2]
    assert [e.step_index for e in sent] == [e.sequence for e in sent] == [0, 1, 2]
    assert all(e.final_frame is None and e.policy_version == 7 and e.session_id == 99 for e in sent)
    assert all(e.reward == pytest.approx(float(e.reward_terms.sum())) for e in sent)
    assert sent[0].state[4:6].tolist() == [0.0, 0.0]
    assert sent[1].state[4:6] == pytest.approx(ACTION)


def test_the_closing_experience_carries_the_final_frame() -> None:
    made = pilot()
    closing = drive(made, range(11))[-1]
    assert closing.exit_reason is ExitReason.TIME_LIMIT
    assert closing.experience.truncated and not closing.experience.terminated
    assert closing.experience.final_frame is not None and closing.experience.final_frame[0, 0] == 10
    assert made.record is not None and made.record.length == 10


def test_a_collision_terminates_and_costs() -> None:
    made = pilot()
    made.act(made.see(frame(0), vehicle(0)))
    scored = made.score(made.see(frame(1), vehicle(1)), collided=True)
    assert scored is not None and scored.exit_reason is ExitReason.COLLISION
    assert scored.experience.terminated and not scored.experience.truncated
    assert scored.terms["safety"] == -10.0


def test_the_last_step_of_a_run_is_cut_not_terminated() -> None:
    made = pilot()
    made.act(made.see(frame(0), vehicle(0)))
    scored = made.score(made.see(frame(1), vehicle(1)), collided=False, last=True)
    assert scored is not None and scored.exit_reason is ExitReason.RUN_END and scored.experience.truncated


def test_an_abandoned_episode_sends_nothing_of_its_unfinished_step() -> None:
    made = pilot()
    drive(made, range(3))
    made.abandon(ExitReason.SIMULATOR_FAULT)
    assert made.record is not None and made.record.exit_reason is ExitReason.SIMULATOR_FAULT
    made.start(ROUTE, scenario=0, seed=6)
    sent = [item.experience for item in drive(made, range(20, 22))]
    assert [(e.episode_id, e.step_index, e.sequence) for e in sent] == [(1, 0, 2)]
    assert sent[0].frame[0, 0] == 20


def test_bad_odometry_leaves_the_pilot_as_it_was() -> None:
    made = pilot()
    drive(made, range(3))
    with pytest.raises(ObservationError):
        made.see(frame(3), vehicle(3, x=float("nan")))
    again = made.score(made.see(frame(3), vehicle(3)), collided=False)
    assert again is not None and again.experience.step_index == 2


class Teacher:
    """Remembers how often it was asked, as a controller with an integral does."""

    def __init__(self, seed: int) -> None:
        self.seed, self.asked = seed, list[int]()

    def act(self, situation: Situation) -> np.ndarray:
        self.asked.append(situation.vehicle.stamp_ns // 50_000_000)
        return np.array([0.0, len(self.asked) / 10.0], dtype=np.float32)


def situation(speed: float) -> Situation:
    return Situation(VehicleState(0, 20.0, 0.0, 0.0, 0.0, speed, 0.0, 0.0), RoutePlace(20.0, 0.0, 0.0), ROUTE, NOBODY)


def taught(teachers: list[Teacher]) -> Pilot:
    """A pilot with a teacher for each episode; the first one is that before any."""

    def make(seed: int) -> Teacher:
        teachers.append(Teacher(seed))
        return teachers[-1]

    return Pilot(SETTINGS, "actor_0", 99, choose, EpisodeDriver(make))


@pytest.mark.parametrize("prepares", [True, False])
def test_the_teacher_is_asked_once_about_each_action_whoever_asks(prepares: bool) -> None:
    teachers: list[Teacher] = []
    made = taught(teachers)
    made.start(ROUTE, scenario=0, seed=5)
    made.act(made.see(frame(0), vehicle(0)))
    assert teachers[-1].asked == [], "the command waits for the teacher"
    for _ in range(2 * prepares):
        made.prepare()
        assert teachers[-1].asked == [0]
    scored = made.score(time_step := made.see(frame(1), vehicle(1)), collided=False)
    assert scored is not None and scored.experience.teacher_action == pytest.approx([0.0, 0.1])
    made.act(time_step)
    made.abandon(ExitReason.SIMULATOR_FAULT)
    assert teachers[-1].asked == [0, 1], "a teacher with a memory missed a step"


@pytest.mark.parametrize("ends", [True, False])
def test_each_episode_has_a_teacher_of_its_own_with_the_seed_of_the_episode(ends: bool) -> None:
    teachers: list[Teacher] = []
    made = taught(teachers)
    for seed in (5, 6):
        made.start(ROUTE, scenario=0, seed=seed)
        made.act(time_step := made.see(frame(0), vehicle(0)))
        for index in (1, 2):
            scored = made.score(time_step := made.see(frame(index), vehicle(index)), collided=False)
            assert scored is not None and scored.experience.teacher_action == pytest.approx([0.0, index / 10.0])
            made.act(time_step)
        if ends:
            made.abandon(ExitReason.SIMULATOR_FAULT)
    assert [(one.seed, one.asked) for one in teachers[1:]] == [(5, [0, 1, 2]), (6, [0, 1, *([2] * ends)])]


@pytest.mark.parametrize("name", DRIVERS)
def test_an_episode_is_taught_alike_whatever_came_before_it(name: str) -> None:
    """The integral of the lane keeper and the draws of the random driver begin anew."""
    drivers = [episode_driver(name, 8.0, 0.05, seed) for seed in (0, 1)]
    situations = [situation(7.5 + 0.1 * number) for number in range(5)]
    for one in situations:
        drivers[0].act(one)
    shown = []
    for driver in drivers:
        driver.begin(7)
        shown.append([driver.act(one).tolist() for one in situations])
    assert shown[0] == shown[1]
    drivers[0].begin(8)
    assert (shown[0] != [drivers[0].act(one).tolist() for one in situations]) == (name == "random")


def test_driving_off_the_route_is_seen() -> None:
    made = pilot()
    made.act(made.see(frame(0), vehicle(0)))
    scored = made.score(made.see(frame(1), vehicle(1, y=-2.5)), collided=False)
    assert scored is not None and scored.exit_reason is ExitReason.OFF_LANE
    assert scored.time_step.place.lateral == pytest.approx(-2.5)


def test_a_step_is_scored_once_however_often_one_asks() -> None:
    made = pilot()
    made.act(made.see(frame(0), vehicle(0)))
    time_step = made.see(frame(1), vehicle(1))
    assert made.score(time_step, collided=False) is not None
    assert made.score(time_step, collided=False) is None
    made.act(time_step)
    following = made.score(made.see(frame(2), vehicle(2)), collided=False)
    assert following is not None and following.experience.step_index == following.experience.sequence == 1

# SPDX-License-Identifier: Apache-2.0
"""Other frames for an agent, and what its scores then say about its camera."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation import camera_ablation
from td3_driving.evaluation.agents import EvaluatedAgent, View
from td3_driving.evaluation.camera_ablation import ABLATIONS, Noise, Shuffled, ablated, camera_need, cameras
from td3_driving.evaluation.drive import EvaluationPlan
from td3_driving.evaluation.table import Entry, rows, with_needs
from td3_driving.evaluation.tour import Tour
from td3_driving.settings import ObservationSettings, Settings

Conf = Callable[..., Settings]
SHAPES = st.sampled_from([(5, 7), (5, 7, 3), (3, 5, 7), (1, 1), (2, 3, 4, 5)])
EPISODES = SHAPES.flatmap(lambda shape: st.lists(arrays(np.uint8, shape), min_size=1, max_size=6))


@given(EPISODES, st.sampled_from(sorted(ABLATIONS)), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_every_ablation_keeps_form_and_input_and_repeats_itself(frames: list[np.ndarray], kind: str, seed: int) -> None:
    before = [frame.copy() for frame in frames]
    one, other = ABLATIONS[kind](seed), ABLATIONS[kind](seed)
    for index, frame in enumerate(frames):
        got = one.frame(frame)
        assert got.shape == frame.shape and got.dtype == np.uint8
        np.testing.assert_array_equal(got, other.frame(frame))
        assert not np.shares_memory(got, frame)
        got[...] = 7  # What the agent does with its frame must not come back in a later one.
        np.testing.assert_array_equal(frame, before[index])


@given(EPISODES)
@settings(max_examples=100, deadline=None)
def test_what_black_frozen_and_shuffled_show(frames: list[np.ndarray]) -> None:
    black, frozen, shuffled = (ABLATIONS[kind](0) for kind in ("black", "frozen", "shuffled"))
    for index, frame in enumerate(frames):
        assert not black.frame(frame).any()
        np.testing.assert_array_equal(frozen.frame(frame), frames[0])
        shown = shuffled.frame(frame)
        assert any(np.array_equal(shown, earlier) for earlier in frames[: index + 1])


def test_noise_is_uniform_and_its_own_in_every_episode() -> None:
    frame = np.zeros((100, 100), dtype=np.uint8)
    first = Noise(1)
    one, two = first.frame(frame), first.frame(frame)
    assert not np.array_equal(one, two) and not np.array_equal(one, Noise(2).frame(frame))
    # Mean 127.5, standard deviation 73.9 of one pixel, hence 0.74 of the mean of 10,000.
    assert abs(one.mean() - 127.5) < 4.0 and one.min() == 0 and one.max() == 255


def test_shuffled_draws_from_the_whole_episode_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_ablation, "MEMORY", 10)
    shuffled = Shuffled(0)
    shown = [int(shuffled.frame(np.full((1, 1), index, dtype=np.uint8))[0, 0]) for index in range(250)]
    assert len(shuffled._kept) == 10
    late = np.array(shown[200:])
    assert late.min() < 80 and late.max() > 160, "old and new frames alike"


@pytest.mark.parametrize(
    ("seen", "without", "answer"),
    [
        ([100.0] * 5, {"black": [0.0] * 5}, "yes"),
        ([100.0] * 5, {"black": [99.9] * 5}, "no"),  # Below an interval of no width, but by nothing that counts.
        ([100.0] * 5, {"black": [95.0] * 5}, "yes"),
        ([100.0] * 5, {"black": [95.1] * 5}, "no"),
        ([0.0, 100.0], {"black": [20.0, 20.0]}, "no"),  # The interval reaches from 0 to 100.
        ([100.0] * 5, {"black": [0.0] * 5, "noise": [100.0] * 5}, "no"),
        ([4.9] * 5, {"black": [0.0] * 5}, "unclear"),
        ([100.0] * 5, {}, "not asked"),
        ([100.0], {"black": [0.0]}, "yes"),
        ([50.0] * 5, {"black": [100.0] * 5}, "no"),
    ],
)
def test_answers_by_hand(seen: list[float], without: dict[str, list[float]], answer: str) -> None:
    assert camera_need(seen, without).answer == answer


def test_the_answer_states_its_numbers() -> None:
    document = camera_need([90.0, 100.0], {"black": [1.0, 3.0]}).document()
    assert document["driving_scores"] == {"seen": 95.0, "black": 2.0}
    assert document["interval"] == [90.0, 100.0], "of four equally likely draws of two, a quarter lies at each end"
    assert "95 % bootstrap interval" in document["definition"]
    assert camera_need([90.0], {}).document() == {"answer": "not asked"}


def test_the_camera_as_it_is_comes_first_and_once() -> None:
    assert cameras(["noise", "seen", "noise"]) == ["seen", "noise"]
    with pytest.raises(ValueError, match="camera: 'blak' is not one of seen, black, frozen, noise, shuffled"):
        cameras(["blak"])
    with pytest.raises(ValueError, match="camera: 'blak'"):
        EvaluationPlan(camera="blak")


# Agents in a world of their own: the car drifts 0.15 m to the left in every step of 1 m unless it is steered back.

WIDTH = 41
DRIFT = 0.15


class Follower:
    """Steers to the white column of its frame; where there is none, it goes straight on."""

    name = "follower"
    observation_settings: ObservationSettings | None = ObservationSettings()

    def start(self, route: Route, seed: int) -> None:
        """Nothing to remember."""

    def decide(self, view: View) -> np.ndarray:
        assert view.frame is not None
        columns = np.flatnonzero((view.frame == 255).all(axis=0))
        offset = 0.0 if len(columns) != 1 else (float(columns[0]) - WIDTH // 2) / 10.0
        return np.array([offset, 0.0], dtype=np.float32)


class Oblivious(Follower):
    """Steers by what the odometry says, whatever it is shown."""

    name = "oblivious"

    def decide(self, view: View) -> np.ndarray:
        return np.array([view.vehicle.y, 0.0], dtype=np.float32)


def drive(agent: EvaluatedAgent, conf: Settings, camera: str, route: Route) -> Entry:
    """One route of a tour in which a white line lies in the middle of the lane, ten columns for a metre."""
    tour = Tour(conf, agent, EvaluationPlan(routes=1, ending="violation", camera=camera))
    tour.start(route)
    x, y, index = 0.0, 0.0, 0
    while True:
        frame = np.zeros((10, WIDTH), dtype=np.uint8)
        frame[:, min(max(round(WIDTH // 2 + 10.0 * y), 0), WIDTH - 1)] = 255
        action = tour.frame(frame, VehicleState(index * 50_000_000, x, y, 0.0, 0.0, 20.0, 0.0, 0.0), False, 0)
        if action is None:
            return Entry(agent.name, tour.plan, "toy", tour.results, camera=True)
        x, y, index = x + 1.0, y + DRIFT - float(action[0]), index + 1


def test_who_follows_the_line_needs_the_camera_and_who_ignores_it_does_not(
    settings: Conf, straight: Callable[[float], Route]
) -> None:
    conf, route = settings(), straight(100.0)
    for agent, answer in ((Follower(), "yes"), (Oblivious(), "no")):
        entries = with_needs([drive(agent, conf, camera, route) for camera in ("seen", "black", "noise")])
        assert [entry.need.answer for entry in entries] == [answer] * 3
        assert rows(entries)[0] == ["needs its camera", "", *[answer] * 3]
        completion = [entry.results[0].route_completion for entry in entries]
        # Straight on, the car is 2.1 m off its lane after 14 steps of 1 m, on a route of 100 m.
        assert completion == ([1.0, pytest.approx(0.14), pytest.approx(0.14)] if answer == "yes" else [1.0] * 3)


def test_frozen_frames_mislead_and_each_condition_is_asked_by_itself(
    settings: Conf, straight: Callable[[float], Route]
) -> None:
    conf, route = settings(), straight(100.0)
    seen, frozen = (drive(Follower(), conf, camera, route) for camera in ("seen", "frozen"))
    assert [entry.need.answer for entry in with_needs([seen, frozen])] == ["yes", "yes"]
    late = Entry("follower", EvaluationPlan(routes=1, ending="violation", delay=0.1), "toy", seen.results, camera=True)
    assert [entry.need.answer for entry in with_needs([seen, late, frozen])] == ["yes", "not asked", "yes"]
    blind = Entry("idm", seen.plan, "toy", seen.results, camera=False)
    assert with_needs([blind])[0].need.answer == "no camera"


def test_an_episode_begins_with_a_fresh_ablation(straight: Callable[[float], Route]) -> None:
    seen: list[Any] = []

    class Witness(Follower):
        def decide(self, view: View) -> np.ndarray:
            seen.append(view.frame)
            return np.zeros(2, dtype=np.float32)

    agent = ablated(Witness(), "frozen")
    vehicle = VehicleState(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for value in (10, 20):
        agent.start(straight(10.0), value)
        for shade in (value, value + 1):
            agent.decide(View(vehicle, np.full((2, 2), shade, dtype=np.uint8), None))
    assert [int(frame[0, 0]) for frame in seen] == [10, 10, 20, 20]
    assert agent.name == "follower" and agent.observation_settings is Witness.observation_settings

# SPDX-License-Identifier: Apache-2.0
"""What the elements of the state are worth, and where a policy looks."""

import base64
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from td3_driving.driving.state_vector import state_dim
from td3_driving.evaluation.drive import EvaluationPlan
from td3_driving.evaluation.inspection import importance_figure, inspect, looks_html
from td3_driving.evaluation.learned import LearnedAgent
from td3_driving.evaluation.occlusion import GREY, Moments, OcclusionMap, _places, data_url, looks, occlusion, overlays
from td3_driving.evaluation.state_importance import (
    ElementImportance,
    StateImportance,
    StateMemory,
    acting_by,
    parts,
    state_importance,
    without,
)
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Settings

Conf = Callable[..., Settings]
SHORT = {"episode__max_steps": 150, "observation__route_points": 1}


def agent_of(conf: Settings) -> LearnedAgent:
    """A policy as it is before its first update."""
    trainer = Trainer(conf, Path("nowhere"), state_dim(conf.observation))
    return LearnedAgent("untrained", conf, trainer.weights().data)


def remember(into: list[np.ndarray]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def act(stack: np.ndarray, state: np.ndarray) -> np.ndarray:
        into.append(state.copy())
        return np.zeros(2, dtype=np.float32)

    return act


# The state vector.


def test_parts_are_elements_their_kinds_and_the_whole() -> None:
    assert parts(["speed", "point 1 x", "point 1 y", "point 2 x", "gap 1"]) == [
        *(("speed", [0]), ("point 1 x", [1]), ("point 1 y", [2]), ("point 2 x", [3]), ("gap 1", [4])),
        *(("every point", [1, 2, 3]), ("whole state", [0, 1, 2, 3, 4])),
    ]


def test_elements_that_are_replaced_together_come_from_one_moment() -> None:
    seen: list[np.ndarray] = []
    states = np.array([[1.0, 9.0, 10.0], [2.0, 9.0, 20.0]], dtype=np.float32)
    act = without(remember(seen), [0, 2], states, np.random.default_rng(0))
    for _ in range(50):
        act(np.zeros((1, 2, 2), dtype=np.uint8), np.array([5.0, 6.0, 7.0], dtype=np.float32))
    assert {tuple(state.tolist()) for state in seen} == {(1.0, 6.0, 10.0), (2.0, 6.0, 20.0)}


def test_one_element_is_replaced_by_its_own_values_and_nothing_else() -> None:
    seen: list[np.ndarray] = []
    values = [3.0, 4.0, 5.0]
    states = np.array([[9.0, value, 9.0] for value in values], dtype=np.float32)
    act = without(remember(seen), [1], states, np.random.default_rng(0))
    state = np.array([0.0, 1.0, 2.0], dtype=np.float32)
    for _ in range(300):
        act(np.zeros((1, 2, 2), dtype=np.uint8), state)
    assert state.tolist() == [0.0, 1.0, 2.0], "the caller's state is left alone"
    table = np.array(seen)
    assert (table[:, [0, 2]] == [0.0, 2.0]).all()
    counts = [int((table[:, 1] == value).sum()) for value in values]
    assert sum(counts) == 300 and min(counts) > 70, "each of the three about a hundred times"


def test_the_memory_thins_itself_evenly() -> None:
    memory = StateMemory(remember([]), most=8)
    with pytest.raises(ValueError, match="no state was seen"):
        memory.states()
    for index in range(100):
        memory(np.zeros((1, 2, 2), dtype=np.uint8), np.array([index], dtype=np.float32))
    kept = memory.states()[:, 0]
    assert 4 <= len(kept) < 8 and len(set(np.diff(kept))) == 1 and kept[0] == 0.0


def test_a_policy_that_drives_by_its_speed_loses_by_the_speed_alone(settings: Conf) -> None:
    """It accelerates below 5 m/s and brakes above 7: with another speed in every frame it gets nowhere near as far."""
    conf = settings(**SHORT)
    agent = agent_of(conf)

    def by_speed(stack: np.ndarray, state: np.ndarray) -> np.ndarray:
        return np.array([0.0, 0.5 if state[0] < 0.5 else -1.0 if state[0] > 0.7 else 0.02], dtype=np.float32)

    told: list[str] = []
    with acting_by(agent, by_speed):
        one, two = (
            state_importance(conf, agent, EvaluationPlan(routes=1, ending="violation"), agent.state_names, told.append)
            for _ in range(2)
        )
    assert one == two, "the same seeds give the same numbers"
    drops = dict(one.drops())
    assert drops.pop("speed, forward positive") > 1.0 and drops.pop("whole state") > 1.0
    assert set(drops.values()) == {0.0}
    assert told[:2] == ["all elements", "without speed, forward positive"] and len(told) == 2 * (
        1 + len(agent.state_names) + 2
    )
    assert agent.act == agent._policy.act, "the policy acts by itself again"


def test_wrong_names_are_refused(settings: Conf) -> None:
    conf = settings(**SHORT | {"episode__max_steps": 10})
    with pytest.raises(ValueError, match="2 names for the 13 elements"):
        state_importance(conf, agent_of(conf), EvaluationPlan(routes=1, ending="violation"), ["a", "b"])


def test_figure_and_document_show_the_drops() -> None:
    importance = StateImportance(90.0, (ElementImportance("speed", 30.0), ElementImportance("yaw rate", 90.0)))
    (bars,) = importance_figure(importance).data
    assert list(bars.y) == ["yaw rate", "speed"] and list(bars.x) == [0.0, 60.0], "the greatest on top"
    assert importance.document()["elements"][0] == {"element": "speed", "driving_score": 30.0, "drop": 60.0}


# The frames.


def corner(stack: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Steers by the pixel in the corner of the newest frame."""
    return np.array([stack[-1, 0, 0] / 255.0, 0.0])


def test_only_what_covers_the_corner_counts_by_hand() -> None:
    """A patch of 4 moves by 2. Of those over (0, 0) there is one, over (0, 2) two, over (3, 3) four, over (4, 4) none
    that also covers the corner; that one changes the action by (255 - 128) / 255."""
    stack = np.full((3, 12, 10), 255, dtype=np.uint8)
    change = occlusion(corner, stack, np.zeros(1, dtype=np.float32), patch=4)
    whole = (255 - GREY) / 255
    assert change.shape == (12, 10)
    assert change[0, 0] == pytest.approx(whole)
    assert change[0, 2] == pytest.approx(whole / 2)
    assert change[3, 3] == pytest.approx(whole / 4)
    assert not change[4:, :].any() and not change[:, 4:].any()
    assert (stack == 255).all()


def test_all_frames_of_the_observation_are_covered() -> None:
    def oldest(stack: np.ndarray, state: np.ndarray) -> np.ndarray:
        return np.array([0.0, stack[0, 5, 5] / 255.0])

    stack = np.full((4, 9, 9), 255, dtype=np.uint8)
    assert occlusion(oldest, stack, np.zeros(1, dtype=np.float32), patch=3)[5, 5] > 0.4


def test_patches_reach_every_border_and_must_fit() -> None:
    assert _places(10, 4) == [0, 2, 4, 6] and _places(11, 4) == [0, 2, 4, 6, 7] and _places(4, 4) == [0]
    for size in range(1, 30):
        for side in range(1, size + 1):
            covered = {pixel for place in _places(size, side) for pixel in range(place, place + side)}
            assert covered == set(range(size))
    with pytest.raises(ValueError, match="a patch of 10 px does not fit into a frame of 12x9"):
        occlusion(corner, np.zeros((1, 9, 12), dtype=np.uint8), np.zeros(1), patch=10)


def test_moments_are_spread_over_the_drive() -> None:
    moments = Moments(remember([]), wanted=3)
    for index in range(1000):
        moments(np.full((1, 2, 2), index % 256, dtype=np.uint8), np.array([index]))
    steps = [step for step, _, _ in moments.chosen()]
    assert len(steps) == 3 and steps[0] == 0 and steps[-1] > 800 and abs(steps[1] - steps[-1] / 2) < 150
    few = Moments(remember([]), wanted=6)
    few(np.zeros((1, 2, 2), dtype=np.uint8), np.zeros(1))
    assert [step for step, _, _ in few.chosen()] == [0]


def test_pictures_share_one_scale_and_survive_as_png() -> None:
    dark = np.zeros((4, 120), dtype=np.uint8)
    strong, weak = np.zeros((4, 120)), np.zeros((4, 120))
    strong[0, 0], weak[0, 0] = 0.4, 0.2
    first, second = overlays([OcclusionMap(0, dark, strong), OcclusionMap(1, dark, weak)])
    assert first.shape == (8, 240, 3) and first.dtype == np.uint8
    assert first[0, 0].tolist() == [160, 71, 0] and second[0, 0].tolist() == [80, 35, 0], "three quarters of the colour"
    assert not first[:, 2:].any() and (first[1, 1] == first[0, 0]).all()
    (calm,) = overlays([OcclusionMap(0, dark + 9, np.zeros((4, 120)))])
    assert (calm == 9).all()
    url = data_url(first)
    back = cv2.imdecode(np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(back[..., ::-1], first)
    assert "Where &lt;it&gt; looks" in looks_html("<it>", (OcclusionMap(0, dark, strong),))


def test_a_real_drive_gives_looks_of_the_policys_own_frames(settings: Conf) -> None:
    conf = settings(**SHORT | {"episode__max_steps": 40})
    agent = agent_of(conf)
    seen = looks(conf, agent, EvaluationPlan(routes=3, ending="violation"))
    assert len(seen) == 6 and [look.step for look in seen] == sorted({look.step for look in seen})
    assert all(look.frame.shape == look.change.shape == (36, 36) for look in seen)
    assert all((look.change >= 0.0).all() for look in seen) and any(look.change.any() for look in seen)
    nothing = inspect(conf, agent, EvaluationPlan(routes=1), state=False, camera=False, tell=pytest.fail)
    assert nothing.importance is None and nothing.looks == ()

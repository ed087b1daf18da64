# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from td3_driving.driving.experience import Experience
from td3_driving.learning.intake import ExperienceIntake, IntakeVerdict
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import Settings

Make = Callable[..., Settings]
Message = Callable[..., Experience]
STATE_DIM = 3


def new(settings: Settings) -> tuple[ExperienceIntake, ReplayMemory]:
    memory = ReplayMemory(settings, STATE_DIM, None)
    return ExperienceIntake(settings, STATE_DIM, memory), memory


def test_a_whole_episode_goes_in(small: Make, message: Message) -> None:
    settings = small()
    intake, memory = new(settings)
    for i in range(5):
        closing = {"terminated": True, "final": True} if i == 4 else {}
        assert intake.accept(message(settings, i, i, **closing)).inserted
    assert (memory.inserted, memory.sampleable, memory.used) == (5, 5, 6)
    assert intake.counters.sent == intake.counters.received == 5


FRAME = np.zeros((36, 36), np.uint8)
ENDING = {"final_frame": FRAME, "final_state": np.zeros(3, np.float32), "truncated": True}
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"config_hash": "0" * 64}, "configuration '000000000000' of the actor"),
    ({"frame": np.zeros((36, 35), np.uint8)}, r"frame is \(36, 35\) uint8"),
    ({"frame": np.zeros((36, 36), np.float32)}, r"frame is \(36, 36\) float32"),
    ({"state": np.zeros(4, np.float32)}, r"state is \(4,\)"),
    ({"state": np.array([0, np.nan, 0], np.float32)}, "state is not finite"),
    ({"action": np.array([0, 1.01], np.float32)}, r"outside -1 \.\. 1"),
    ({"action": np.array([0, np.inf], np.float32)}, "action is not finite"),
    ({"action": np.zeros(2)}, r"action is \(2,\) float64"),
    ({"reward": 1.0, "reward_terms": np.array([0.5, 0.4, 0.0, 0.0, 0.0])}, "not the sum"),
    ({"reward": float("nan"), "reward_terms": np.zeros(5)}, "reward nan is not the sum"),
    ({"reward_terms": np.zeros(4)}, r"reward_terms is \(4,\)"),
    ({"terminated": True, "truncated": True}, "both terminated and truncated"),
    ({"final_frame": FRAME, "final_state": np.zeros(3, np.float32)}, "does not close the episode"),
    ({"final_frame": FRAME, "terminated": True}, "must come together"),
    ({"final_frame": FRAME[1:], "final_state": np.zeros(3, np.float32), "truncated": True}, r"final_frame is \(35"),
    ({"privileged": np.zeros(52, np.float32)}, r"privileged is \(52,\)"),
    ({"privileged": np.zeros(0, np.float32)}, r"privileged is \(0,\)"),
    ({"privileged": np.zeros(53)}, r"privileged is \(53,\) float64"),
    ({"privileged": np.full(53, np.inf, np.float32)}, "privileged is not finite"),
    ({"teacher_action": np.zeros(3, np.float32)}, r"teacher_action is \(3,\)"),
    ({"teacher_action": np.array([0, 1.01], np.float32)}, r"teacher_action .* is outside -1 \.\. 1"),
    ({"teacher_action": np.array([np.nan, 0], np.float32)}, "teacher_action is not finite"),
    ({**ENDING, "final_privileged": None}, "final_privileged is missing"),
    ({**ENDING, "final_privileged": np.zeros(9, np.float32)}, r"final_privileged is \(9,\)"),
    ({**ENDING, "final_privileged": np.full(53, np.nan, np.float32)}, "final_privileged is not finite"),
    ({"final_privileged": np.zeros(53, np.float32), "truncated": True}, "final_privileged without a final_frame"),
    ({"step_index": 9}, "cannot have been reached"),
    ({"step_index": -1}, "cannot have been reached"),
]


@pytest.mark.parametrize(("change", "reason"), FAULTS, ids=[reason for _, reason in FAULTS])
def test_refuses_what_cannot_be_right(small: Make, message: Message, change: dict[str, Any], reason: str) -> None:
    settings = small()
    intake, memory = new(settings)
    outcome = intake.accept(message(settings, 0, **change))
    assert outcome.verdict is IntakeVerdict.REJECTED
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(outcome.reason)
    assert memory.inserted == 0
    assert intake.counters.last_rejection == outcome.reason


def test_a_camera_critic_is_told_nothing_and_refuses_who_tells(small: Make, message: Message) -> None:
    settings = small(network__critic="camera")
    intake, memory = new(settings)
    ending = {**ENDING, "final_privileged": None}
    assert intake.accept(message(settings, 0, **ending)).inserted
    told = message(settings, 1, episode_id=1, step_index=0, privileged=np.zeros(53, np.float32))
    assert intake.accept(told).reason.endswith("privileged is (53,) float32, needed is (0,) float32")
    assert memory.gather(np.array([0])).privileged.shape == (1, 0)


def test_what_the_teacher_did_goes_in(small: Make, message: Message) -> None:
    settings = small()
    intake, memory = new(settings)
    for step, shown in enumerate((np.array([1.0, -1.0], np.float32), None, None)):
        assert intake.accept(message(settings, step, teacher_action=shown)).inserted
    assert memory.gather(np.array([0])).teacher_actions.tolist() == [[1.0, -1.0]]
    assert np.isnan(memory.gather(np.array([1])).teacher_actions).all()


def test_a_reward_within_rounding_of_its_parts_goes_in(small: Make, message: Message) -> None:
    settings = small()
    intake, _ = new(settings)
    assert intake.accept(message(settings, 0, reward=1.0, reward_terms=np.array([0.5, 0.4999995, 0, 0, 0]))).inserted


@pytest.mark.parametrize(("episode", "step"), [(0, 3), (0, 1), (0, 0), (1, 2)])
def test_refuses_an_order_that_cannot_be(small: Make, message: Message, episode: int, step: int) -> None:
    """After step 1 of an open episode only its step 2 can come, or the first step of another."""
    settings = small()
    intake, _ = new(settings)
    for i in range(2):
        intake.accept(message(settings, i))
    assert intake.accept(message(settings, 2, episode_id=episode, step_index=step)).verdict is IntakeVerdict.REJECTED


def test_an_episode_given_up_has_no_last_transition(small: Make, message: Message) -> None:
    settings = small()
    intake, memory = new(settings)
    for i in range(3):
        intake.accept(message(settings, i, i))
    assert intake.accept(message(settings, 3, 3, episode_id=1, step_index=0)).inserted
    assert intake.accept(message(settings, 4, 4, episode_id=1, step_index=1)).inserted
    assert sorted(memory.gather(memory.sampleable_slots()).states[:, 0]) == [0, 1, 3]


def test_after_the_end_only_a_new_episode_can_begin(small: Make, message: Message) -> None:
    settings = small()
    intake, _ = new(settings)
    intake.accept(message(settings, 0, terminated=True))
    assert intake.accept(message(settings, 1, step_index=1)).verdict is IntakeVerdict.REJECTED
    assert intake.accept(message(settings, 2, episode_id=1, step_index=0)).inserted


@pytest.mark.parametrize("broken", ["lost", "rejected"])
def test_nothing_reaches_across_a_break(small: Make, message: Message, broken: str) -> None:
    """Steps 0-4, 5 missing, 6-10: step 4 has no successor, 6 and 7 have no stack of three."""
    settings = small()
    intake, memory = new(settings)
    for i in range(11):
        if i == 5 and broken == "lost":
            continue
        changes = {"state": np.full(STATE_DIM, np.nan, np.float32)} if i == 5 else {}
        intake.accept(message(settings, i, i, **changes))
    states = memory.gather(memory.sampleable_slots()).states[:, 0]
    assert sorted(states) == [0, 1, 2, 3, 8, 9]
    assert getattr(intake.counters, broken) == 1


def test_a_late_message_is_no_longer_lost_and_not_inserted(small: Make, message: Message) -> None:
    settings = small()
    intake, _ = new(settings)
    for sequence in (0, 3):
        intake.accept(message(settings, sequence))
    assert intake.counters.lost == 2
    assert intake.accept(message(settings, 2)).verdict is IntakeVerdict.REJECTED
    assert intake.accept(message(settings, 2)).verdict is IntakeVerdict.DUPLICATE
    assert (intake.counters.lost, intake.counters.received, intake.counters.sent) == (1, 4, 5)


def test_sessions_and_actors_are_counted_apart(small: Make, message: Message) -> None:
    settings = small()
    intake, memory = new(settings)
    for actor, session in (("a", 1), ("b", 1), ("a", 2)):
        for sequence in range(3):
            assert intake.accept(message(settings, sequence, actor_id=actor, session_id=session)).inserted
    assert memory.sampleable == 6


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-1, 25), st.booleans()), max_size=60))
def test_the_account_always_adds_up(small: Make, message: Message, course: list[tuple[str, int, bool]]) -> None:
    """Whatever comes in whatever order: the counters agree with a list of what was sent."""
    settings = small()
    intake, memory = new(settings)
    seen: dict[str, set[int]] = {"a": set(), "b": set()}
    for actor, sequence, spoilt in course:
        changes = {"config_hash": "x"} if spoilt else {}
        outcome = intake.accept(message(settings, sequence, actor_id=actor, **changes))
        assert (outcome.verdict is IntakeVerdict.DUPLICATE) == (sequence in seen[actor])
        if sequence >= 0:
            seen[actor].add(sequence)
    counters = intake.counters
    assert counters.received == len(course) == counters.inserted + counters.duplicate + counters.rejected
    assert counters.lost == sum(max(numbers) + 1 - len(numbers) for numbers in seen.values() if numbers)
    assert counters.inserted == memory.inserted


def test_goes_on_from_its_state_and_from_a_newer_memory(small: Make, message: Message) -> None:
    """A checkpoint at message 3, a crash after 7 of which 5 was lost: DDS then delivers everything again."""
    settings = small()
    intake, memory = new(settings)
    for i in range(4):
        intake.accept(message(settings, i))
    state = intake.state()
    for i in (4, 6, 7):
        intake.accept(message(settings, i))
    again = ExperienceIntake(settings, STATE_DIM, memory)
    again.restore(state)
    assert (again.counters.inserted, again.counters.received, again.counters.lost) == (7, 7, 1)
    assert [again.accept(message(settings, i)).verdict for i in (6, 7, 8)] == [
        IntakeVerdict.DUPLICATE,
        IntakeVerdict.DUPLICATE,
        IntakeVerdict.INSERTED,
    ]

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from typing import Any, Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from td3_driving.driving.experience import Experience
from td3_driving.learning.intake import MAX_EARLY, MAX_MISSING_RANGES, MAX_REFUSED, ExperienceIntake, IntakeVerdict
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
    settings = small(run__num_actors=2)
    intake, memory = new(settings)
    for actor, session in (("actor_0", 1), ("actor_1", 1), ("actor_0", 2)):
        for sequence in range(3):
            assert intake.accept(message(settings, sequence, actor_id=actor, session_id=session)).inserted
    assert memory.sampleable == 6


SPOILT = {
    "configuration": {"config_hash": "x"},
    "session": {"session_id": 2**64 - 2},
    "content": {"state": np.full(STATE_DIM, np.nan, np.float32)},
    "sequence": {},
}


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(-1, 25), st.sampled_from([*SPOILT, "", ""])), max_size=60)
)
def test_the_account_always_adds_up(small: Make, message: Message, course: list[tuple[int, int, str]]) -> None:
    """Whatever comes in whatever order: the counters agree with a list of what was sent."""
    settings = small(run__num_actors=2)
    intake, memory = new(settings)
    heard: list[set[int]] = [set(), set()]
    passed = [0, 0]
    for actor, number, spoilt in course:
        sequence = [2**63 + 5, 2**64 - 2, 2**62, 120][number % 4] if spoilt == "sequence" else number
        changes = SPOILT.get(spoilt, {})
        outcome = intake.accept(message(settings, sequence, actor_id=f"actor_{actor}", **changes))
        if spoilt in ("configuration", "session", "sequence") or sequence < 0:
            assert outcome.verdict is IntakeVerdict.REJECTED
            continue
        late = sequence < passed[actor]
        assert (outcome.verdict is IntakeVerdict.DUPLICATE) == (late and sequence in heard[actor])
        assert outcome.inserted == (not late and not spoilt)
        heard[actor].add(sequence)
        passed[actor] = max(passed[actor], sequence + 1) if outcome.inserted else passed[actor]
    counters = intake.counters
    assert counters.received == len(course) == counters.inserted + counters.duplicate + counters.rejected
    lost = [sum(number not in numbers for number in range(end)) for numbers, end in zip(heard, passed)]
    assert counters.lost == sum(lost)
    assert counters.inserted == memory.inserted


@pytest.mark.parametrize(
    "change",
    [
        {"config_hash": "0" * 64, "sequence": 50},
        {"actor_id": "actor_9", "reward": 1.0, "reward_terms": np.array([1.0, 0, 0, 0, 0])},
        {"session_id": 0},
        {"session_id": 2**63},
        {"sequence": 2**62},
        {"sequence": 2**63 + 5},
        {"sequence": 60},
        {"sequence": 50, "step_index": 2**63},
        {"sequence": 50, "policy_version": 17},
        {"sequence": 50, "policy_version": 2**64 - 1},
        {"sequence": 50, "episode_id": 2**32},
        {"sequence": 50, "reward": 1000.0, "reward_terms": np.array([1000.0, 0, 0, 0, 0])},
        {"sequence": 50, "reward": 1e300, "reward_terms": np.array([1e300, 0, 0, 0, 0])},
        {"sequence": 50, "state": np.full(STATE_DIM, 3e38, np.float32)},
    ],
)
def test_a_refused_message_moves_nothing_of_the_genuine_stream(
    small: Make, message: Message, change: dict[str, Any]
) -> None:
    """60 steps ask for 16 updates, two after every five of the last forty."""
    settings = small()
    intake, memory = new(settings)
    intake.accept(message(settings, 0))
    forged = message(settings, 1)
    outcome = intake.accept(dataclasses.replace(forged, **change))
    assert outcome.verdict is IntakeVerdict.REJECTED, outcome
    assert intake.expected() == [("actor_0", 1, 1, 0)]
    assert intake.accept(message(settings, 1)).inserted
    assert (intake.counters.lost, intake.counters.rejected, memory.inserted) == (0, 1, 2)
    assert memory.sampleable == 1, "the chain of the genuine steps is whole"


def test_what_comes_before_a_missing_step_waits_for_it(small: Make, message: Message) -> None:
    """Step 2 is lost; 3 and 4 are left out until the actor sends from 2 on again. The memory has all, in order."""
    settings = small()
    memory = ReplayMemory(settings, STATE_DIM, None)
    intake = ExperienceIntake(settings, STATE_DIM, memory, heal=True)
    for sequence in (0, 1, 3, 4, 2, 3, 4):
        intake.accept(message(settings, sequence, sequence))
    assert memory.gather(memory.sampleable_slots()).states[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    counters = intake.counters
    assert (counters.received, counters.inserted, counters.duplicate, counters.lost) == (7, 5, 2, 1)


def test_a_step_that_was_refused_is_not_waited_for(small: Make, message: Message) -> None:
    settings = small()
    intake = ExperienceIntake(settings, STATE_DIM, ReplayMemory(settings, STATE_DIM, None), heal=True)
    intake.accept(message(settings, 0))
    intake.accept(message(settings, 1, state=np.full(STATE_DIM, np.inf, np.float32)))
    assert intake.accept(message(settings, 2)).inserted
    assert (intake.counters.lost, intake.counters.rejected) == (0, 1)


def test_a_step_that_never_comes_is_given_up(small: Make, message: Message) -> None:
    settings = small()
    intake = ExperienceIntake(settings, STATE_DIM, ReplayMemory(settings, STATE_DIM, None), heal=True)
    outcomes = [intake.accept(message(settings, 1)) for _ in range(MAX_EARLY + 1)]
    assert [outcome.inserted for outcome in outcomes] == [False] * MAX_EARLY + [True]
    assert intake.counters.lost == 1


@pytest.mark.parametrize(("kind", "most"), [("refused", MAX_REFUSED), ("missing", MAX_MISSING_RANGES)])
def test_no_flood_of_refused_numbers_or_gaps_fills_the_memory(
    small: Make, message: Message, kind: str, most: int
) -> None:
    settings, action = small(run__steps=4000), np.full(2, 2.0 * (kind == "refused"), np.float32)
    intake, _ = new(settings)
    for number in range(most + 2):
        intake.accept(message(settings, 2 * number + 1, action=action))
    assert [len(stream[kind]) for _, _, stream in intake.state()["streams"]] == [most]


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

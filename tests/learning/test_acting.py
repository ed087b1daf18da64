# SPDX-License-Identifier: Apache-2.0
"""How many steps an actor takes that joins a run under way, and which weights it waits for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.learning.acting import LearnedActionSource
from td3_driving.settings import Settings

from ..shared.tiny import small_settings

TWO = small_settings(run__num_actors=2, run__steps=61)


def test_without_word_an_actor_takes_its_share_of_the_run() -> None:
    assert [LearnedActionSource(TWO, index).steps for index in (0, 1)] == [31, 30]


@pytest.mark.parametrize(("index", "steps"), [(0, 31 - 8), (1, 30 - 8)])
def test_one_that_takes_anothers_place_takes_what_that_one_left(index: int, steps: int) -> None:
    source = LearnedActionSource(TWO, index)
    source.begin_at(0, 8)
    assert source.steps == steps and source.first_step == 8
    source.note_gone(3)
    assert source.steps == steps + 3


def test_one_that_has_nothing_left_takes_no_step() -> None:
    source = LearnedActionSource(TWO, 1)
    source.begin_at(0, 31)
    assert source.steps == 0


@given(st.integers(1, 4), st.integers(0, 50), st.integers(0, 50), st.data())
def test_all_shares_together_are_the_run(actors: int, begun_at: int, more: int, data: st.DataObject) -> None:
    """However often actors are replaced, what they did and what is left for them are the steps of the run."""
    settings = small_settings(run__num_actors=actors, run__steps=begun_at + 100 + more)
    sources = [LearnedActionSource(settings, index) for index in range(actors)]
    done = [data.draw(st.integers(0, 20)) for _ in sources]
    for source, steps in zip(sources, done):
        source.begin_at(begun_at, steps)
    assert sum(source.steps for source in sources) + sum(done) == 100 + more


@pytest.mark.parametrize(
    ("done", "published", "update"),
    [(0, 12, 0), (8, 4, 0), (0, 13, 2), (8, 5, 2), (13, 0, 2), (8, 7, 4), (15, 0, 4)],
)
def test_it_waits_for_the_weights_that_the_one_before_it_would_have_waited_for(
    done: int, published: int, update: int
) -> None:
    """20 steps before learning starts, then 2 updates for each 5; two actors: step 13 of each is 26 of the run."""
    source = LearnedActionSource(TWO, 0)
    source.begin_at(0, done)
    assert f"weights of update {update} " in source.before_acting(published)


def test_late_weights_do_not_change_what_it_was_told(small: Callable[..., Settings]) -> None:
    """Weights say how many steps the run has; one that joined it late still has its whole share to take."""
    settings = small(run__num_actors=2, pacing__mode="async")
    one, two = LearnedActionSource(settings, 0), LearnedActionSource(settings, 0)
    two.begin_at(0, 0)
    for source in (one, two):
        source._newest = _Weights()
        source._policy.lacks_frozen = lambda _: False
        source._load = lambda: True
        source._load_first()
    assert (one.steps, two.steps) == (10, 30)


class _Weights:
    inserted, data = 40, b""

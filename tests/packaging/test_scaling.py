# SPDX-License-Identifier: Apache-2.0
"""The simulation of a run's queues, against what can be worked out by hand."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from tools.scaling import Costs, QueueingRun, SharedServer, change, main

FREE = Costs(
    step=0.0, intake=0.0, update=0.0, publish=0.0, step_bytes=0.0, weights_bytes=0.0, train_freq=10, gradient_steps=5
)


def test_jobs_share_a_server_evenly() -> None:
    """On two cores, three jobs of 2 s begin together and are done after 3 s; alone, one takes 2 s."""
    server = SharedServer(2.0)
    for number in range(3):
        server.add(2.0, ("a", number), 0.0)
    assert server.next_end == pytest.approx(3.0)
    assert [server.end_next() for _ in range(3)] == [("a", 0), ("a", 1), ("a", 2)]
    server.add(2.0, ("b", 0), 5.0)
    assert server.next_end == pytest.approx(7.0)
    server.end_next()
    assert server.busy == pytest.approx(3 * 2.0 + 2.0)


def test_a_job_that_comes_later_slows_the_one_before_it_down() -> None:
    """One core: 1 s alone, then both at half speed: the short one ends at 3 s, the long one at 4 s."""
    server = SharedServer(1.0)
    server.add(3.0, ("long", 0), 0.0)
    server.add(1.0, ("short", 0), 1.0)
    assert server.next_end == pytest.approx(3.0) and server.end_next() == ("short", 0)
    assert server.next_end == pytest.approx(4.0) and server.end_next() == ("long", 0)


@pytest.mark.parametrize(("actors", "rate"), [(1, 50.0), (4, 200.0), (16, 800.0)])
def test_actors_that_wait_for_nothing_add_up(actors: int, rate: float) -> None:
    found, _, _ = QueueingRun(replace(FREE, step=0.02), actors).rate(50)
    assert found == pytest.approx(rate, rel=0.05)


def test_without_a_lead_driving_and_learning_take_turns() -> None:
    """Ten steps of 10 ms, then 5 updates of 20 ms: 10 steps in 200 ms; with a lead both go on at once."""
    costs = replace(FREE, step=0.01, update=0.02)
    assert QueueingRun(replace(costs, lead=0), 1).rate(50)[0] == pytest.approx(50.0, rel=0.05)
    assert QueueingRun(replace(costs, lead=1), 1).rate(50)[0] == pytest.approx(100.0, rel=0.05)


@pytest.mark.parametrize(
    ("costs", "rate"),
    [
        (replace(FREE, step=0.001, intake=0.005), 200.0),
        (replace(FREE, step=0.001, update=0.01), 200.0),
        (replace(FREE, step=0.001, step_bytes=1e6, bandwidth=1e8), 100.0),
        (replace(FREE, step=0.001, weights_bytes=1e6, bandwidth=1e8), 100.0),
        (replace(FREE, step=0.001, publish=0.01, gradient_steps=1), 100.0),
    ],
)
def test_the_slowest_part_sets_the_pace(costs: Costs, rate: float) -> None:
    """Intake; updates; the link by steps; the link by weights, 10 actors for 10 steps; publishing to 10 actors."""
    assert QueueingRun(costs, 10).rate(50)[0] == pytest.approx(rate, rel=0.05)


def test_a_part_that_sets_the_pace_is_always_busy() -> None:
    _, learner, link = QueueingRun(replace(FREE, step=0.001, update=0.01), 10).rate(50)
    assert learner == pytest.approx(1.0, abs=0.05) and link == 0.0


def test_on_one_machine_all_share_its_cores() -> None:
    """Four actors, 10 ms a step, and a burst of 100 ms for ten steps: 200 ms of work, or 50 steps/s, on one core.

    On two, all five share them for 62.5 ms, until each actor has done 2.5 steps; then the learner has 75 ms to go.
    """
    costs = replace(FREE, step=0.01, update=0.02, shared=True, learner_cores=2.0)
    assert QueueingRun(costs, 4).rate(100)[0] == pytest.approx(10 / 0.1375, rel=0.05)
    assert QueueingRun(replace(costs, learner_cores=1.0), 4).rate(100)[0] == pytest.approx(50.0, rel=0.05)


def test_the_same_costs_give_the_same_rate() -> None:
    assert QueueingRun(Costs(), 7).rate(30) == QueueingRun(Costs(), 7).rate(30)


def test_the_command_prints_a_row_for_each_number(capsys: pytest.CaptureFixture[str]) -> None:
    main(["1", "4", "--bursts", "20", "--set", "train_freq=20", "--set", "step=0.01"])
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["actors", "steps/s", "updates/s", "learner", "link"]
    assert [row.split()[0] for row in rows[1:]] == ["1", "4"]


@pytest.mark.parametrize("text", ["speed=1", "step", "step=", "step=fast", "=1"])
def test_a_cost_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"NAME=NUMBER with a NAME of step, intake"):
        change(text)


@pytest.mark.parametrize(("text", "value"), [("train_freq=1e2", 100.0), ("step=2", 2.0), ("update=1.6e-3", 0.0016)])
def test_a_cost_is_a_number(text: str, value: float) -> None:
    assert change(text) == (text.partition("=")[0], value)

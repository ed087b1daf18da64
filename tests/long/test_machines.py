# SPDX-License-Identifier: Apache-2.0
"""Actors on another machine: the link loses packets and is cut, the learner's machine dies; no step is lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from ..nodes.machines_harness import LEARNER, ActorCommand, books, copied_token, cut_at, reach
from ..nodes.run_harness import SMALL, Run
from ..shared.patience import HANG
from ..shared.wire import ADDRESSES, TwoMachines, why_not

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(why_not()), reason=why_not() or "two machines can be had")]
ACTORS = int(os.environ.get("TD3_DRIVING_ACTORS", "4"))
STEPS = int(os.environ.get("TD3_DRIVING_STEPS", "20000"))
CUTS, SECONDS, LOSS = 3, 5.0, 0.01
HOURS = 3 * 3600.0


def test_three_cuts_and_lost_packets_lose_no_step(tmp_path: Path) -> None:
    changes = {
        "run.num_actors": ACTORS,
        "run.steps": STEPS,
        "run.log_period": 1000,
        "replay.capacity": STEPS + 2000,
        "pacing.train_freq": 100,
        "pacing.checkpoint_period": 200,
    }
    with TwoMachines(loss=LOSS) as machines:
        before, serve = machines.on(LEARNER), ("--serve", ADDRESSES[LEARNER])
        with (
            Run(tmp_path, None, changes, *serve, before=before) as run,
            ActorCommand(machines, tmp_path, copied_token(run, tmp_path)) as actors,
        ):
            for number in range(1, CUTS + 1):
                cut_at(machines, run, number * STEPS // (CUTS + 1), SECONDS)
            assert actors.wait(HOURS) == 0, actors.output[-6000:] + run.output[-6000:]
            assert run.wait(timeout=HOURS) == 0, run.output[-6000:]
            said = actors.output
        print(machines.counts())
        found = books(run, said)
    print(found)
    assert found.faults == ()
    assert (found.inserted, found.gone, found.rejected) == (STEPS, 0, 0)
    assert found.sent == found.received + found.lost
    assert found.received == found.inserted + found.duplicate


def test_a_cut_beyond_the_lease_parts_both_sides_and_they_find_each_other_again(tmp_path: Path) -> None:
    with TwoMachines(loss=LOSS) as machines:
        serve = ("--serve", ADDRESSES[LEARNER])
        with (
            Run(tmp_path, None, {"run.num_actors": 2}, *serve, before=machines.on(LEARNER)) as run,
            ActorCommand(machines, tmp_path, copied_token(run, tmp_path)) as actors,
        ):
            cut_at(machines, run, 150, 45.0)
            assert actors.wait() == 0, actors.output[-6000:] + run.output[-6000:]
            assert run.wait() == 0, run.output[-6000:]
            assert "actor_1 has left, or its link has" in run.output
            found = books(run, actors.output)
    print(found)
    assert (found.inserted, found.gone, found.rejected, found.faults) == (300, 0, 0, ())
    assert run.series()["graph/second_writers"][-1][1] == 0.0


def test_actors_go_on_with_a_learner_whose_machine_died_and_that_was_resumed(tmp_path: Path) -> None:
    with TwoMachines() as machines:
        before, serve = machines.on(LEARNER), ("--serve", ADDRESSES[LEARNER])
        with Run(tmp_path, None, {"run.num_actors": 2}, *serve, before=before) as run:
            token = copied_token(run, tmp_path)
            with ActorCommand(machines, tmp_path, token) as actors:
                cut_at(machines, run, 150, 0.0)
                os.killpg(run.process.pid, signal.SIGKILL)
                run.process.wait(HANG)
                with Run(tmp_path, None, dict.fromkeys(SMALL), "--resume", *serve, before=before) as resumed:
                    assert actors.wait() == 0, actors.output[-6000:] + resumed.output[-6000:]
                    assert resumed.wait() == 0, resumed.output[-6000:]
                found = books(resumed, actors.output)
    print(found)
    assert (found.inserted, found.gone, found.rejected, found.faults) == (300, 0, 0, ())


def test_the_learners_process_dies_and_asks_for_what_it_lacks(tmp_path: Path) -> None:
    with TwoMachines(loss=LOSS) as machines:
        serve = ("--serve", ADDRESSES[LEARNER])
        with (
            Run(tmp_path, None, {"run.num_actors": 2}, *serve, before=machines.on(LEARNER)) as run,
            ActorCommand(machines, tmp_path, copied_token(run, tmp_path)) as actors,
        ):
            cut_at(machines, run, 150, 0.0)
            run.kill("learner")
            reach(lambda: "learner died" in run.output, "word of the learner's death", run)
            assert actors.wait() == 0, actors.output[-6000:] + run.output[-6000:]
            assert run.wait() == 0, run.output[-6000:]
            found = books(run, actors.output)
    print(found)
    assert (found.inserted, found.gone, found.rejected, found.faults) == (300, 0, 0, ())


def test_the_discovery_server_dies_and_another_takes_its_place(tmp_path: Path) -> None:
    """Those who know each other talk on; an actor that comes later finds the run by the new server."""
    with TwoMachines() as machines:
        serve = ("--serve", ADDRESSES[LEARNER])
        with Run(tmp_path, None, {"run.num_actors": 2}, *serve, before=machines.on(LEARNER)) as run:
            token = copied_token(run, tmp_path)
            with ActorCommand(machines, tmp_path, token, "--actors", "0") as first:
                reach(lambda: "actor_0 takes part" in run.output, "actor_0", run)
                kill_server(run)
                reach(lambda: "discovery died" in run.output, "word of the server's death", run)
                with ActorCommand(machines, tmp_path, token, "--actors", "1", "--patience", "300") as second:
                    assert second.wait() == 0, second.output[-6000:] + run.output[-6000:]
                assert first.wait() == 0, first.output[-6000:] + run.output[-6000:]
            assert run.wait() == 0, run.output[-6000:]
            found = books(run, "")
    print(found)
    assert (found.inserted, found.gone, found.rejected, found.faults) == (300, 0, 0, ())


def kill_server(run: Run) -> None:
    """Kill the discovery server of ``run`` with SIGKILL."""
    for child in Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split():
        if Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"fast-discovery-server"):
            os.kill(int(child), signal.SIGKILL)

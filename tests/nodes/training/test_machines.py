# SPDX-License-Identifier: Apache-2.0
"""A learner and its actors on two machines, which are two network namespaces: every process is real."""

from __future__ import annotations

import os
import secrets
import signal
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from ...shared.wire import ADDRESSES, TwoMachines, why_not
from ..machines_harness import LEARNER, ActorCommand, books, copied_token, cut_at, reach
from ..run_harness import Run

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "two machines can be had")


def test_a_link_that_is_cut_and_loses_packets_loses_no_step(tmp_path: Path) -> None:
    """Strangers are refused first; then two actors take part, and the link is cut for five seconds."""
    with TwoMachines(loss=0.01) as machines:
        serve = ("--serve", ADDRESSES[LEARNER])
        with Run(tmp_path, None, {"run.num_actors": 2}, *serve, before=machines.on(LEARNER)) as run:
            token = copied_token(run, tmp_path)
            refuse_others(machines, tmp_path, token)
            with ActorCommand(machines, tmp_path, token) as actors:
                cut_at(machines, run, 150, 5.0)
                assert actors.wait() == 0, actors.output[-6000:] + run.output[-6000:]
                assert run.wait() == 0, run.output[-6000:]
                said = actors.output
        carried, lost, cut = machines.counts()
        assert carried > 1000 and lost > 0 and cut > 0
        found = books(run, said)
    assert found.faults == ()
    assert (found.inserted, found.gone, found.rejected) == (300, 0, 0)
    assert found.sent == found.received + found.lost
    assert found.received == found.inserted + found.duplicate
    series = run.series()
    assert series["run/finished"] == [(300, 1.0)]
    assert series["graph/second_writers"][-1][1] == series["graph/strangers"][-1][1] == 0.0


def refuse_others(machines: TwoMachines, home: Path, token: Path) -> None:
    """A wrong token, a wrong configuration, actors that the run does not have: one sentence each."""
    other = home / "other_token"
    other.write_text(secrets.token_hex(32))
    other.chmod(0o600)
    for file, words, sentence in (
        (other, (), f"error: the token is not that of the run at {ADDRESSES[LEARNER]}:11811: copy RUN/token"),
        (token, ("--set", "learning.gamma=0.5"), "error: --set learning.gamma: an actor has the configuration of its"),
        (token, ("--actors", "1-2"), "error: --actors 2: the run has the actors 0 .. 1"),
    ):
        with ActorCommand(machines, home, file, *words) as refused:
            assert refused.wait() == 2
            assert sentence in refused.output and "Traceback" not in refused.output
            assert refused.output.count("error: ") == 1


def test_an_actor_machine_that_dies_is_named_and_another_goes_on_in_its_place(tmp_path: Path) -> None:
    with TwoMachines() as machines:
        serve = ("--serve", ADDRESSES[LEARNER])
        changes = {"run.num_actors": 2, "run.steps": 301}
        with Run(tmp_path, None, changes, *serve, before=machines.on(LEARNER)) as run:
            token = copied_token(run, tmp_path)
            with ActorCommand(machines, tmp_path, token, "--actors", "0") as first:
                with ActorCommand(machines, tmp_path, token, "--actors", "1") as second:
                    cut_at(machines, run, 150, 0.0)
                    os.killpg(second.process.pid, signal.SIGKILL)
                    reach(lambda: "actor_1 has left" in run.output, "word that actor_1 has left", run)
                with ActorCommand(machines, tmp_path, token, "--actors", "1") as third:
                    assert third.wait() == 0, third.output[-6000:] + run.output[-6000:]
                assert first.wait() == 0, first.output[-6000:]
            assert run.wait() == 0, run.output[-6000:]
            found = books(run, "")
    assert (found.inserted, found.gone, found.rejected, found.faults) == (301, 0, 0, ())
    assert run.series()["graph/second_writers"][-1][1] == 0.0

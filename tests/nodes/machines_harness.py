# SPDX-License-Identifier: Apache-2.0
"""A run over two machines: the learner on one, actors on the other, a link between them that is cut and loses some."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from td3_driving.learning.replay_files import steps_in

from ..long.kill_checks import order_faults
from ..shared.patience import HANG
from ..shared.wire import ADDRESSES, TwoMachines
from .run_harness import Run, reopen

LEARNER, DRIVERS = 0, 1
"""Numbers of the machines."""
AGAIN = re.compile(r"(\d+) step\(s\) sent again")
LOOK = 0.2


class ActorCommand:
    """One ``td3-driving actor`` on the machine of the drivers.

    Args:
        token: file that it is given.
        words: further command-line words.
    """

    def __init__(self, machines: TwoMachines, home: Path, token: Path, *words: str) -> None:
        self._log = (home / f"actor-{time.time_ns()}.txt").open("w+b")
        environment = {key: value for key, value in os.environ.items() if key != "ROS_DOMAIN_ID"}
        command = [sys.executable, "-m", "td3_driving.cli", "actor", "--learner", ADDRESSES[LEARNER]]
        self.process = subprocess.Popen(
            [*machines.on(DRIVERS), *command, "--token", str(token), "--patience", str(HANG), *words],
            cwd=home,
            env=environment | {"OMP_NUM_THREADS": "1"},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return Path(self._log.name).read_text(errors="replace")

    def wait(self, timeout: float = HANG) -> int:
        """Its exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the actors did not end within {timeout:.0f} s:\n{self.output[-4000:]}") from None

    def __enter__(self) -> ActorCommand:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(HANG)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._log.close()


def copied_token(run: Run, home: Path) -> Path:
    """A copy of the token of ``run``, once it has one, as a user makes it for another machine."""
    copy = home / "copy_of_token"
    reach(lambda: (run.folder / "token").exists(), "token", run)
    shutil.copy(run.folder / "token", copy)
    copy.chmod(0o600)
    return copy


def reach(condition: Callable[[], bool], what: str, run: Run, timeout: float = HANG) -> None:
    """Wait until ``condition`` holds, which must be before the run ends."""
    deadline = time.monotonic() + timeout
    while not condition():
        run.expect_end(LOOK)
        ended = run.process.poll()
        assert ended is None, f"the run ended ({ended}) before {what}; it printed:\n{run.output[-6000:]}"
        assert time.monotonic() < deadline, f"no {what} within {timeout:.0f} s; it printed:\n{run.output[-6000:]}"


def cut_at(machines: TwoMachines, run: Run, step: int, seconds: float) -> None:
    """Cut the link for ``seconds`` once the learner has ``step`` steps."""
    reach(lambda: steps_in(run.folder / "replay") >= step, f"step {step}", run)
    machines.cut()
    run.expect_end(seconds)
    machines.join()


@dataclass(frozen=True)
class Books:
    """The account of a run that is over.

    Attributes:
        sent: messages that the actors sent, by their own word: each step once, and those that they say they sent again.
        received, lost, inserted, gone, duplicate, rejected: by the learner's.
        faults: what is wrong with the order of the steps in the memory.
    """

    sent: int
    received: int
    lost: int
    inserted: int
    gone: int
    duplicate: int
    rejected: int
    faults: tuple[str, ...]


def books(run: Run, actors: str) -> Books:
    """Read the newest checkpoint and the memory; ``actors`` is what the actors printed."""
    state = json.loads((run.folder / "checkpoints" / "latest" / "state.json").read_text())
    counters = state["intake"]["counters"]
    names = ("received", "lost", "inserted", "gone", "duplicate", "rejected")
    account = {name: int(counters[name]) for name in names}
    driven = sum(stream[2]["expected"] for stream in state["intake"]["streams"])
    again = sum(map(int, AGAIN.findall(actors)))
    faults = tuple(order_faults(reopen(run)))
    return Books(sent=driven + again, faults=faults, **account)

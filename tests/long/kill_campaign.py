# SPDX-License-Identifier: Apache-2.0
"""Kills the processes of training runs at drawn moments, and resumes after every tenth kill.

``tools/env.sh python -m tests.long.kill_campaign --kills 1000 --out kills.jsonl``, below ``nice`` if need be. It writes
a JSON line for every kill, wait, resume and end; started again with the same file it goes on behind the last cycle.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..nodes.run_harness import Run
from ..shared.domains import reserved_domain
from ..shared.patience import HANG
from .kill_checks import Bytes, Remains, examine
from .kill_witness import Kill, Witness, aim, draw_cycle, named_reason

STEPS = 400
NODES = ("diagnostics", "learner", "simulator", "policy")
SETTINGS: dict[str, object] = {
    "run.steps": STEPS,
    "replay.capacity": 2 * STEPS,
    "pacing.learning_starts": 30,
    "exploration.random_steps": 20,
    "pacing.gradient_steps": 2,
    "pacing.checkpoint_period": 4,
}
STILL = 10.0
"""A run that stands still for longer must say why [s]; one that starts may take longer."""
HUNG = 99
"""Exit code of a run that does not end."""


class Campaign:
    """Runs under fire.

    Args:
        home: where the runs are made.
        out: file of JSON lines.
    """

    def __init__(self, home: Path, domain: int, seed: int, out: Path) -> None:
        self._home, self._domain, self._seed, self._out = home, domain, seed, out
        lines = read_lines(out)
        self.kills = sum("kill" in line for line in lines)
        self._cycle = max((line["cycle"] for line in lines if "cycle" in line), default=-1) + 1
        self._runs = self._cycle * 100
        self._ear = Witness(domain)
        self._folder: Path | None = None
        self._bytes = Bytes()
        self._mark = 0
        self._killed_at, self._starting = 0.0, True

    def cycle(self) -> None:
        """Start or resume a run, kill ten times, see what is left."""
        with self._start() as run:
            for kill in draw_cycle(self._seed, self._cycle):
                if not self._strike(run, kill):
                    break
            code = self._end(run)
        self._judge(run, code)
        self._cycle += 1

    def _start(self) -> Run:
        options = ["--resume"] if self._folder is not None else []
        if self._folder is None:
            self._folder, self._bytes = self._home / f"run-{self._runs}", Bytes()
            self._folder.mkdir(parents=True)
            self._runs += 1
            self._ear.new_run()
        self._ear.forget()
        self._mark, self._killed_at, self._starting = 0, time.monotonic(), True
        return Run(self._folder, self._domain, SETTINGS, *options)

    def _end(self, run: Run) -> int:
        """The exit code of a run that ends by itself."""
        try:
            return run.wait(self._ear)
        except AssertionError:
            return HUNG

    def _strike(self, run: Run, kill: Kill) -> bool:
        """Kill once; whether the run goes on after it."""
        if kill.moment != "volley" and not self._goes_on(run):
            return False
        self._ear.listen(kill.pause)
        aimed = kill.moment in ("checkpoint", "replay") and aim(kill.moment, run.folder)
        victim = self._victim(run, kill.target)
        if victim is None:
            return False
        self._mark, self._killed_at, step = len(run.output), time.monotonic(), self._ear.step
        os.kill(victim, signal.SIGKILL)
        self.kills += 1
        self._write(kill=self.kills, target=kill.target, moment=kill.moment, aimed=aimed, step=step)
        return kill.target not in ("policy", "starter")

    def _victim(self, run: Run, target: str) -> int | None:
        """Process id of ``target`` once it runs; None when the run ends before."""
        deadline = time.monotonic() + HANG
        while run.process.poll() is None and time.monotonic() < deadline:
            found = run.process.pid if target == "starter" else run.pid(target)
            if found is not None:
                return found
            self._ear.listen(0.05)
        return None

    def _goes_on(self, run: Run) -> bool:
        """Wait for a step and a status behind the last kill; whether the run is alive. A long wait must have a name."""
        while min(self._ear.step_at, self._ear.status_at) <= self._killed_at and run.process.poll() is None:
            self._ear.listen(0.05)
            if time.monotonic() - self._killed_at > HANG:
                break
        if run.process.poll() is not None:
            return False
        still = min(self._ear.step_at, self._ear.status_at) - self._killed_at
        reason = named_reason(run.output[self._mark :]) if not 0.0 < still <= STILL else ""
        faults = self._ear.account_faults()
        faults += [] if still > 0.0 else [f"no step within {HANG:.0f} s: {reason or 'no reason named'}"]
        unnamed = still > STILL and not reason and not self._starting
        faults += [f"{still:.0f} s without a step or a reason"] if unnamed else []
        self._write(wait=round(still, 1), start=self._starting, reason=reason, faults=faults)
        self._starting = False
        return True

    def _judge(self, run: Run, code: int) -> None:
        """Look at what the run has left; the next cycle resumes it unless it is over or something is wrong."""
        assert self._folder is not None
        left = [name for name in NODES if self._outlives(run, name)]
        remains = examine(run.folder, self._bytes, self._ear.sent)
        remains.faults += [f"{name} outlived its starter" for name in left]
        remains.faults += self._ear.account_faults()
        remains.faults += [f"weights of update {version} differ from before" for version in self._ear.unequal]
        remains.faults += [] if code in (0, 1, -signal.SIGKILL) else [f"exit code {code}"]
        remains.faults += ["a traceback"] if "Traceback" in run.output else []
        if code == 1 and "policy ended the run (killed by SIGKILL)" not in run.output:
            remains.faults.append(f"the run gave up: {run.output.strip().splitlines()[-3:]}")
        self._write(cycle=self._cycle, code=code, equal=len(self._ear.equal), **asdict(remains), **_verdict(run, code))
        self._ear.equal.clear()
        self._ear.unequal.clear()
        self._put_away(remains, code)

    def _outlives(self, run: Run, name: str) -> bool:
        deadline = time.monotonic() + STILL
        while run.pid(name) is not None:
            if time.monotonic() > deadline:
                return True
            self._ear.listen(0.1)
        return False

    def _put_away(self, remains: Remains, code: int) -> None:
        """A run with a fault is kept for whoever looks into it."""
        assert self._folder is not None
        if remains.faults:
            self._folder = None
        elif code == 0:
            shutil.rmtree(self._folder)
            self._folder = None

    def _write(self, **fields: Any) -> None:
        with self._out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": round(time.time(), 1), **fields}) + "\n")


def _verdict(run: Run, code: int) -> dict[str, str]:
    """What the doctor says of a run that is over."""
    if code != 0:
        return {}
    return {"verdict": str(json.loads((run.folder / "report.json").read_text())["verdict"])}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a campaign so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def summary(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of a campaign."""
    kills, cycles = [line for line in lines if "kill" in line], [line for line in lines if "cycle" in line]
    waits = [line for line in lines if "wait" in line]
    return {
        "kills": len(kills),
        "by target": {name: sum(line["target"] == name for line in kills) for name in (*NODES, "starter")},
        "aimed at a write and met": sum(line["aimed"] for line in kills),
        "resumes and ends looked at": len(cycles),
        "runs that ended": sum(line["code"] == 0 for line in cycles),
        "steps half written": sum(line["torn"] for line in cycles),
        "steps in flight when both ends died": sum(line["in_flight"] for line in cycles),
        "weights equal to those of a learner never killed": sum(
            bool(line["continued"]) and line["continued"] == line["unkilled"] for line in cycles
        ),
        "versions of weights made again, equal": sum(line["equal"] for line in cycles),
        "stood still for over 10 s with a reason": sum(line["wait"] > STILL for line in waits),
        "faults": [fault for line in (*waits, *cycles) for fault in line["faults"]],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill until ``--kills`` are done or ``--minutes`` are over; 1 if anything was wrong."""
    parser = argparse.ArgumentParser("kill_campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=24 * 60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("kills.jsonl"))
    asked = parser.parse_args(arguments)
    end = time.monotonic() + 60.0 * asked.minutes
    with reserved_domain() as domain, tempfile.TemporaryDirectory(prefix="kills-") as home:
        campaign = Campaign(Path(home), domain, asked.seed, asked.out)
        while campaign.kills < asked.kills and time.monotonic() < end:
            campaign.cycle()
            print(json.dumps(summary(read_lines(asked.out))), flush=True)
    return 1 if summary(read_lines(asked.out))["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())

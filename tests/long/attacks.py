# SPDX-License-Identifier: Apache-2.0
"""Attacks training runs over DDS and on their disk, in an order that is drawn.

``tools/env.sh python -m tests.long.attacks --minutes 60 --seed 0 --out attacks.jsonl``, below ``nice`` if need be. It
writes a JSON line for every attack, damage and run; started again with the same file it goes on behind the last run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..nodes.run_harness import Run
from ..shared.domains import reserved_domain
from ..shared.patience import HANG
from .attack_checks import diagnosis_of, memory_faults
from .attack_damage import BAG, DAMAGES
from .attacker import NAMES, Attacker, Watch
from .kill_campaign import STILL, read_lines
from .kill_checks import Bytes, examine
from .kill_witness import named_reason

STEPS = 30_000
"""More than a run takes in its time: the campaign stops it."""
SETTINGS: dict[str, object] = {
    "run.steps": STEPS,
    "replay.capacity": STEPS,
    "pacing.learning_starts": 30,
    "exploration.random_steps": 20,
    "pacing.train_freq": 20,
    "pacing.gradient_steps": 1,
    "pacing.checkpoint_period": 4,
}
MESSAGES = 8
"""Most attacks with messages on one run."""
INTERRUPTED, REFUSED = 130, 2
"""Exit codes of a run that was stopped, and of one that is not continued from what is left."""
AFTERWARDS = 20
"""Steps of a run that was resumed."""
LEARNED = 200
"""Steps of a run whose files are damaged: there are several checkpoints then."""


class Drawn(NamedTuple):
    """What happens to one run: attacks with messages, then a damage to its files, "" for none."""

    messages: list[str]
    damage: str
    rng: random.Random


def draw(seed: int, number: int) -> Drawn:
    """The same for the same numbers."""
    rng = random.Random(f"{seed} {number}")
    return Drawn(rng.sample(NAMES, rng.randint(1, MESSAGES)), rng.choice(("", *DAMAGES)), rng)


class Attacks:
    """Runs that are attacked.

    Args:
        home: where the runs are made.
        out: file of JSON lines.
        patience: longest wait for a step or for a name [s].
    """

    def __init__(self, home: Path, domain: int, seed: int, out: Path, patience: float = HANG) -> None:
        self._home, self._domain, self._seed, self._out, self._patience = home, domain, seed, out, patience
        self._cycle = max((line["run"] for line in read_lines(out) if "run" in line), default=-1) + 1
        self._genuine: dict[tuple[int, int], int] = {}

    def cycle(self) -> None:
        """Do what is drawn to one more run."""
        self.run(draw(self._seed, self._cycle))

    def run(self, drawn: Drawn) -> list[str]:
        """Start a run, attack it, look at what is left; damage its files, resume it, look again; what is wrong."""
        home = self._home / f"run-{self._cycle}"
        home.mkdir()
        self._genuine = {}
        wrong = self._attack(home, drawn)
        wrong += self._damage(home, drawn) if drawn.damage and not wrong else []
        self._cycle += 1
        if wrong:
            shutil.move(home, self._out.with_name(f"{self._out.stem}-{home.name}"))
        else:
            shutil.rmtree(home)
        return wrong

    def _attack(self, home: Path, drawn: Drawn) -> list[str]:
        """A run that messages attack; what is wrong with it then."""
        options = ["--record"] if drawn.damage == BAG else []
        with Watch(self._domain) as watch, Run(home, self._domain, SETTINGS, *options) as run:
            faults = self._begin(run, watch)
            with Attacker(self._domain, watch, drawn.rng) as attacker:
                faults += self._reach(run, watch, attacker.knows_the_run, "nodes to attack") if not faults else []
                for name in drawn.messages if not faults else ():
                    faults += self._strike(run, watch, attacker, name)
            if drawn.damage and not faults:
                faults += self._reach(run, watch, lambda: len(watch.genuine) >= LEARNED, f"{LEARNED} steps")
            code = self._end(run, watch)
            faults += watch.account_faults()
        self._genuine |= watch.genuine
        return faults + self._judge(run, code, ["foreign_writer"] if drawn.messages else [])

    def _begin(self, run: Run, watch: Watch) -> list[str]:
        """Let the run begin when the watch hears it."""
        faults = self._reach(run, watch, lambda: run.pid("learner") is not None, "a learner")
        if faults:
            return faults
        watch.learn_token(run.folder)
        run.meet(watch)
        return self._reach(run, watch, lambda: len(watch.genuine) >= 5 and bool(watch.weights.sha256), "genuine steps")

    def _strike(self, run: Run, watch: Watch, attacker: Attacker, name: str) -> list[str]:
        """One attack; the run goes on after it, and names whoever it was."""
        mark = len(run.output)
        topic = attacker.attack(name)
        released = time.monotonic()
        still = self._still(run, watch, released)
        reason = named_reason(run.output[mark:]) if still > STILL else ""
        faults = watch.account_faults()
        faults += [f"{still:.0f} s without a step or a reason"] if still > STILL and not reason else []
        faults += [f"no step within {self._patience:.0f} s: {reason}"] if still > self._patience else []
        faults += self._unnamed(run, watch, topic)
        faults += [f"the run ended ({run.process.poll()})"] if run.process.poll() is not None else []
        self._write(attack=name, sent=attacker.sent, wait=round(still, 1), reason=reason, faults=faults)
        return faults

    def _still(self, run: Run, watch: Watch, since: float) -> float:
        """Time without a step and a status after ``since`` [s]."""
        deadline = since + self._patience
        while not (heard := watch.heard_at() > since) and run.process.poll() is None and time.monotonic() < deadline:
            watch.listen(0.05)
        return (watch.heard_at() if heard else time.monotonic()) - since

    def _unnamed(self, run: Run, watch: Watch, topic: str) -> list[str]:
        deadline = time.monotonic() + self._patience
        while not watch.named(topic) and run.process.poll() is None:
            watch.listen(0.05)
            if time.monotonic() > deadline:
                return [f"nobody is named on {topic}"]
        return []

    def _reach(self, run: Run, watch: Watch, condition: Callable[[], bool], what: str) -> list[str]:
        """Go on until the condition holds."""
        try:
            run.until(condition, what, watch)
        except AssertionError as error:
            return [str(error)]
        return []

    def _end(self, run: Run, watch: Watch) -> int:
        """The exit code of a run that is interrupted."""
        code = run.stop()
        watch.listen(0.5)
        return code

    def _judge(self, run: Run, code: int, causes: Sequence[str]) -> list[str]:
        """What is wrong with a stopped run whose files are whole."""
        remains = examine(run.folder, Bytes(), self._genuine)
        heard, faults = memory_faults(run.folder, self._genuine)
        found = diagnosis_of(run.folder, run.folder / "attacked.json")
        faults += remains.faults + self._ends(run, code, (INTERRUPTED,), found)
        faults += [] if set(causes) <= set(found["causes"]) else [f"the causes are {found['causes']}"]
        faults += [] if heard else ["no stored step was heard"]
        stored = {"inserted": remains.inserted, "heard": heard, "updates": remains.updates}
        self._write(run=self._cycle, code=code, **stored, verdict=found["verdict"], faults=faults)
        return faults

    def _ends(self, run: Run, code: int, codes: Sequence[int], found: dict[str, Any]) -> list[str]:
        faults = [] if code in codes else [f"exit code {code}: {run.output.strip().splitlines()[-3:]}"]
        faults += ["a traceback"] if "Traceback" in run.output + found["said"] else []
        return faults + ([f"verdict {found['verdict']}"] if found["verdict"] in ("GO", "none") else [])

    def _damage(self, home: Path, drawn: Drawn) -> list[str]:
        """Damage the files of the run and see that it is said."""
        name, folder = drawn.damage, home / "runs" / "run"
        damage = DAMAGES[name]
        damage.do(folder, drawn.rng)
        if name == BAG:
            return self._compare(folder)
        faults, said = self._resume(home) if damage.resumed else ([], "")
        found = diagnosis_of(folder, folder / "damaged.json")
        text = said if damage.resumed else found["said"]
        faults += [] if damage.said in text else ["the damage is not said"]
        faults += [f"verdict {found['verdict']}"] if found["verdict"] == "GO" else []
        self._write(damage=name, verdict=found["verdict"], faults=faults)
        return faults

    def _compare(self, folder: Path) -> list[str]:
        """The bag of a run has the verdict of the run."""
        run, bag = diagnosis_of(folder, folder / "run.json"), diagnosis_of(folder / "bag", folder / "bag.json")
        same = run["verdict"] == bag["verdict"] and "foreign_writer" in bag["causes"]
        faults = [] if same else [f"run {run['verdict']}, bag {bag['verdict']} {bag['causes']}"]
        self._write(damage=BAG, verdict=bag["verdict"], faults=faults)
        return faults

    def _resume(self, home: Path) -> tuple[list[str], str]:
        """Resume a damaged run, which goes on or refuses in a sentence; what is wrong, and what it said."""
        with Watch(self._domain) as watch, Run(home, self._domain, SETTINGS, "--resume") as run:
            went_on = self._goes_on(run, watch)
            code, faults = self._end(run, watch), watch.account_faults()
        self._genuine |= watch.genuine
        faults += memory_faults(run.folder, self._genuine)[1]
        faults += [] if code == (INTERRUPTED if went_on else REFUSED) else [f"exit code {code}: {run.output[-500:]}"]
        return faults + (["a traceback"] if "Traceback" in run.output else []), run.output

    def _goes_on(self, run: Run, watch: Watch) -> bool:
        """Whether a resumed run takes steps; False where it ends before."""
        deadline = time.monotonic() + HANG
        while run.pid("learner") is None and run.process.poll() is None:
            watch.listen(0.1)
        watch.learn_token(run.folder)
        while run.process.poll() is None and len(watch.genuine) < AFTERWARDS and time.monotonic() < deadline:
            watch.listen(0.1)
        return run.process.poll() is None

    def _write(self, **fields: Any) -> None:
        with self._out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": round(time.time(), 1), **fields}) + "\n")


def summary(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of a campaign."""
    attacks = [line for line in lines if "attack" in line]
    runs, damages = [line for line in lines if "run" in line], [line for line in lines if "damage" in line]
    return {
        "runs": len(runs),
        "attacks": dict(Counter(line["attack"] for line in attacks)),
        "messages": sum(line["sent"] for line in attacks),
        "damages": dict(Counter(line["damage"] for line in damages)),
        "stored": sum(line["inserted"] for line in runs),
        "stored and heard": sum(line["heard"] for line in runs),
        "verdicts": dict(Counter(line["verdict"] for line in (*runs, *damages))),
        "longest wait": max((line["wait"] for line in attacks), default=0.0),
        "waits of over 10 s with a reason": sum(line["wait"] > STILL and bool(line["reason"]) for line in attacks),
        "faults": [fault for line in (*attacks, *runs, *damages) for fault in line["faults"]],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack until ``--minutes`` are over; 1 if anything was wrong."""
    parser = argparse.ArgumentParser("attacks", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("attacks.jsonl"))
    parser.add_argument("--patience", type=float, default=HANG, help="longest wait for a step or a name [s]")
    parser.add_argument("--sources", help="the attacked processes take the package from here")
    asked = parser.parse_args(arguments)
    if asked.sources:
        os.environ["PYTHONPATH"] = os.pathsep.join((asked.sources, os.environ.get("PYTHONPATH", "")))
    end = time.monotonic() + 60.0 * asked.minutes
    with reserved_domain() as domain, tempfile.TemporaryDirectory(prefix="attacks-") as home:
        campaign = Attacks(Path(home), domain, asked.seed, asked.out, asked.patience)
        while time.monotonic() < end:
            campaign.cycle()
            print(json.dumps(summary(read_lines(asked.out))), flush=True)
    return 1 if summary(read_lines(asked.out))["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())

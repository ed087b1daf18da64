"""Kills the simulator of one training run again and again; the run must end by itself, without one bad step.

``tools/env.sh python tests/benchmarks/kill_simulator.py --kills 20`` takes about six minutes: the run gives up when a
process dies more than five times within a minute, so the kills keep twelve seconds apart.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nodes"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))

from kill_harness import StepEar, impossible, kill_simulators
from run_harness import Run, private_domain

from td3_driving.bags.cli import main as replay

APART = 12.5
"""Wall time between two kills [s]."""
STEPS_PER_KILL = 500
"""Steps from one kill to the next on a machine that is fast enough to do nothing else meanwhile."""
SLOW = 10.0
"""Steps a second of a machine that is too slow for this."""


def main() -> int:
    """0 when nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=0, help="of the run (as many as the kills leave time for)")
    parser.add_argument("--home", type=Path, help="folder to keep the run in")
    asked = parser.parse_args()
    steps = asked.steps or STEPS_PER_KILL * (asked.kills + 1)
    settings: dict[str, object] = {"run.steps": steps, "replay.capacity": 2 * steps, "diagnostics.stale_after": 1.0}
    with private_domain() as domain:
        number = domain.number
    with tempfile.TemporaryDirectory() as temporary, StepEar(number) as ear:
        with Run(asked.home or Path(temporary), number, settings, "--record") as run:
            kills = kill_simulators(run, ear, asked.kills, 60, APART)
            code = run.wait(ear, STEPS_PER_KILL * (asked.kills + 1) / SLOW)
        account, wrong = ear.accounts[-1], impossible(ear.steps, 50_000_000)
        found = {
            "kills": kills,
            "exit_code": code,
            "sent": len(ear.steps),
            "received": account.received,
            "lost": account.lost,
            "rejected": account.rejected,
            "impossible_steps": wrong,
            "rebuilt_equal": replay([str(run.folder / "bag")]) == 0,
        }
    print(json.dumps(found))
    good = code == 0 and not wrong and account.received + account.lost == len(ear.steps) == steps
    return 0 if good and found["rebuilt_equal"] else 1


if __name__ == "__main__":
    sys.exit(main())

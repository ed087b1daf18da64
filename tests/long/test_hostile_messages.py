# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand hostile messages over real DDS against one small training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving.learning.replay_files import steps_in

from ..nodes.run_harness import Ear, Run, reopen
from ..shared.patience import HANG
from .hostile_messages import BURST, Flood
from .kill_checks import order_faults

pytestmark = pytest.mark.long
MESSAGES = int(os.environ.get("TD3_DRIVING_MESSAGES", str(10**5)))
HEARD = 5.0
"""Wall time of listening before the attack, for messages to repeat [s]."""
ALIVE = 20
"""Steps that the run takes after the attack."""
SETTINGS: dict[str, object] = {
    "run.steps": 100_000,
    "replay.capacity": 100_000,
    "pacing.learning_starts": 30,
    "exploration.random_steps": 20,
    "pacing.gradient_steps": 2,
}


def verdict_of(folder: Path) -> dict[str, object]:
    """What the doctor says of a run."""
    report = folder / "hostile.json"
    words = [sys.executable, "-m", "td3_driving.doctor.cli", str(folder), "--brief", "--json", str(report)]
    subprocess.run(words, capture_output=True, timeout=HANG)
    found = json.loads(report.read_text())
    return {"verdict": found["verdict"], "causes": [cause["cause"] for cause in found["causes"]]}


def attack(home: Path, domain: int, messages: int) -> dict[str, object]:
    """Send ``messages`` into a run, let it go on, stop it; what came of it."""
    with Ear(domain) as ear, Run(home, domain, SETTINGS) as run:

        def steps() -> int:
            """Steps in the memory: the ear believes everybody."""
            return steps_in(run.folder / "replay")

        with Flood(domain, 0) as flood:
            run.until(lambda: steps() >= 60, "60 steps", ear)
            flood.overhear()
            flood.listen(HEARD)
            while flood.sent.total() < messages and run.process.poll() is None:
                flood.send(BURST)
                flood.listen(0.02)
                ear.listen(0.02)
        reached = steps()
        ear.listen(1.0)
        ear.accounts.clear()
        if run.process.poll() is None:
            run.until(lambda: steps() >= reached + ALIVE and bool(ear.accounts), f"{ALIVE} steps after the attack", ear)
        account, code = ear.accounts[-1], run.stop()
    balanced = account.received == account.inserted + account.duplicate + account.rejected
    return {
        "sent": dict(flood.sent),
        "code": code,
        "steps in the attack": reached,
        "inserted": account.inserted,
        "duplicate": account.duplicate,
        "rejected": account.rejected,
        "lost": account.lost,
        "of strangers, counted by the learner": account.strangers,
        "balanced": balanced,
        "tracebacks": run.output.count("Traceback"),
        "faults of the memory": [*order_faults(memory := reopen(run)), memory.faults.sentence()],
        "last words": run.output.strip().splitlines()[-3:],
        **verdict_of(run.folder),
    }


def test_a_run_survives_a_hundred_thousand_hostile_messages(tmp_path: Path, domain_id: int) -> None:
    found = attack(tmp_path, domain_id, MESSAGES)
    print(json.dumps(found))
    assert found["code"] == 130 and found["tracebacks"] == 0
    assert found["balanced"] and found["rejected"] == found["lost"] == 0
    assert found["faults of the memory"] == [""]
    assert found["duplicate"], "genuine steps that are sent again are known again"
    assert found["verdict"] == "NO-GO"


def main(arguments: Sequence[str]) -> None:
    """``python -m tests.long.test_hostile_messages DOMAIN COUNT`` prints what came of it."""
    with tempfile.TemporaryDirectory() as home:
        print(json.dumps(attack(Path(home), int(arguments[0]), int(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""An explosion during training: the alarm, its latch, and what the guard does about it."""

from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from diagnostic_msgs.msg import DiagnosticStatus
from std_srvs.srv import Trigger

from ..asking import Question
from ..run_harness import Ear, Run

EXPLOSION: dict[str, object] = {
    "run.steps": 3000,
    "run.log_period": 10,
    "network.critic": "camera",
    "pacing.train_freq": 2,
    "pacing.gradient_steps": 2,
    "learning.actor_cnn_lr": 1.0,
    "learning.actor_mlp_lr": 1.0,
    "learning.critic_cnn_lr": 1.0,
    "learning.critic_mlp_lr": 1.0,
    "learning.actor_max_norm": 1e9,
    "learning.critic_max_norm": 1e9,
}
"""Learning rates a thousand times too high, and no clipping: Q runs away from the first update on.

With a privileged critic the same rates froze the policy, and no value ran away.
"""


def test_the_alarm_comes_within_200_updates_and_stays_until_it_is_reset(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, EXPLOSION) as run:
        run.until(lambda: "learner: q health" in [status.name for status in ear.errors], "an alarm", ear)
        first = next(status for status in ear.errors if status.name == "learner: q health")
        updates = float({value.key: value.value for value in first.values}["updates (count)"])
        ear.listen(2.0)
        assert ear.statuses["learner: q health"].level == DiagnosticStatus.ERROR
        client = ear.node.create_client(Trigger, "/td3/reset_alarms")
        question = Question(client, Trigger.Request())
        run.until(question.answered, "the answer to the reset", ear)
        assert question.answer.success
    assert 0 < updates <= 200, f"{updates} updates before the alarm was heard"


def test_the_guard_stops_the_run_and_says_why(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, {**EXPLOSION, "diagnostics.on_critical": "stop"}) as run:
        assert run.wait(ear) == 1
        assert "the guard stopped the run" in run.output and "policy ended the run (exit code 3)" in run.output
        assert "Traceback" not in run.output

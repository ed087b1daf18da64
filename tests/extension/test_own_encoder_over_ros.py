# SPDX-License-Identifier: Apache-2.0
"""The frozen weights of an encoder over DDS: sent once, and needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the workspace is not sourced")

from td3_driving_msgs.msg import PolicyWeights

from td3_driving.nodes.ros import qos
from tests.nodes.run_harness import Ear, Run

HERE = Path(__file__).parent
ENCODER = {"network.encoder": "encoder_of_a_process:EncoderOfAProcess"}


@pytest.mark.slow
def test_a_policy_whose_own_frozen_weights_differ_drives_with_the_learners(
    tmp_path: Path, domain_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the learner's the run would wait for them and give up."""
    search = [str(HERE), str(HERE / "examples"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(search))
    frozen: list[PolicyWeights] = []
    trained: list[PolicyWeights] = []
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, ENCODER) as run:
        ear.node.create_subscription(PolicyWeights, "/td3/frozen_weights", frozen.append, qos.WEIGHTS)
        ear.node.create_subscription(PolicyWeights, "/td3/policy_weights", trained.append, qos.WEIGHTS)
        run.meet(ear)
        assert run.wait(ear) == 0, run.output[-4000:]
    assert len(frozen) == 1 and len(trained) > 2
    assert b"encoder.frozen.0.weight" in bytes(frozen[0].data)
    for message in trained:
        data = bytes(message.data)
        assert frozen[0].sha256.encode() in data and b"encoder.frozen.0.weight" not in data

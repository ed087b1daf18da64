# SPDX-License-Identifier: Apache-2.0
"""Parameters of the visualizer that it refuses."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

PATIENCE = 60.0
"""Wall time for a process to start and to end [s]."""


@pytest.mark.parametrize(
    ("given", "complaint"),
    [("rate:=0.01", "rate"), ("image_height:=big", "image_height"), ("traffic:=3", "traffic")],
)
def test_bad_parameter_is_one_sentence(given: str, complaint: str, module_domain_id: int) -> None:
    words = [sys.executable, "-m", "td3_driving.nodes.view.visualizer", "--ros-args", "-p", given]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(module_domain_id)}
    answer = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ") and complaint in answer.stderr
    assert "Traceback" not in answer.stderr and len(answer.stderr.splitlines()) == 1

# SPDX-License-Identifier: Apache-2.0
"""What the GPU benchmark does, as far as it goes without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import gpu_learner
import gpu_reference
import pytest
import torch
from gpu_learner import BATCHES, PRECISIONS, Case, cases, compare, make_learner, settings_of

from td3_driving.settings import from_flat

from ..shared.patience import HANG


def test_every_precision_at_every_batch_once() -> None:
    asked = list(cases())
    assert len(set(asked)) == len(asked)
    for who in ("ours", "reference"):
        assert {(case.precision, case.batch) for case in asked if (case.who, case.form) == (who, "graph")} == {
            (precision, batch) for precision in PRECISIONS for batch in BATCHES
        }


def test_the_best_of_each_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """300 of ours beside 200 of the reference: 1.5; the library was not measured."""
    rates = {Case("ours", "tf32", 256, "graph"): 300.0, Case("ours", "tf32", 256, "eager"): 100.0}
    rates |= {Case("reference", "tf32", 256, "graph"): 200.0, Case("sb3", "float32", 256, "own"): 0.0}
    compare(rates, 256)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"name": "gpu_ours_against_reference_batch_256", "value": 1.5, "unit": "1"}


def test_the_reference_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both networks and both targets move; the first of two updates leaves the policy alone."""
    monkeypatch.setattr(gpu_reference, "STEPS", 40)
    torch.manual_seed(0)
    learner = gpu_reference.PlainLearner(4, "float32", "eager", torch.device("cpu"))
    networks = (learner._policy, learner._values, *learner._targets)
    before = [[weight.detach().clone() for weight in network.parameters()] for network in networks]
    learner.pair()
    for network, weights in zip(networks, before, strict=True):
        assert not any(torch.equal(old, new) for old, new in zip(weights, network.parameters(), strict=True))
    steps = [next(iter(adam.state.values()))["step"] for adam in (learner._policy_adam, learner._values_adam)]
    assert [int(step) for step in steps] == [1, 2]


def test_our_learner_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_learner, "STORED", 20)
    settings = from_flat({"learning.device": "cpu"}, settings_of(Case("ours", "tf32", 2, "eager")))
    updater, weights = make_learner(settings)
    before = {name: value.clone() for name, value in weights.items()}
    updater.update(1.0)
    updater.update(1.0)
    assert not any(torch.equal(before[name], value) for name, value in weights.items())


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_without_a_gpu_it_says_so() -> None:
    script = Path(__file__).with_name("gpu.sh")
    environment = os.environ | {"PYTHON": sys.executable}
    answer = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=HANG)
    assert (answer.returncode, answer.stdout) == (0, "skipped: no GPU\n"), answer.stderr

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import torch

from td3_driving.learning.agent import make_agent
from td3_driving.learning.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.weights import WeightsError, load_into, take_snapshot, to_bytes
from td3_driving.settings import Settings

Make = Callable[..., Settings]
STATE_DIM = 3


@pytest.mark.parametrize("algorithm", ["td3", "sac"])
def test_the_policy_acts_as_the_learners_actor(small: Make, algorithm: str) -> None:
    settings = small(learning__algorithm=algorithm, network__action_init=0.5)
    agent, policy = make_agent(settings, STATE_DIM, 0), ActorPolicy(settings, STATE_DIM)
    rng = np.random.default_rng(0)
    frames, state = rng.integers(0, 256, (3, 36, 36), dtype=np.uint8), rng.standard_normal(3).astype(np.float32)
    for version in (1, 2):
        agent.actor.trunk[-1].bias.data += 0.1
        agent.actor.encoder.first.weight.data *= 1.1
        snapshot = take_snapshot(agent.actor, version, 10, "hash")
        assert policy.load(snapshot.data, snapshot.sha256) == policy.version == version
        with torch.no_grad():
            expected = agent.actor(
                agent.actor.encoder.prepare(torch.from_numpy(frames[None])), torch.from_numpy(state[None])
            )[0].numpy()
        action = policy.act(frames, state)
        assert action == pytest.approx(expected, abs=1e-5)
        assert action.dtype == np.float32


def test_a_policy_without_weights_or_with_wrong_shapes_says_so(small: Make) -> None:
    policy = ActorPolicy(small(), STATE_DIM)
    with pytest.raises(ValueError, match="no weights"):
        policy.act(np.zeros((3, 36, 36), np.uint8), np.zeros(3, np.float32))
    snapshot = take_snapshot(make_agent(small(), STATE_DIM, 0).actor, 0, 0, "")
    policy.load(snapshot.data)
    with pytest.raises(ValueError, match=r"\(4, 36, 36\).*\(3, 36, 36\)"):
        policy.act(np.zeros((4, 36, 36), np.uint8), np.zeros(3, np.float32))


def test_broken_weights_are_refused_and_change_nothing(small: Make) -> None:
    agent = make_agent(small(), STATE_DIM, 0)
    good = take_snapshot(agent.actor, 5, 0, "")
    wide = make_agent(small(network__hidden=32), STATE_DIM, 0)
    cases = {
        "SHA-256": (good.data[:-1] + b"x", good.sha256),
        "not readable": (b"nonsense", None),
        r"is \(32,\)": (take_snapshot(wide.actor, 0, 0, "").data, None),
        "missing": (to_bytes({"encoder.first.bias": torch.zeros(16)}, {}), None),
        "without a version": (to_bytes(agent.actor.state_dict(), {}), None),
    }
    before = {name: value.clone() for name, value in agent.actor.state_dict().items()}
    for reason, (data, sha256) in cases.items():
        with pytest.raises(WeightsError, match=reason):
            load_into(agent.actor, data, sha256)
    assert all(torch.equal(value, before[name]) for name, value in agent.actor.state_dict().items())


def test_weights_that_are_not_finite_never_leave(small: Make) -> None:
    agent = make_agent(small(), STATE_DIM, 0)
    agent.actor.trunk[0].bias.data[0] = float("nan")
    with pytest.raises(WeightsError, match=r"trunk\.0\.bias is not finite"):
        take_snapshot(agent.actor, 0, 0, "")


def test_checkpoints_keep_three_and_link_the_newest(tmp_path: Path) -> None:
    for updates in (10, 20, 30, 40):
        save_checkpoint(tmp_path, updates, "hash", {"x": torch.full((2,), float(updates))}, {"note": updates})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000020", "000000030", "000000040", "latest"]
    assert (tmp_path / "latest").resolve().name == "000000040"
    checkpoint = load_checkpoint(tmp_path, "hash")
    assert checkpoint is not None
    assert checkpoint.tensors["x"].tolist() == [40.0, 40.0]
    assert checkpoint.state["note"] == checkpoint.state["updates"] == 40


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "absent", "hash") is None


def test_half_a_checkpoint_is_not_one(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, "hash", {"x": torch.zeros(1)}, {})
    (tmp_path / ".building-000000002").mkdir()
    checkpoint = load_checkpoint(tmp_path, "hash")
    assert checkpoint is not None
    assert checkpoint.state["updates"] == 1


def test_foreign_and_corrupt_checkpoints_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, "hash", {"x": torch.zeros(1)}, {})
    with pytest.raises(CheckpointError, match="under configuration hash, this run has other"):
        load_checkpoint(tmp_path, "other")
    tensors, state = path / "tensors.safetensors", path / "state.json"
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-1] + b"\x01")
    with pytest.raises(CheckpointError, match="corrupt"):
        load_checkpoint(tmp_path, "hash")
    tensors.write_bytes(whole)
    state.write_text(json.dumps(json.loads(state.read_text()) | {"format": 99}))
    with pytest.raises(CheckpointError, match="not of format"):
        load_checkpoint(tmp_path, "hash")
    state.write_text("{")
    with pytest.raises(CheckpointError, match="not readable"):
        load_checkpoint(tmp_path, "hash")

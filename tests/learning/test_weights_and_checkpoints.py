# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import save

from td3_driving.learning import checkpoint as checkpoints
from td3_driving.learning.agent import make_agent
from td3_driving.learning.checkpoint import CheckpointError, load_checkpoint, read_checkpoint, save_checkpoint
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.weights import METADATA, WeightsError, fit, load_into, take_snapshot, to_bytes
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


def test_weights_that_are_not_finite_never_come_in(small: Make) -> None:
    actor = make_agent(small(), STATE_DIM, 0).actor
    poisoned = {name: value.clone() for name, value in actor.state_dict().items()}
    poisoned["trunk.0.bias"][0] = float("inf")
    with pytest.raises(WeightsError, match=r"trunk\.0\.bias is not finite"):
        fit(actor, save(poisoned, {METADATA: json.dumps({"version": "1"})}))


@pytest.mark.parametrize("version", ["abc", "-1", "1_0", " 1", "", "9" * 5000])
def test_a_version_that_is_no_number_of_updates_is_refused(small: Make, version: str) -> None:
    actor = make_agent(small(), STATE_DIM, 0).actor
    with pytest.raises(WeightsError, match="is no number of updates"):
        fit(actor, to_bytes(actor.state_dict(), {"version": version}))


def test_weights_have_the_version_that_was_announced(small: Make) -> None:
    actor = make_agent(small(), STATE_DIM, 0).actor
    data = take_snapshot(actor, 5, 0, "").data
    assert fit(actor, data, version=5).version == 5
    with pytest.raises(WeightsError, match="of version 5, announced was 6"):
        fit(actor, data, version=6)


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


@pytest.mark.parametrize("files", [0, 1, 2])
def test_a_process_that_dies_while_it_removes_leaves_no_half_checkpoint(
    files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends after ``files`` of the two files of the oldest checkpoint are gone."""
    for updates in (10, 20, 30):
        save_checkpoint(tmp_path, updates, "hash", {"x": torch.zeros(1)}, {})

    def dies(path: Path, ignore_errors: bool = False) -> None:
        if ignore_errors:
            return
        for file in sorted(path.iterdir())[:files]:
            file.unlink()
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints.shutil, "rmtree", dies)
        with pytest.raises(SystemExit):
            save_checkpoint(tmp_path, 40, "hash", {"x": torch.ones(1)}, {})
    whole = sorted(path for path in tmp_path.iterdir() if path.name.isdigit())
    assert [path.name for path in whole] == ["000000020", "000000030", "000000040"]
    for path in whole:
        read_checkpoint(path, "hash")
    save_checkpoint(tmp_path, 50, "hash", {"x": torch.zeros(1)}, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000030", "000000040", "000000050", "latest"]


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "absent", "hash") is None


def test_half_a_checkpoint_is_not_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends after the tensors, before the state."""
    save_checkpoint(tmp_path, 1, "hash", {"x": torch.zeros(1)}, {})
    write = checkpoints._write

    def ends(path: Path, data: bytes) -> None:
        if path.name == "state.json":
            raise SystemExit
        write(path, data)

    monkeypatch.setattr(checkpoints, "_write", ends)
    with pytest.raises(SystemExit):
        save_checkpoint(tmp_path, 2, "hash", {"x": torch.zeros(1)}, {})
    checkpoint = load_checkpoint(tmp_path, "hash")
    assert checkpoint is not None
    assert (checkpoint.state["updates"], checkpoint.passed_over) == (1, ())


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


def saved(folder: Path, *updates: int) -> list[Path]:
    """Checkpoints whose tensor says their update."""
    return [save_checkpoint(folder, number, "hash", {"x": torch.full((8,), float(number))}, {}) for number in updates]


def flipped(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x01
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_truncated_newest_checkpoint_gives_way_to_the_one_before(tmp_path: Path, name: str) -> None:
    newest = saved(tmp_path, 10, 20, 30)[-1] / name
    newest.write_bytes(newest.read_bytes()[:-20])
    checkpoint = load_checkpoint(tmp_path, "hash")
    assert checkpoint is not None and checkpoint.tensors["x"][0] == checkpoint.state["updates"] == 20
    assert len(checkpoint.passed_over) == 1 and "000000030" in checkpoint.passed_over[0]


def test_every_flipped_byte_of_a_checkpoint_is_found(tmp_path: Path) -> None:
    _, newest = saved(tmp_path, 10, 20)
    for path in (newest / "tensors.safetensors", newest / "state.json"):
        kept = path.read_bytes()
        for offset in range(len(kept)):
            flipped(path, offset)
            checkpoint = load_checkpoint(tmp_path, "hash")
            assert checkpoint is not None and checkpoint.state["updates"] == 10, (path.name, offset)
            path.write_bytes(kept)


def test_no_whole_checkpoint_is_one_sentence_that_names_all(tmp_path: Path) -> None:
    for path in saved(tmp_path, 10, 20):
        (path / "tensors.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"no checkpoint is left .*000000020.* 0 bytes.*000000010") as caught:
        load_checkpoint(tmp_path, "hash")
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_are_never_resumed_from(tmp_path: Path) -> None:
    saved(tmp_path, 10)
    save_checkpoint(tmp_path, 20, "hash", {"x": torch.tensor([1.0, float("nan")])}, {})
    checkpoint = load_checkpoint(tmp_path, "hash")
    assert checkpoint is not None and checkpoint.state["updates"] == 10
    assert "x is not finite" in checkpoint.passed_over[0]


def test_a_newest_checkpoint_of_another_run_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    saved(tmp_path, 10)
    save_checkpoint(tmp_path, 20, "other", {"x": torch.zeros(1)}, {})
    with pytest.raises(CheckpointError, match="under configuration other, this run has hash"):
        load_checkpoint(tmp_path, "hash")


def test_a_checkpoint_of_the_first_format_is_read(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, 10)
    state = json.loads((path / "state.json").read_text()) | {"format": 1}
    del state["bytes"], state["checksum"]
    (path / "state.json").write_text(json.dumps(state))
    assert load_checkpoint(tmp_path, "hash") is not None

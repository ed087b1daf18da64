# SPDX-License-Identifier: Apache-2.0
"""Encoders from outside the package: one that is trained, and one with frozen weights, which travel once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Callable

import my_frozen_encoder
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from td3_driving.deploy.bundle import read_bundle
from td3_driving.deploy.runtime import start
from td3_driving.driving.observation import stack_shape
from td3_driving.driving.state_vector import state_dim
from td3_driving.export.to_bundle import export_policy, observations
from td3_driving.in_process.run import InProcessRun
from td3_driving.learning.acting import LearnedActionSource
from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.agent_state import actor_weights
from td3_driving.learning.algorithms.td3 import TD3
from td3_driving.learning.checkpoint import load_checkpoint
from td3_driving.learning.encoders import Encoder, fill
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.networks import Inputs
from td3_driving.learning.preflight import PreflightError, made_up_experience, preflight
from td3_driving.learning.trainer import Trainer
from td3_driving.learning.weights import WeightsError
from td3_driving.settings import Settings

Conf = Callable[..., Settings]
Drive = Callable[[Settings, Path], InProcessRun]
OWN, FROZEN = "my_encoder:MyEncoder", "my_frozen_encoder:MyFrozenEncoder"
FROZEN_NAMES = {"encoder.frozen.0.weight", *(f"encoder.frozen.1.{name}" for name in ("weight", "bias", "running_mean"))}


def fed(settings: Settings, folder: Path, steps: range) -> Trainer:
    """A trainer that got these steps of a made-up course."""
    trainer = Trainer(settings, folder, state_dim(settings.observation))
    experiences = list(made_up_experience(settings, state_dim(settings.observation), steps.stop))
    for experience in experiences[steps.start :]:
        trainer.receive(experience)
    return trainer


def change(monkeypatch: pytest.MonkeyPatch, after: Callable[[Encoder], object]) -> None:
    """Let ``after`` change each frozen encoder that is made."""
    make = my_frozen_encoder.MyFrozenEncoder.__init__

    def changed(self: Encoder, *groups: object) -> None:
        make(self, *groups)
        after(self)

    monkeypatch.setattr(my_frozen_encoder.MyFrozenEncoder, "__init__", changed)


def action_of(policy: ActorPolicy, settings: Settings) -> np.ndarray:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, stack_shape(settings.observation), dtype=np.uint8)
    return policy.act(frames, generator.standard_normal(state_dim(settings.observation)).astype(np.float32))


@pytest.mark.parametrize("critic", ["privileged", "camera"])
@pytest.mark.parametrize("encoder", [OWN, FROZEN])
def test_it_passes_the_preflight(settings: Conf, encoder: str, critic: str) -> None:
    conf = settings(network__encoder=encoder, network__critic=critic)
    preflight(conf, state_dim(conf.observation))


@pytest.mark.parametrize("encoder", [OWN, FROZEN])
def test_it_trains_acts_and_is_exported(settings: Conf, drive: Drive, tmp_path: Path, encoder: str) -> None:
    conf = settings(network__encoder=encoder, network__action_init=0.5)
    start_weights = Trainer(conf, tmp_path / "start", state_dim(conf.observation)).agent.actor.state_dict()
    run = drive(conf, tmp_path / "run")
    assert run.trainer.updates == 112
    actor = run.trainer.agent.actor
    moved = {name for name, value in actor.state_dict().items() if not value.equal(start_weights[name])}
    assert moved == set(actor.trained_state())
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoints", conf.digest())
    assert checkpoint is not None and actor_weights(checkpoint) == run.trainer.weights().data
    data, difference = export_policy(conf, actor_weights(checkpoint), {"settings": conf.flat()})
    assert difference <= 1e-5
    bundle = read_bundle(data)
    policy, runtime = ActorPolicy(conf, state_dim(conf.observation)), start(bundle).runtime
    policy.load(run.trainer.weights().data)
    pairs = list(zip(*observations(bundle.contract, 20, seed=5)))
    actions = np.stack([policy.act(*pair) for pair in pairs])
    assert actions.std(axis=0).min() > 0.005, "actions that do not differ prove nothing"
    assert np.abs(actions - np.stack([runtime.act(*pair) for pair in pairs])).max() <= 1e-5


def test_frozen_weights_are_in_no_optimizer_and_have_no_series(settings: Conf, tmp_path: Path) -> None:
    conf = settings(network__encoder=FROZEN, network__critic="camera", learning__actor_cnn_lr=1e-3)
    trainer = fed(conf, tmp_path, range(40))
    agent = trainer.agent
    held = {id(value) for o in agent.optimizers().values() for group in o.param_groups for value in group["params"]}
    for network in (agent.actor, agent.critic):
        trained = {id(value) for value in network.encoder.layers.parameters()}
        frozen = {id(value) for value in network.encoder.frozen.parameters()}
        assert trained <= held and not frozen & held and len(frozen) == 3
        assert [id(value) for value in network.part("cnn")] == [
            id(value) for value in network.encoder.layers.parameters()
        ]
    point = trainer.pop_log_point()
    assert point is not None and "agent/actor_cnn_param_mean" in point.values


def test_an_encoder_that_is_frozen_as_a_whole_leaves_the_trunk_to_learn(
    settings: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def freeze(encoder: Encoder) -> None:
        fill(encoder.layers, torch.Generator().manual_seed(3))
        encoder.layers.requires_grad_(False)

    change(monkeypatch, freeze)
    conf = settings(network__encoder=FROZEN, network__critic="camera")
    preflight(conf, state_dim(conf.observation))
    trainer = fed(conf, tmp_path, range(40))
    assert trainer.updates == 8 and trainer.agent.actor.part("cnn") == []
    points = []
    while point := trainer.pop_log_point():
        points.append(point.values)
    assert not any("_cnn_" in tag for values in points for tag in values), "no series of what is not there"
    assert all("gradients/actor_mlp_norm" in values for values in points[2:])


def test_frozen_weights_travel_once(settings: Conf, tmp_path: Path) -> None:
    trainer = fed(settings(network__encoder=FROZEN), tmp_path, range(30))
    frozen, trained = trainer.frozen_weights, trainer.trained_weights()
    assert frozen is not None
    names = {name.encode() for name in FROZEN_NAMES}
    assert all(name in frozen.data and name not in trained.data for name in names)
    assert frozen.sha256.encode() in trained.data
    assert len(trainer.weights().data) > len(trained.data) + 500
    assert fed(settings(), tmp_path / "other", range(0)).frozen_weights is None


def test_a_policy_that_was_made_with_other_frozen_weights_waits_for_the_learners(
    settings: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of the pretrained weights may be another one where the policy runs; the learner's counts."""
    conf = settings(network__encoder=FROZEN, network__action_init=0.5)
    trainer = fed(conf, tmp_path, range(30))
    expected = ActorPolicy(conf, state_dim(conf.observation))
    expected.load(trainer.weights().data)
    monkeypatch.setattr(my_frozen_encoder, "SEED", 2)
    policy, action_source = ActorPolicy(conf, state_dim(conf.observation)), LearnedActionSource(conf, 0)
    with pytest.raises(WeightsError, match="the weights belong to frozen weights"):
        policy.load(trainer.trained_weights().data)
    assert action_source.before_first_step() == "the learner's first weights"
    action_source.offer(trainer.trained_weights())
    assert action_source.before_first_step() == "the frozen weights of the learner's encoder"
    assert trainer.frozen_weights is not None
    action_source.offer_frozen(trainer.frozen_weights)
    assert action_source.before_first_step() == "" and action_source.version == trainer.updates
    assert action_source.weights_in_use == action_source.newest_weights == trainer.weights().data
    policy.load_frozen(trainer.frozen_weights.data, trainer.frozen_weights.sha256)
    policy.load(trainer.trained_weights().data)
    np.testing.assert_array_equal(action_of(policy, conf), action_of(expected, conf))


def test_frozen_weights_may_come_before_the_others_and_broken_ones_change_nothing(
    settings: Conf, tmp_path: Path
) -> None:
    conf = settings(network__encoder=FROZEN)
    trainer, action_source = fed(conf, tmp_path, range(30)), LearnedActionSource(conf, 0)
    assert trainer.frozen_weights is not None
    before = action_source.frozen
    broken = replace(trainer.frozen_weights, data=trainer.frozen_weights.data[:-1] + b"x")
    with pytest.raises(WeightsError, match="SHA-256"):
        action_source.offer_frozen(broken)
    with pytest.raises(WeightsError, match="do not fit"):
        action_source.offer_frozen(trainer.weights())
    assert action_source.frozen == before
    action_source.offer_frozen(trainer.frozen_weights)
    action_source.offer(trainer.trained_weights())
    assert action_source.version == trainer.updates


@pytest.mark.parametrize("critic", ["privileged", "camera"])
def test_a_resumed_run_goes_on_to_the_bit_with_the_frozen_weights_it_began_with(
    settings: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, critic: str
) -> None:
    conf = settings(network__encoder=FROZEN, network__critic=critic, replay__on_disk=True, run__steps=60)
    straight = fed(conf, tmp_path / "straight", range(60))
    fed(conf, tmp_path / "stopped", range(40)).save()
    (file,) = (tmp_path / "stopped" / "checkpoints").glob("0*/tensors.safetensors")
    kept = [name for name in load_file(file) if name.endswith("frozen.0.weight")]
    assert kept == ["frozen.encoder.frozen.0.weight"], "once, although up to four networks hold it"
    monkeypatch.setattr(my_frozen_encoder, "SEED", 2)
    resumed = fed(conf, tmp_path / "stopped", range(40, 60))
    assert resumed.weights() == straight.weights()
    assert resumed.frozen_weights == straight.frozen_weights


class ByPass(TD3):
    """Q of the features of the actor's encoder."""

    def actor_q(self, now: Inputs, actions: Tensor) -> Tensor:
        features = torch.cat([self.networks.actor.encoder(now.frames), now.states], dim=1)
        return self.networks.critic.first_value(features, actions)


def test_a_gradient_past_the_action_is_seen_behind_frozen_layers_too(settings: Conf) -> None:
    conf = settings(network__encoder=FROZEN, network__critic="camera")
    with pytest.raises(PreflightError, match="gradient_path: sum of absolute gradients around the action"):
        preflight(conf, 3, factory=lambda *arguments: LearningAgent(*arguments, ByPass))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda encoder: encoder.frozen.train(), r"frozen_kept: different: \['encoder.frozen.1.num_batches_tracked'"),
        (lambda encoder: encoder.frozen.requires_grad_(True), "prepare takes trained weights: True"),
        (lambda encoder: torch.nn.init.normal_(encoder.frozen[0].weight), r"different: \['encoder.frozen.0.weight'\]"),
    ],
    ids=["not in eval mode", "not frozen", "different at every call"],
)
def test_what_is_frozen_wrongly_refuses_to_train(
    settings: Conf,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Encoder], object],
    says: str,
) -> None:
    change(monkeypatch, fault)
    with pytest.raises(PreflightError, match=says):
        preflight(settings(network__encoder=FROZEN), 3)

# SPDX-License-Identifier: Apache-2.0
"""An algorithm from outside the package: one file, named by its import path."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import torch

from td3_driving.driving.observation import stack_shape
from td3_driving.driving.state_vector import state_dim
from td3_driving.in_process.run import InProcessRun
from td3_driving.learning.agent import make_agent
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.preflight import PreflightError, made_up_experience, preflight
from td3_driving.learning.trainer import Trainer
from td3_driving.plugins import PluginError
from td3_driving.settings import Settings, SettingsError

Conf = Callable[..., Settings]
Drive = Callable[[Settings, Path], InProcessRun]
OWN = "my_algorithm:MyAlgorithm"


def test_it_passes_the_preflight_trains_and_acts(settings: Conf, drive: Drive, tmp_path: Path) -> None:
    conf = settings(learning__algorithm=OWN)
    preflight(conf, state_dim(conf.observation))
    run = drive(conf, tmp_path)
    assert type(run.trainer.agent.algorithm).__name__ == "MyAlgorithm"
    assert run.trainer.updates == 112
    policy = ActorPolicy(conf, state_dim(conf.observation))
    assert policy.load(run.trainer.weights().data) == 112
    state = np.zeros(state_dim(conf.observation), np.float32)
    action = policy.act(np.zeros(stack_shape(conf.observation), np.uint8), state)
    assert action.shape == (2,) and np.abs(action).max() <= 1.0


def test_it_regresses_to_what_it_says(settings: Conf, tmp_path: Path) -> None:
    """Targets 5 and 3 have the mean 4; q1 = 4.1 is 0.1 off and q2 = 6 is 2 off: the loss is 0.1^2 / 2 + 2 - 1/2."""
    conf = settings(learning__algorithm=OWN)
    trainer = Trainer(conf, tmp_path, 3)
    for experience in made_up_experience(conf, 3, 10):
        trainer.receive(experience)
    agent = trainer.agent
    for critic, heads in ((agent.critic, (4.1, 6.0)), (agent.networks.critic_target, (5.0, 3.0))):
        for head, value in zip(critic.heads, heads):
            head[-1].weight.data.zero_()
            head[-1].bias.data.fill_(value)
    inputs = agent.to_device(trainer.memory.gather(trainer.memory.sampleable_slots()))
    with torch.no_grad():
        target = agent.algorithm.next_value(inputs.beyond)
        loss = agent.algorithm.critic_loss(*agent.critic(inputs.now, inputs.actions), target)
    assert target.tolist() == pytest.approx([4.0] * len(inputs.rewards))
    assert float(loss) == pytest.approx(0.005 + 1.5, abs=1e-5)


def test_a_resumed_run_goes_on_to_the_bit(settings: Conf, tmp_path: Path) -> None:
    conf = settings(learning__algorithm=OWN, replay__on_disk=True, run__steps=60)
    experiences = list(made_up_experience(conf, 3, 60))
    straight, first = Trainer(conf, tmp_path / "straight", 3), Trainer(conf, tmp_path / "stopped", 3)
    for experience in experiences:
        straight.receive(experience)
    for experience in experiences[:40]:
        first.receive(experience)
    first.save()
    second = Trainer(conf, tmp_path / "stopped", 3)
    for experience in experiences[40:]:
        second.receive(experience)
    assert second.weights() == straight.weights()


def test_a_setting_that_it_does_not_read_and_does_not_name_stops_the_run(
    settings: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    import my_algorithm

    monkeypatch.setattr(my_algorithm.MyAlgorithm, "unused", frozenset({"target_noise"}))
    with pytest.raises(PreflightError, match=r"never read: \['learning.target_noise_clip'\]"):
        preflight(settings(learning__algorithm=OWN), 3)


def test_what_is_no_algorithm_is_refused_in_one_sentence(settings: Conf) -> None:
    with pytest.raises(SettingsError, match=r"algorithm: 'ppo' is not one of td3, ddpg, sac, nor an import path"):
        settings(learning__algorithm="ppo")
    with pytest.raises(PluginError, match=r"learning.algorithm: 'my_algorithm:Inputs' lacks actor, unused, next_value"):
        make_agent(settings(learning__algorithm="my_algorithm:Inputs"), 3, 0)
    with pytest.raises(PluginError, match="there is no module 'my_algoritm'; install it, or put its folder on"):
        make_agent(settings(learning__algorithm="my_algoritm:MyAlgorithm"), 3, 0)

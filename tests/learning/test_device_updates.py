# SPDX-License-Identifier: Apache-2.0
"""The update as a device makes it, beside the one of the processor; without a CUDA device it is not recorded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch

from td3_driving.driving.experience import Experience
from td3_driving.learning import agent_state, trainer
from td3_driving.learning.agent import LearningAgent, make_agent
from td3_driving.learning.agent_state import collect
from td3_driving.learning.captured_update import CapturedUpdate
from td3_driving.learning.deciding import NoiseBatch
from td3_driving.learning.device import compile_networks, device_of
from td3_driving.learning.device_replay import DeviceReplay, PinnedReplay
from td3_driving.learning.device_series import DeviceSeries
from td3_driving.learning.imitation import imitation_weight
from td3_driving.learning.optimizers import set_learning_rates, step_of
from td3_driving.learning.preflight import made_up_experience, rehearse
from td3_driving.learning.ranks.sharing import Alone
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.series import LogPoint, Meter
from td3_driving.learning.trainer import Diverged, Trainer
from td3_driving.learning.updater import LOOK_PERIOD, DeviceUpdater, DirectUpdater, make_updater
from td3_driving.settings import Settings

Make = Callable[..., Settings]
Kind = type[DeviceReplay] | type[PinnedReplay]
STATE_DIM = 3
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
FORMS: tuple[dict[str, Any], ...] = (
    {"network__critic": "camera"},
    {"learning__teacher": "idm", "learning__teacher_decay": 9, "learning__teacher_weight_end": 0.5},
    {"learning__lr_decay": 8, "learning__lr_end": 0.1, "learning__reward_scaling": True, "learning__n_step": 3},
    {"learning__algorithm": "sac", "learning__policy_delay": 1, "network__layer_norm": True},
    {"learning__algorithm": "ddpg", "learning__policy_delay": 3},
)


def use_device(patch: pytest.MonkeyPatch, kind: Kind) -> None:
    """Let trainers update as on a device."""

    def make(
        settings: Settings, agent: LearningAgent, memory: ReplayMemory, generator: np.random.Generator, ranks: Alone
    ) -> DeviceUpdater:
        return DeviceUpdater(settings, agent, memory, generator, kind(settings, memory, agent.device))

    patch.setattr(trainer, "make_updater", make)


def trained(settings: Settings, folder: Path) -> tuple[Trainer, list[LogPoint]]:
    learner, points = Trainer(settings, folder, STATE_DIM), []
    for experience in made_up_experience(settings, STATE_DIM, 60):
        learner.receive(experience)
        while point := learner.pop_log_point():
            points.append(point)
    return learner, points


@pytest.mark.parametrize("kind", [DeviceReplay, PinnedReplay])
@pytest.mark.parametrize("form", FORMS)
def test_a_device_learns_what_the_processor_learns(
    small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, form: dict[str, Any]
) -> None:
    settings = small(**form)
    plain, points = trained(settings, tmp_path / "plain")
    use_device(monkeypatch, kind)
    other, others = trained(settings, tmp_path / "device")
    assert isinstance(other._updater, DeviceUpdater) and isinstance(plain._updater, DirectUpdater)
    assert (other.updates, other.agent.policy_updates) == (plain.updates, plain.agent.policy_updates)
    wanted, found = collect(plain.agent), collect(other.agent)
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-6, msg=name)
    assert [point.step for point in points] == [point.step for point in others] and len(points) > 2
    for point, twin in zip(points, others, strict=True):
        assert twin.values == pytest.approx(point.values, rel=1e-5, abs=1e-6)


def test_a_loss_that_is_not_finite_is_found_before_anybody_gets_the_weights(
    small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_device(monkeypatch, DeviceReplay)
    learner, _ = trained(small(run__steps=200, run__log_period=10**6), tmp_path)
    with torch.no_grad():
        learner.agent.critic.trained()[0].fill_(math.nan)
    before = learner.updates
    learner._update()
    assert learner.updates == before + 1
    with pytest.raises(Diverged, match=rf"critic was nan not long before update {before + 1}"):
        learner.weights()
    for _ in range(LOOK_PERIOD - 1):
        learner._update()
    with pytest.raises(Diverged):
        learner._update()


def test_graphs_without_a_cuda_device_are_refused(small: Make) -> None:
    agent = make_agent(small(), STATE_DIM, 0)
    with pytest.raises(ValueError, match="CUDA graphs need a CUDA device, but the learner computes on cpu"):
        CapturedUpdate(agent, NoiseBatch(small(), STATE_DIM, agent.device), capture=True)


def test_series_are_those_of_the_meter() -> None:
    """Means over the updates that have a tag, extremes where the name asks for them; then a new window."""
    rng, meter, series = np.random.default_rng(0), Meter(), DeviceSeries()
    for _ in range(3):
        for number in range(5):
            tags = ["train/critic_loss", "debug/reward_min"] + ["debug/q1_for_actor_max"] * (number % 2)
            report = {tag: torch.tensor(float(rng.normal())) for tag in tags}
            meter.add(report)
            series.add(bool(number % 2), report)
            series.count(bool(number % 2))
        assert math.isfinite(series.loss())
        assert series.pop() == pytest.approx(meter.pop(), rel=1e-6)
    assert series.pop() == meter.pop() == {}


def test_auto_takes_what_is_there(small: Make) -> None:
    there = "cuda" if torch.cuda.is_available() else "cpu"
    assert device_of(small(learning__device="auto").learning).type == there
    assert device_of(small(learning__device="cpu").learning).type == "cpu"


def test_a_class_with_an_update_of_its_own_is_asked_for_it(small: Make) -> None:
    class Own(LearningAgent):
        def update(self, batch: Any, reward_scale: float = 1.0) -> Any:
            return super().update(batch, reward_scale)

    settings, generator = small(), np.random.default_rng(0)
    agent = Own(settings, STATE_DIM, 0)
    agent.device = torch.device("cuda")
    memory = ReplayMemory(settings, STATE_DIM, None)
    assert isinstance(make_updater(settings, agent, memory, generator), DirectUpdater)


def test_a_rate_in_a_tensor_changes_in_its_place(small: Make) -> None:
    """1e-2 falls by half over 4 updates: 0.75 of it after two."""
    rule = small(learning__lr_decay=4, learning__lr_end=0.5).learning
    rate = torch.tensor(1e-2)
    optimizer = torch.optim.Adam([{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": rate}], capturable=False)
    set_learning_rates([optimizer], rule, 2)
    assert optimizer.param_groups[0]["lr"] is rate and float(rate) == pytest.approx(7.5e-3)


@pytest.mark.parametrize("updates", [0, 3, 9, 50])
def test_the_weight_of_the_teacher_from_a_tensor(small: Make, updates: int) -> None:
    rule = small(learning__teacher="idm", learning__teacher_decay=9).learning
    weight = imitation_weight(rule, torch.tensor(float(updates)))
    assert float(weight) == pytest.approx(imitation_weight(rule, updates))


def test_weights_that_lie_channels_last_go_on_from_a_checkpoint(small: Make) -> None:
    """Optimizers that are fused refuse a state that lies otherwise than its weight."""
    settings = small(network__critic="camera")
    before, after = (make_agent(settings, STATE_DIM, seed) for seed in (0, 1))
    for agent in (before, after):
        for network in (agent.actor, agent.critic):
            network.to(memory_format=torch.channels_last)
    batch = NoiseBatch(settings, STATE_DIM, before.device).read()
    for _ in range(2):
        before.update_critic(before.to_device(batch))
        before.update_actor(before.to_device(batch), 1)
    rows = torch.contiguous_format
    agent_state.restore(after, {name: value.clone(memory_format=rows) for name, value in collect(before).items()})
    moved = [value for value in after.critic.trained() if value.dim() == 4 and not value.is_contiguous()]
    assert moved
    for value in moved:
        assert after.critic_optimizer.state[value]["exp_avg"].stride() == value.stride()
    for agent in (before, after):
        agent.update_critic(agent.to_device(batch))
    for name, value in collect(before).items():
        torch.testing.assert_close(collect(after)[name], value, rtol=1e-6, atol=1e-7, msg=name)


def test_compiled_networks_keep_the_names_of_their_weights(small: Make) -> None:
    agent = make_agent(small(network__critic="camera"), STATE_DIM, 0)
    names = list(collect(agent))
    compile_networks(agent.networks, torch.device("cpu"))
    assert list(collect(agent)) == names
    parts = [agent.actor.encoder, agent.actor.trunk, *agent.critic.heads, agent.networks.critic_target.encoder]
    assert all(part._compiled_call_impl is not None for part in parts)


@pytest.mark.parametrize("algorithm", ["td3", "sac"])
def test_a_cuda_device_is_given_methods_that_are_there(small: Make, algorithm: str) -> None:
    agent = make_agent(small(network__critic="camera", learning__algorithm=algorithm), STATE_DIM, 0)
    names = list(collect(agent))
    compile_networks(agent.networks, torch.device("cuda"))
    assert list(collect(agent)) == names
    networks = [network for pair in agent.networks.pairs().values() for network in pair]
    assert all(name in vars(network) for network in networks for name in network.compiled)
    assert all(network.compiled for network in networks)


def test_a_step_without_the_fused_kernel_is_the_same() -> None:
    """On a CUDA device a compiled step takes its place."""
    networks = [torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)]
    networks[1].load_state_dict(networks[0].state_dict())
    for network, fused in zip(networks, (True, False), strict=True):
        optimizer = torch.optim.Adam(network.parameters(), 1e-2, fused=fused, foreach=not fused)
        for number in range(5):
            optimizer.zero_grad()
            network(torch.full((4, 3), 1.0 + number)).square().mean().backward()
            step_of(optimizer, compiled=False)()
    for ours, theirs in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


@needs_cuda
@pytest.mark.parametrize("form", FORMS)
def test_recorded_updates_are_the_unrecorded_ones(small: Make, tmp_path: Path, form: dict[str, Any]) -> None:
    states = []
    for capture in (False, True):
        settings = small(**form, learning__device="cuda", learning__capture=capture)
        learner, points = trained(settings, tmp_path / str(capture))
        states.append((collect(learner.agent), points[-1].values))
    for name, value in states[0][0].items():
        torch.testing.assert_close(states[1][0][name], value, rtol=1e-5, atol=1e-6, msg=name)
    assert states[1][1] == pytest.approx(states[0][1], rel=1e-3, abs=1e-5)


@needs_cuda
@pytest.mark.parametrize("algorithm", ["td3", "sac"])
def test_compiled_updates_are_the_plain_ones(small: Make, tmp_path: Path, algorithm: str) -> None:
    form: dict[str, Any] = {"network__critic": "camera", "learning__algorithm": algorithm, "learning__device": "cuda"}
    plain, compiled = (
        collect(trained(small(**form, learning__compile=choice), tmp_path / choice)[0].agent)
        for choice in ("off", "on")
    )
    assert list(compiled) == list(plain)
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-4, msg=name)


@needs_cuda
def test_one_seed_on_one_cuda_device_gives_the_same_bits(small: Make, tmp_path: Path) -> None:
    settings = small(network__critic="camera", learning__device="cuda")
    first, second = (trained(settings, tmp_path / name)[0].weights().data for name in ("first", "second"))
    assert first == second


@needs_cuda
def test_a_learner_on_a_cuda_device_that_is_resumed_goes_on_to_the_bit(small: Make, tmp_path: Path) -> None:
    settings = small(network__critic="camera", learning__device="cuda", replay__on_disk=True)
    experiences = list(made_up_experience(settings, STATE_DIM, 60))
    straight, stopped = (Trainer(settings, tmp_path / name, STATE_DIM) for name in ("straight", "stopped"))
    learn(straight, experiences)
    learn(stopped, experiences[:40])
    stopped.save()
    resumed = Trainer(settings, tmp_path / "stopped", STATE_DIM)
    assert (resumed.inserted, resumed.updates) == (40, stopped.updates)
    learn(resumed, experiences[40:])
    assert resumed.updates == straight.updates > stopped.updates > 0
    assert resumed.weights() == straight.weights()


@needs_cuda
@pytest.mark.parametrize("form", FORMS)
def test_the_preflight_passes_on_a_cuda_device(small: Make, form: dict[str, Any]) -> None:
    results = rehearse(small(**form, learning__device="cuda"), STATE_DIM)
    assert [result for result in results if not result.passed] == []


def learn(learner: Trainer, experiences: list[Experience]) -> None:
    """Give a learner its steps, and let it make the updates that are due."""
    for experience in experiences:
        learner.receive(experience)
        learner.run_due()

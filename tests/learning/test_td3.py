# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from td3_driving.learning.agent import LearningAgent, make_agent
from td3_driving.learning.batch import Batch
from td3_driving.learning.gradients import clip_and_measure, global_norm
from td3_driving.learning.return_bound import return_bound
from td3_driving.settings import Settings

Make = Callable[..., Settings]
STATE_DIM, PRIVILEGED_DIM = 3, 53
ALGORITHMS = ("td3", "ddpg", "sac")


@pytest.fixture(params=["privileged", "camera"])
def small(request: pytest.FixtureRequest, small: Make) -> Make:
    """Every rule holds for both critics."""

    def make(**changes: Any) -> Settings:
        return small(**({"network__critic": request.param} | changes))

    return make


def batch_of(size: int = 8, seed: int = 0, **changes: Any) -> Batch:
    rng = np.random.default_rng(seed)
    window = rng.integers(0, 256, (size, 4, 36, 36), dtype=np.uint8)
    values = {
        "window": window,
        "channels": 3,
        "states": rng.standard_normal((size, STATE_DIM)).astype(np.float32),
        "next_states": rng.standard_normal((size, STATE_DIM)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (size, 2)).astype(np.float32),
        "rewards": rng.standard_normal(size).astype(np.float32),
        "discounts": np.full(size, 0.9, np.float32),
        "terminated": np.zeros(size, bool),
        "privileged": rng.standard_normal((size, PRIVILEGED_DIM)).astype(np.float32),
        "next_privileged": rng.standard_normal((size, PRIVILEGED_DIM)).astype(np.float32),
        "teacher_actions": np.full((size, 2), np.nan, np.float32),
    }
    return Batch(**(values | changes))


def force_critics(agent: LearningAgent, q1: float, q2: float, target1: float, target2: float) -> None:
    """Let the heads answer constants."""
    for critic, values in ((agent.critic, (q1, q2)), (agent.networks.critic_target, (target1, target2))):
        for head, value in zip(critic.heads, values, strict=True):
            head[-1].weight.data.zero_()
            head[-1].bias.data.fill_(value)


def test_target_takes_the_smaller_q_and_stops_at_termination(small: Make) -> None:
    """r + gamma min(5, 3) = 1 + 0.9 * 3; at a termination the discount is 0 and the reward stands alone."""
    agent = make_agent(small(), STATE_DIM, 0)
    force_critics(agent, 0, 0, 5.0, 3.0)
    discounts = np.array([0.9, 0.0], np.float32)
    inputs = agent.to_device(batch_of(2, rewards=np.ones(2, np.float32), discounts=discounts))
    assert agent.target(inputs).tolist() == pytest.approx([3.7, 1.0])


def test_losses_and_means_by_hand(small: Make) -> None:
    """q1 = 2, q2 = 1, target 0.5 + 0.9 * 1: losses (0.6)^2 and (0.4)^2."""
    agent = make_agent(small(), STATE_DIM, 0)
    force_critics(agent, 2.0, 1.0, 1.0, 4.0)
    report = agent.update(batch_of(rewards=np.full(8, 0.5, np.float32)))
    expected = {
        "train/critic_loss": 0.36 + 0.16,
        "debug/q1_pred_mean": 2.0,
        "train/q2_value": 1.0,
        "debug/target_q_mean": 1.4,
        "debug/td_error": 0.5,
        "debug/overestimation": 0.6,
        "debug/reward_mean": 0.5,
        "debug/reward_std": 0.0,
        "debug/done_ratio": 0.0,
    }
    assert {tag: float(report[tag]) for tag in expected} == pytest.approx(expected, abs=1e-6)


def test_target_clamp_is_the_return_bound(small: Make) -> None:
    settings = small(learning__target_clamp=True, learning__gamma=0.5, reward__safety=1.0)
    agent = make_agent(settings, STATE_DIM, 0)
    bound = (1.0 + 1.0 + 0.2 + 1.0 + 1.0) / 0.5
    assert return_bound(settings) == pytest.approx(bound)
    force_critics(agent, 0, 0, 1e6, 1e6)
    assert agent.target(agent.to_device(batch_of())).tolist() == pytest.approx([bound] * 8)
    assert return_bound(small(learning__reward_clip=0.1, learning__gamma=0.5)) == pytest.approx(0.2)


def test_reward_scale_divides(small: Make) -> None:
    agent = make_agent(small(), STATE_DIM, 0)
    plain, scaled = agent.to_device(batch_of()), agent.to_device(batch_of(), reward_scale=4.0)
    torch.testing.assert_close(scaled.rewards * 4.0, plain.rewards)


def test_smoothing_noise_is_clipped_and_the_action_stays_in_range(small: Make) -> None:
    agent = make_agent(small(learning__target_noise=2.0, learning__target_noise_clip=0.25), STATE_DIM, 0)
    agent.networks.actor_target.trunk[-1].weight.data.zero_()
    agent.networks.actor_target.trunk[-1].bias.data = torch.tensor([0.0, 10.0])
    seen: list[Tensor] = []
    agent.networks.critic_target.heads[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, -2:]))
    agent.target(agent.to_device(batch_of(64)))
    steer, drive = seen[0].T
    assert steer.abs().max() == pytest.approx(0.25)
    assert drive.max() == 1.0
    assert drive.min() == pytest.approx(0.75, abs=1e-4)


def test_actor_and_targets_move_every_policy_delay(small: Make) -> None:
    agent = make_agent(small(learning__policy_delay=3), STATE_DIM, 0)
    for update in range(1, 7):
        watched = agent.actor, agent.critic, agent.networks.critic_target
        before = [flat(network) for network in watched]
        report = agent.update(batch_of(seed=update))
        moved = [not torch.equal(old, flat(network)) for old, network in zip(before, watched, strict=True)]
        assert moved == [update % 3 == 0, True, update % 3 == 0]
        assert ("train/actor_loss" in report) == (update % 3 == 0)
    assert (agent.updates, agent.policy_updates) == (6, 2)


def test_soft_update_is_a_step_of_tau(small: Make) -> None:
    agent = make_agent(small(learning__tau=0.25, learning__policy_delay=1), STATE_DIM, 0)
    before = flat(agent.networks.critic_target)
    agent.update(batch_of())
    torch.testing.assert_close(flat(agent.networks.critic_target), before + 0.25 * (flat(agent.critic) - before))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_seed_gives_the_same_bits(small: Make, algorithm: str) -> None:
    agents = [make_agent(small(learning__algorithm=algorithm), STATE_DIM, 3) for _ in range(2)]
    for agent in agents:
        torch.manual_seed(id(agent) % 1000)
        for seed in range(4):
            agent.update(batch_of(seed=seed))
    for name, module in agents[0].modules().items():
        assert torch.equal(flat(module), flat(agents[1].modules()[name])), name
    other = make_agent(small(learning__algorithm=algorithm), STATE_DIM, 4)
    assert not torch.equal(flat(other.actor), flat(agents[0].actor))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_learns_a_bandit(small: Make, algorithm: str) -> None:
    """Reward -4 (steer + 0.5)^2: after some updates the policy steers left of the middle."""
    settings = small(
        learning__algorithm=algorithm,
        # A critic that is told 53 numbers that say nothing learns the bend of the reward later: a slower actor waits.
        learning__actor_mlp_lr=3e-3 if small().network.critic == "camera" else 1e-3,
        learning__critic_mlp_lr=1e-2,
        learning__critic_cnn_lr=0.0,
    )
    agent = make_agent(settings, STATE_DIM, 0)
    for seed in range(120):
        actions = np.random.default_rng(seed).uniform(-1, 1, (16, 2)).astype(np.float32)
        rewards = -4.0 * (actions[:, 0] + 0.5) ** 2
        agent.update(batch_of(16, seed, actions=actions, rewards=rewards, discounts=np.zeros(16, np.float32)))
    inputs = agent.to_device(batch_of(32, 999))
    with torch.no_grad():
        steer = agent.actor(inputs.now.frames, inputs.now.states)[:, 0]
    assert steer.mean() == pytest.approx(-0.5, abs=0.4)


def test_learning_rates_belong_to_their_parts(small: Make) -> None:
    """A rate of zero freezes exactly its part."""
    camera = small().network.critic == "camera"
    names = ("actor_cnn_lr", "actor_mlp_lr", *(("critic_cnn_lr",) if camera else ()), "critic_mlp_lr")
    for frozen in names:
        agent = make_agent(small(**{f"learning__{frozen}": 0.0}, learning__policy_delay=1), STATE_DIM, 0)
        parts = {name: getattr(agent, name.split("_")[0]).part(name.split("_")[1]) for name in names}
        before = {name: [p.clone() for p in part] for name, part in parts.items()}
        agent.update(batch_of())
        still = [
            name
            for name in names
            if all(torch.equal(old, new) for old, new in zip(before[name], parts[name], strict=True))
        ]
        assert still == [frozen]


def test_learning_rates_are_read_from_the_optimizers(small: Make) -> None:
    agent = make_agent(small(learning__actor_cnn_lr=1e-5), STATE_DIM, 0)
    agent.actor_optimizer.param_groups[0]["lr"] = 0.125
    assert agent.learning_rates()["agent/actor_cnn_lr"] == 0.125


def test_clipping_scales_to_the_bound_and_reports_both_norms(small: Make) -> None:
    agent = make_agent(small(network__critic="camera"), STATE_DIM, 0)
    for parameter in agent.critic.parameters():
        parameter.grad = torch.zeros_like(parameter)
    agent.critic.part("cnn")[0].grad.flatten()[0] = 3.0
    agent.critic.part("mlp")[0].grad.flatten()[0] = 4.0
    report = {tag: float(value) for tag, value in clip_and_measure(agent.critic, 2.5, "critic").items()}
    assert report == pytest.approx(
        {
            "gradients/critic_cnn_norm": 3.0,
            "gradients/critic_mlp_norm": 4.0,
            "gradients/critic_norm_pre_clip": 5.0,
            "gradients/critic_norm_post_clip": 2.5,
            "gradients/critic_clip_share": 1.0,
        }
    )
    again = {tag: float(value) for tag, value in clip_and_measure(agent.critic, 10.0, "critic").items()}
    assert again["gradients/critic_norm_post_clip"] == pytest.approx(2.5)
    assert again["gradients/critic_clip_share"] == 0.0


def test_zero_gradients_survive_clipping(small: Make) -> None:
    agent = make_agent(small(), STATE_DIM, 0)
    for parameter in agent.actor.parameters():
        parameter.grad = torch.zeros_like(parameter)
    assert float(clip_and_measure(agent.actor, 1.0, "actor")["gradients/actor_norm_post_clip"]) == 0.0
    assert float(global_norm([])) == 0.0


def test_saturation_penalty_by_hand(small: Make) -> None:
    """Pre-activations 3 and -0.5: only the first lies beyond 1, by 2; the weight is 0.1."""
    agent = make_agent(small(learning__saturation_penalty=0.1), STATE_DIM, 0)
    agent.actor.trunk[-1].weight.data.zero_()
    agent.actor.trunk[-1].bias.data = torch.tensor([3.0, -0.5])
    objective = agent.algorithm.actor_objective(agent.to_device(batch_of()).now)
    assert objective.penalty.tolist() == pytest.approx([0.4] * 8)
    assert objective.loss.item() == pytest.approx(0.4 - objective.q.mean().item(), abs=1e-6)


def test_the_actors_loss_is_the_negative_of_the_q_it_sees(small: Make) -> None:
    agent = make_agent(small(learning__policy_delay=1, learning__saturation_penalty=1.0), STATE_DIM, 0)
    report = agent.update(batch_of())
    assert float(report["train/actor_loss"]) == -float(report["debug/q1_for_actor_mean"])


def test_ddpg_uses_the_first_head_alone_and_no_noise(small: Make) -> None:
    agent = make_agent(small(learning__algorithm="ddpg"), STATE_DIM, 0)
    force_critics(agent, 1.0, 7.0, 5.0, 3.0)
    inputs = agent.to_device(batch_of(rewards=np.zeros(8, np.float32)))
    assert agent.target(inputs).tolist() == pytest.approx([4.5] * 8)
    before = flat(agent.critic.heads[1])
    report = agent.update(batch_of(rewards=np.zeros(8, np.float32)))
    assert float(report["train/critic_loss"]) == pytest.approx(3.5**2)
    assert torch.equal(flat(agent.critic.heads[1]), before)


def test_sac_temperature_falls_while_the_entropy_is_above_its_aim(small: Make) -> None:
    agent = make_agent(small(learning__algorithm="sac", learning__policy_delay=1), STATE_DIM, 0)
    report = agent.update(batch_of())
    assert float(report["debug/entropy"]) > -2.0
    assert float(report["debug/temperature"]) < 1.0


def test_bfloat16_stays_close_to_float32(small: Make) -> None:
    reports = [
        make_agent(small(learning__precision=precision), STATE_DIM, 0).update(batch_of())
        for precision in ("float32", "bfloat16")
    ]
    losses = [float(report["train/critic_loss"]) for report in reports]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_missing_device_is_named(small: Make) -> None:
    with pytest.raises(ValueError, match="no CUDA device"):
        make_agent(small(learning__device="cuda"), STATE_DIM, 0)


def flat(module: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in module.parameters()])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_learning_rates_fall_linearly_and_stay(small: Make, algorithm: str) -> None:
    """Over 4 updates from 1 to 0.2: factors 1, 0.8, 0.6, 0.4 and 0.2 for ever."""
    rates = {"actor_mlp_lr": 1e-3, "actor_cnn_lr": 1e-4, "critic_mlp_lr": 2e-3}
    changes = {f"learning__{name}": rate for name, rate in rates.items()}
    settings = small(learning__algorithm=algorithm, learning__lr_decay=4, learning__lr_end=0.2, **changes)
    agent = make_agent(settings, STATE_DIM, 0)
    for factor in (1.0, 0.8, 0.6, 0.4, 0.2, 0.2):
        agent.update(batch_of())
        logged = agent.learning_rates()
        assert logged["agent/actor_lr"] == pytest.approx(factor * 1e-3)
        assert logged["agent/actor_cnn_lr"] == pytest.approx(factor * 1e-4)
        assert logged["agent/critic_lr"] == pytest.approx(factor * 2e-3)
        if algorithm == "sac":
            (group,) = agent.optimizers()["temperature"].param_groups
            assert group["lr"] == pytest.approx(factor * 1e-3)


def test_learning_rates_stay_where_nothing_is_said(small: Make) -> None:
    agent = make_agent(small(learning__actor_mlp_lr=1e-3), STATE_DIM, 0)
    for _ in range(3):
        agent.update(batch_of())
    assert agent.learning_rates()["agent/actor_lr"] == 1e-3

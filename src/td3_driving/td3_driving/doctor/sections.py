# SPDX-License-Identifier: Apache-2.0
"""The sections of a report, and which series belong to them. A rule is quoted in a section by naming its key."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.doctor.aliases import NETWORKS, TERMS

_GRADS = tuple(f"grad_{network}_{part}" for part in ("cnn", "mlp", "pre", "post") for network in NETWORKS)
_PARAMETERS = tuple(f"param_{what}_{network}" for network in NETWORKS for what in ("mean", "std"))


@dataclass(frozen=True)
class Section:
    """Title, series, and the essential ones among them, on which the verdict rests."""

    title: str
    series: tuple[str, ...]
    essential: tuple[str, ...]


SECTIONS: dict[str, Section] = {
    "gradients": Section(
        "Gradient norms",
        (*_GRADS, "clip_share_actor", "clip_share_critic"),
        ("grad_actor_mlp", "grad_critic_mlp"),
    ),
    "actor_loss": Section("Actor loss", ("actor_loss", "actor_q", "actor_q_max", "actor_q_min"), ("actor_loss",)),
    "episodes": Section(
        "Episode length and return",
        (
            "episode_length",
            "episode_return",
            "collisions",
            "lane_invasions",
            "episode_length_mean",
            "episode_return_mean",
            "episode_speed",
            "route_completion",
        ),
        ("episode_return", "episode_length"),
    ),
    "q_values": Section(
        "Q values",
        ("q1", "q2", "q_std", "target_q", "overestimation", "td_error", "critic_loss"),
        ("q1", "critic_loss"),
    ),
    "learning_rates": Section("Learning rates", ("lr_actor", "lr_critic", "lr_actor_cnn", "lr_critic_cnn", "lr"), ()),
    "training_phase": Section(
        "Training phase",
        ("updates", "updates_per_step", "is_training", "buffer_use", "noise", *_PARAMETERS),
        ("updates",),
    ),
    "reward": Section(
        "Reward",
        ("step_reward", "reward_total", TERMS, "batch_reward_mean", "batch_reward_min", "batch_reward_max"),
        (),
    ),
    "environment": Section(
        "Environment",
        ("speed", "episode_steps", "steps_per_second", "eval_return", "eval_length", "eval_success"),
        (),
    ),
}

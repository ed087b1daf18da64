# SPDX-License-Identifier: Apache-2.0
"""Tags and axes of libraries that write event files."""

from doctor_corpus.logs import Tags

RETURN, LENGTH = "return", "length"
_CLEANRL = {
    "losses/qf1_values": "q1",
    "losses/qf2_values": "q2",
    "losses/qf1_loss": "q1_loss",
    "losses/qf2_loss": "q2_loss",
    "losses/qf_loss": "half_loss",
    "losses/actor_loss": "actor_loss",
    "charts/SPS": "speed",
}
_NORMS = {"losses/actor_grad_norm": "grad_actor", "losses/critic_grad_norm": "grad_critic"}
_CHARTS = {"charts/episodic_return": RETURN, "charts/episodic_length": LENGTH}
_NAVIGATION = {"loss": "loss", "Av. Q": "q1", "Max. Q": "q_max"}
_DRIVING = {
    "train/actor_loss": "actor_loss",
    "train/critic_loss": "loss",
    "debug/q1_pred_mean": "q1",
    "debug/q2_pred_mean": "q2",
    "debug/q1_std": "q_std",
    "debug/target_q_mean": "target_q",
    "debug/reward_mean": "reward_mean",
    "debug/reward_std": "reward_std",
    "debug/reward_min": "reward_min",
    "debug/reward_max": "reward_max",
    "debug/actor_grad_norm_BEFORE_clip": "grad_actor",
    "debug/critic_grad_norm_BEFORE_clip": "grad_critic",
    "agent/total_iterations": "updates",
    "agent/actor_lr": "lr",
    "agent/critic_lr": "lr",
}

TAGS: dict[str, Tags] = {
    # CleanRL's td3_continuous_action.py, and with gradient norms as its users add them
    "cleanrl": Tags(_CHARTS, _CLEANRL),
    "cleanrl_full": Tags(_CHARTS, _CLEANRL | _NORMS),
    "add_scalars": Tags(_CHARTS),
    # DRL-robot-navigation: three values per burst of updates, counted by bursts; a fork adds rewards, by episodes
    "drl_navigation": Tags({}, _NAVIGATION, update_axis="update"),
    "drl_navigation_fork": Tags(
        {"Episode reward": RETURN, "Episode length": LENGTH}, _NAVIGATION, {}, "episode", "update"
    ),
    # pytorch-soft-actor-critic: returns counted by episodes, losses by updates
    "sac_fork": Tags(
        {"reward/train": RETURN},
        {"loss/critic_1": "q1_loss", "loss/critic_2": "q2_loss", "loss/policy": "actor_loss"},
        {"avg_reward/test": RETURN},
        "episode",
        "update",
    ),
    "tianshou": Tags(
        {"train/returns_stat/mean": RETURN, "train/lens_stat/mean": LENGTH},
        {
            "update/actor_loss": "actor_loss",
            "update/critic1_loss": "q1_loss",
            "update/critic2_loss": "q2_loss",
            "update/gradient_step": "updates",
        },
        {"test/returns_stat/mean": RETURN, "test/lens_stat/mean": LENGTH},
    ),
    "torchrl": Tags(
        {"train/reward": RETURN, "train/episode_length": LENGTH},
        {"train/q_loss": "loss", "train/a_loss": "actor_loss"},
        {"eval/reward": RETURN},
    ),
    # online training in the manner of LeRobot: names without a folder
    "lerobot": Tags(
        {"Episodic reward": RETURN},
        {
            "loss_critic": "loss",
            "loss_actor": "actor_loss",
            "critic_grad_norm": "grad_critic",
            "actor_grad_norm": "grad_actor",
            "Optimization step": "updates",
        },
    ),
    # names that somebody made up
    "own_names": Tags(
        {"Episode_Reward": RETURN, "Episode_Steps": LENGTH},
        {"Critic-Loss": "loss", "Policy Loss": "actor_loss", "Q value": "q1"},
    ),
    # a driving run with violations per episode and rewards of the batch, in our own tags
    "driving": Tags(
        {
            "train/episode_reward": RETURN,
            "train/episode_length": LENGTH,
            "train/lane_invasions_per_episode": "left_lane",
            "rollout/success_rate": "success",
        },
        _DRIVING,
        {"eval/mean_reward": RETURN, "eval/avg_episode_length": LENGTH},
    ),
}

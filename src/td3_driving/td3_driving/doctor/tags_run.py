"""Tags of what the policy and the environment log: actions, episodes, evaluations, rewards."""

from __future__ import annotations

PARTS = ("efficiency", "lane_keeping", "comfort", "safety", "progress")

RUN_TAGS: dict[str, tuple[str, ...]] = {
    # policy
    "steer_mean": ("action/steer_mean",),
    "steer_std": ("action/steer_std",),
    "throttle_mean": ("action/throttle_mean",),
    "throttle_std": ("action/throttle_std",),
    "saturated_share": ("action/saturated_share",),
    "noise": ("train/exploration_noise", "Exploration / Exploration noise (mean)"),
    # environment, one sample now and then
    "buffer_size": ("progress/buffer_size",),
    "step_reward": ("progress/current_reward",),
    "step_reward_mean": ("Reward / Instantaneous reward (mean)", "rollout/step_reward_mean"),
    "episode_steps": ("progress/episode_steps",),
    "speed": ("progress/speed_kmh",),
    "steps_per_second": ("progress/steps_per_second", "time/fps", "charts/SPS", "performance/step_fps"),
    # episodes, one sample each
    "episode_length": (
        "train/episode_length",
        "charts/episodic_length",
        "monitor/l",
        "train/length",
        "TrajLen",
    ),
    "episode_return": (
        "train/episode_reward",
        "charts/episodic_return",
        "monitor/r",
        "reward/train",
        "train/reward",
        "rollout_return",
        "Episodic reward",
    ),
    "collisions": ("train/collisions_per_episode",),
    "lane_invasions": ("train/lane_invasions_per_episode",),
    "episode_speed": ("episode/mean_speed",),
    "route_completion": ("episode/route_completion",),
    "exit_reason": ("episode/exit_reason",),
    "episode_success": ("episode/success", "monitor/is_success"),
    # episodes, running means
    "episode_length_mean": (
        "rollout/ep_len_mean",
        "Episode / Total timesteps (mean)",
        "EpLen",
        "episode_lengths/step",
        "train/lens_stat/mean",
        "env_runners/episode_len_mean",
        "episode_len_mean",
    ),
    "episode_return_mean": (
        "rollout/ep_rew_mean",
        "Reward / Total reward (mean)",
        "AverageEpRet",
        "rewards/step",
        "train/returns_stat/mean",
        "env_runners/episode_return_mean",
        "env_runners/episode_reward_mean",
        "episode_return_mean",
        "episode_reward_mean",
    ),
    "episode_return_max": (
        "Reward / Total reward (max)",
        "MaxEpRet",
        "train/returns_stat/max",
        "env_runners/episode_return_max",
        "episode_reward_max",
    ),
    "episode_return_min": (
        "Reward / Total reward (min)",
        "MinEpRet",
        "train/returns_stat/min",
        "env_runners/episode_return_min",
        "episode_reward_min",
    ),
    "episode_return_std": ("StdEpRet", "train/returns_stat/std"),
    "success_rate": ("rollout/success_rate", "train/success_rate", "pc_success"),
    # evaluations
    "eval_return": (
        "eval/mean_reward",
        "eval/episodic_return",
        "eval/mean_return",
        "AverageTestEpRet",
        "avg_reward/test",
        "test/reward",
        "test/returns_stat/mean",
        "eval/avg_reward",
        "eval/avg_sum_reward",
        "eval/episode_reward",
        "eval/reward",
        "environment",
        "evaluation/env_runners/episode_return_mean",
        "evaluation/episode_reward_mean",
    ),
    "eval_return_std": ("eval/std_reward", "StdTestEpRet", "test/reward_std", "test/returns_stat/std"),
    "eval_length": (
        "eval/avg_episode_length",
        "eval/mean_ep_length",
        "eval/mean_episode_length",
        "TestEpLen",
        "test/length",
        "test/lens_stat/mean",
        "evaluation/env_runners/episode_len_mean",
    ),
    "eval_success": ("eval/success_rate", "eval/pc_success", "eval/avg_goal"),
    "eval_collisions": ("eval/avg_collisions", "eval/collisions", "eval/avg_col"),
    "eval_lane_invasions": ("eval/avg_lane_invasions", "eval/lane_invasions"),
    # reward components
    **{f"part_{part}": (f"reward/{part}", f"rewards/{part}_component") for part in PARTS},
    **{f"share_{part}": (f"rewards/{part}_percentage",) for part in PARTS},
    "part_total": ("reward/total", "rewards/total"),
    "ledger_breaks": ("reward/ledger_breaks",),
    # end of the run
    "finished": ("run/finished",),
}

"""Which tag of which library carries which quantity.

Every rule speaks of quantities; this table alone knows tags. ``TAGS`` lists, per quantity, the tags under which it was
met, ours (which are the seed author's wherever he had one) first. A tag found in nobody's list is kept under its own
name, so that it is still checked for non-finite values and reported as unknown.

Sources: our design; the seed author's event files; Stable-Baselines3 (``train/``, ``rollout/``, ``time/``, ``eval/``);
CleanRL (``losses/``, ``charts/``); the DRL robot-navigation projects (``Av. Q`` and the like).
"""

from __future__ import annotations

PARTS = ("efficiency", "lane_keeping", "comfort", "safety", "progress")
NETWORKS = ("actor", "critic")

TAGS: dict[str, tuple[str, ...]] = {
    # losses and values
    "actor_loss": ("train/actor_loss", "losses/actor_loss", "loss/actor", "actor_loss"),
    "critic_loss": (
        "train/critic_loss",
        "losses/qf_loss",
        "losses/qf1_loss",
        "loss/critic",
        "critic_loss",
        "train/loss",
        "loss",
    ),
    "entropy_coefficient": ("train/ent_coef", "losses/alpha", "train/entropy_coefficient"),
    "q1": ("train/q1_value", "debug/q1_pred_mean", "losses/qf1_values", "train/q1_mean"),
    "q2": ("train/q2_value", "debug/q2_pred_mean", "losses/qf2_values", "train/q2_mean"),
    "q_std": ("debug/q1_std", "debug/q1_pred_std"),
    "q_max": ("debug/q1_max", "train/max_Q", "Max. Q"),
    "q_min": ("debug/q1_min",),
    "actor_q": ("debug/q1_for_actor_mean", "debug/actor_q_mean"),
    "actor_q_max": ("debug/q1_for_actor_max", "debug/actor_q_max"),
    "actor_q_min": ("debug/q1_for_actor_min", "debug/actor_q_min"),
    "target_q": ("debug/target_q_mean", "train/avg_Q", "Av. Q"),
    "overestimation": ("debug/overestimation",),
    "td_error": ("debug/td_error", "debug/td_error_q1"),
    # batch of the learner
    "batch_reward_mean": ("debug/reward_mean",),
    "batch_reward_std": ("debug/reward_std",),
    "batch_reward_min": ("debug/reward_min",),
    "batch_reward_max": ("debug/reward_max",),
    "terminated_share": ("debug/done_ratio",),
    "effective_discount": ("debug/effective_discount",),
    # gradients: L2 norms of one part of one network, and of a whole network before and after clipping
    "grad_actor_cnn": ("gradients/actor_cnn_norm",),
    "grad_actor_mlp": ("gradients/actor_mlp_norm",),
    "grad_critic_cnn": ("gradients/critic_cnn_norm",),
    "grad_critic_mlp": ("gradients/critic_mlp_norm",),
    "grad_actor_pre": ("gradients/actor_norm_pre_clip", "debug/actor_grad_norm_BEFORE_clip"),
    "grad_critic_pre": ("gradients/critic_norm_pre_clip", "debug/critic_grad_norm_BEFORE_clip"),
    "grad_actor_post": ("gradients/actor_norm_post_clip", "debug/actor_grad_norm_AFTER_clip"),
    "grad_critic_post": ("gradients/critic_norm_post_clip", "debug/critic_grad_norm_AFTER_clip"),
    "clip_share_actor": ("gradients/actor_clip_share",),
    "clip_share_critic": ("gradients/critic_clip_share",),
    # learning rates, parameters, counters
    "lr_actor": ("agent/actor_lr", "train/actor_learning_rate"),
    "lr_critic": ("agent/critic_lr", "train/critic_learning_rate"),
    "lr_actor_cnn": ("agent/actor_cnn_lr",),
    "lr_critic_cnn": ("agent/critic_cnn_lr",),
    "lr": ("train/learning_rate", "charts/learning_rate"),
    "param_mean_actor": ("agent/actor_param_mean",),
    "param_std_actor": ("agent/actor_param_std",),
    "param_mean_critic": ("agent/critic_param_mean",),
    "param_std_critic": ("agent/critic_param_std",),
    "param_mean_actor_cnn": ("agent/actor_cnn_param_mean",),
    "param_std_actor_cnn": ("agent/actor_cnn_param_std",),
    "param_mean_critic_cnn": ("agent/critic_cnn_param_mean",),
    "param_std_critic_cnn": ("agent/critic_cnn_param_std",),
    "tau_actor": ("agent/actor_target_step",),
    "tau_critic": ("agent/critic_target_step",),
    "tau_actor_cnn": ("agent/actor_cnn_target_step",),
    "tau_critic_cnn": ("agent/critic_cnn_target_step",),
    "updates": ("agent/total_iterations", "train/n_updates"),
    "updates_per_step": ("agent/updates_per_step",),
    "is_training": ("agent/is_training",),
    "buffer_use": ("agent/buffer_utilization",),
    # policy
    "steer_mean": ("action/steer_mean",),
    "steer_std": ("action/steer_std",),
    "throttle_mean": ("action/throttle_mean",),
    "throttle_std": ("action/throttle_std",),
    "saturated_share": ("action/saturated_share",),
    "noise": ("train/exploration_noise",),
    # environment, one sample now and then
    "buffer_size": ("progress/buffer_size",),
    "step_reward": ("progress/current_reward",),
    "episode_steps": ("progress/episode_steps",),
    "speed": ("progress/speed_kmh",),
    "steps_per_second": ("progress/steps_per_second", "time/fps", "charts/SPS"),
    # episodes, one sample each
    "episode_length": ("train/episode_length", "charts/episodic_length"),
    "episode_return": ("train/episode_reward", "charts/episodic_return"),
    "collisions": ("train/collisions_per_episode",),
    "lane_invasions": ("train/lane_invasions_per_episode",),
    "episode_speed": ("episode/mean_speed",),
    "route_completion": ("episode/route_completion",),
    "exit_reason": ("episode/exit_reason",),
    # episodes, running means
    "episode_length_mean": ("rollout/ep_len_mean",),
    "episode_return_mean": ("rollout/ep_rew_mean",),
    "success_rate": ("rollout/success_rate",),
    # evaluations
    "eval_return": ("eval/mean_reward", "eval/episodic_return", "eval/mean_return"),
    "eval_length": ("eval/avg_episode_length", "eval/mean_ep_length", "eval/mean_episode_length"),
    "eval_success": ("eval/success_rate",),
    "eval_collisions": ("eval/avg_collisions", "eval/collisions"),
    "eval_lane_invasions": ("eval/avg_lane_invasions", "eval/lane_invasions"),
    # drives at the end of the run
    "final_score": ("eval/final/driving_score",),
    "final_score_low": ("eval/final/driving_score_low",),
    "final_score_blind": ("eval/final/driving_score_blind",),
    "final_success": ("eval/final/success_rate",),
    "final_needs_camera": ("eval/final/needs_camera",),
    # reward components
    **{f"part_{part}": (f"reward/{part}", f"rewards/{part}_component") for part in PARTS},
    **{f"share_{part}": (f"rewards/{part}_percentage",) for part in PARTS},
    "part_total": ("reward/total", "rewards/total"),
    "ledger_breaks": ("reward/ledger_breaks",),
    # end of the run
    "finished": ("run/finished",),
}

ALERT = "alert:"
EPISODE_QUANTITIES = frozenset(
    {
        "episode_length",
        "episode_return",
        "collisions",
        "lane_invasions",
        "episode_speed",
        "route_completion",
        "exit_reason",
    }
)
REWARD_PARTS = tuple(f"part_{part}" for part in PARTS)
REWARD_SHARES = tuple(f"share_{part}" for part in PARTS)
OURS_ONLY = frozenset({"agent/updates_per_step", "reward/total", "run/finished"})


def _quantity_of_tag() -> dict[str, str]:
    return {tag: quantity for quantity, tags in TAGS.items() for tag in tags}


QUANTITY_OF_TAG = _quantity_of_tag()


def quantity(tag: str) -> str | None:
    """The quantity that ``tag`` carries, ``alert:NAME`` for alert series, ``None`` for a tag that nobody listed."""
    if tag.startswith("alerts/"):
        return ALERT + tag.removeprefix("alerts/")
    return QUANTITY_OF_TAG.get(tag)

# SPDX-License-Identifier: Apache-2.0
"""The lines to add to a training script so that the doctor can judge more, for the library that wrote the log."""

from __future__ import annotations

import re
from typing import Iterable, NamedTuple

from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.history import History
from td3_driving.doctor.names import suggestions
from td3_driving.doctor.scope import OFF_POLICY, UNKNOWN

RETURNS = ("episode_return", "episode_return_mean", "eval_return")
WANTED = {
    "Q on replay actions": ("q1", "target_q"),
    "actor loss": ("actor_loss", "actor_q"),
    "critic loss": ("critic_loss",),
    "returns": RETURNS,
}


class Library(NamedTuple):
    """How a library is known by its tags, and what to add for it."""

    name: str
    marks: str
    code: str

    @property
    def lines(self) -> list[str]:
        """The lines of code to add."""
        return self.code.strip("\n").splitlines()

    def written(self, tags: Iterable[str]) -> int:
        """Number of ``tags`` that this library writes."""
        return sum(bool(re.search(self.marks, tag)) for tag in tags)


LIBRARIES = (
    Library(
        "Stable-Baselines3",
        r"^(rollout/ep_|time/total_timesteps|train/n_updates|train/ent_coef_loss|monitor/)",
        """
from td3_driving.doctor.callbacks import DoctorCallback
model.learn(100_000, callback=DoctorCallback("runs/mine"))
# then: td3-doctor runs/mine
""",
    ),
    Library(
        "CleanRL",
        r"^(charts/|losses/qf)",
        """
# in the block that logs every 100 steps:
writer.add_scalar("losses/qf1_values", qf1_a_values.mean().item(), global_step)
writer.add_scalar("losses/qf_loss", qf_loss.item(), global_step)
""",
    ),
    Library(
        "skrl",
        r"^[A-Z][\w-]+ / ",
        """
cfg["experiment"]["write_interval"] = 250  # "auto" writes a hundredth of the run
# an agent of TD3, DDPG or SAC then writes Q-network, Target, Loss and Reward itself
""",
    ),
    Library(
        "SpinningUp",
        r"^(AverageEpRet|TotalEnvInteracts|LossPi|LossQ|EpLen|AverageQ1?Vals)$",
        """
logger.store(Q1Vals=q1.detach().cpu().numpy())  # in update(), and once per epoch:
logger.log_tabular("Q1Vals", with_min_and_max=True)
logger.log_tabular("LossPi", average_only=True); logger.log_tabular("LossQ", average_only=True)
""",
    ),
    Library(
        "rl_games",
        r"^(rewards/iter|episode_lengths/(iter|step)|info/epochs|performance/)",
        """
self.writer.add_scalar("losses/qf1_values", current_Q1.mean().item(), self.epoch_num)  # update_critic
""",
    ),
    Library(
        "RLlib",
        r"(ray/tune/|env_runners/|num_env_steps_sampled|learner_stats|timesteps_total)",
        """
config.reporting(min_sample_timesteps_per_iteration=1000)
# SAC and DQN write qf_mean and qf_loss themselves; give the folder of the trial, with result.json:
# td3-doctor ~/ray_results/EXPERIMENT/TRIAL
""",
    ),
    Library(
        "Tianshou",
        r"^(test/(reward|returns_stat)|update/|train/(returns|lens)_stat)",
        """
logger = TensorboardLogger(writer, update_interval=1000)
# Q: in a subclass of the policy, in learn(): stats["losses/q_values"] = current_q.mean().item()
""",
    ),
    Library(
        "d3rlpy",
        r"(^metrics/|^(time_step|environment|rollout_return)$)",
        """
from d3rlpy.metrics import AverageValueEstimationEvaluator, EnvironmentEvaluator
algo.fit(data, n_steps=n, evaluators={"environment": EnvironmentEvaluator(env),
                                      "q_value": AverageValueEstimationEvaluator()})
""",
    ),
    Library(
        "pytorch-soft-actor-critic",
        r"^(loss/critic_[12]|entropy_temprature/)",
        """
# main.py, beside the other add_scalar lines; update_parameters returns qf1.mean().item() as well:
writer.add_scalar('losses/qf1_values', qf1_mean, updates)
""",
    ),
    Library(
        "DRL robot navigation",
        r"^(Av\. Q|Max\. Q|train/avg_Q)$",
        """
self.writer.add_scalar("losses/qf1_values", current_Q1.mean(), self.iter_count)
self.writer.add_scalar("losses/actor_loss", actor_grad, self.iter_count)
self.writer.add_scalar("charts/episodic_return", episode_reward, timestep)  # in the main loop
""",
    ),
    Library(
        "TorchRL",
        r"^train/(loss_actor|loss_qvalue|q_loss|a_loss)$",
        """
metrics_to_log["losses/q_values"] = q_loss_td["pred_value"].mean().item()
metrics_to_log["train/reward"] = episode_rewards.mean().item()
""",
    ),
    Library(
        "LeRobot",
        r"(pc_success|avg_sum_reward|Episodic reward|Intervention rate|loss_temperature)",
        """
training_infos["losses/q_values"] = q_preds.mean().item()  # compute_loss_critic returns q_preds
""",
    ),
)
OWN_LOOP = Library(
    "your own loop",
    r".",
    """
from td3_driving.doctor.run_log import RunLog
log = RunLog("runs/mine")
log.write(step, q1=q1.mean(), actor_loss=actor_loss, critic_loss=critic_loss)   # every 100 steps
log.write(step, episode_return=total, episode_length=length)                    # after each episode
""",
)


def library(tags: Iterable[str]) -> Library:
    """The library that wrote ``tags``: the one whose marks most tags bear; ``OWN_LOOP`` if no tag bears any."""
    listed = list(tags)
    counts = [(item.written(listed), -index) for index, item in enumerate(LIBRARIES)]
    count, index = max(counts)
    return LIBRARIES[-index] if count else OWN_LOOP


def wanted(history: History) -> list[str]:
    """The series that an off-policy run lacks for a full judgement, in words."""
    return [what for what, names in WANTED.items() if not any(history.has(name) for name in names)]


def advice(history: History) -> list[str]:
    """A heading and up to five lines to add; empty if nothing is lacking."""
    lacking = wanted(history)
    if not lacking:
        return []
    found = library([*history.tags.values(), *history.unknown])
    return [f"Not logged: {', '.join(lacking)}. To add, with {found.name}:", *found.lines]


def help_lines(diagnosis: Diagnosis) -> list[str]:
    """Unknown tags that look like missing series, and the lines to add; code is indented."""
    history = diagnosis.history
    lines = [
        f"Unknown tag that looks like a series: if it is, add  --tag '{mapping}'"
        for mapping in suggestions(history.unknown, history.series)
    ]
    heading, *code = advice(history) or [""] if diagnosis.scope.family in (OFF_POLICY, UNKNOWN) else [""]
    return [*lines, *([heading] if heading else []), *(f"    {line}" for line in code)]

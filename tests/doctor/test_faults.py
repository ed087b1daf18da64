# SPDX-License-Identifier: Apache-2.0
"""Faults put into our own trainer, environment and logging; the doctor must name each of them first or second.

The healthy twin of the same set-up must not be condemned.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from td3_driving.doctor.diagnosis import Verdict  # noqa: E402
from td3_driving.doctor.live import LiveDoctor  # noqa: E402
from td3_driving.learning.agent import LearningAgent  # noqa: E402
from td3_driving.learning.algorithms.base import ActorObjective, saturation_penalty  # noqa: E402
from td3_driving.learning.algorithms.td3 import TD3  # noqa: E402
from td3_driving.settings import from_flat  # noqa: E402

from .lane_course import Course  # noqa: E402

pytestmark = pytest.mark.slow


class ActorsFeatures(Course):
    """The critic is asked on the actor's features."""

    class rule(TD3):
        def actor_objective(self, now):
            actor = self.networks.actor
            features = torch.cat([actor.encoder(now.frames), now.states], dim=1)
            action, preactivation = actor.forward_with_preactivation(now.frames, now.states)
            q = self.networks.critic.first_value(features, action)
            return ActorObjective(q, saturation_penalty(preactivation, self.rule), action)

    def agent(self, settings, state_dim, seed):
        return LearningAgent(settings, state_dim, seed, self.rule)


class TargetWithoutEncoder(Course):
    class agent(LearningAgent):
        def update_targets(self):
            kept = [parameter.clone() for parameter in self.networks.critic_target.part("cnn")]
            super().update_targets()
            with torch.no_grad():
                for parameter, old in zip(self.networks.critic_target.part("cnn"), kept):
                    parameter.copy_(old)


class FrozenActor(Course):
    class agent(LearningAgent):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.actor_optimizer.step = lambda: None


class SaturatedTanh(Course):
    class agent(LearningAgent):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            torch.nn.init.constant_(self.actor.trunk[-1].bias, 20.0)


class LearningRateTimesThousand(Course):
    class agent(LearningAgent):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            for optimizer in self.optimizers().values():
                for group in optimizer.param_groups:
                    group["lr"] *= 1000.0


class TauOne(Course):
    class agent(LearningAgent):
        def __init__(self, settings, *arguments):
            changed = from_flat({"learning.tau": 1.0}, settings)
            super().__init__(changed, *arguments)


class LargeRewards(Course):
    """The learner takes rewards beyond what their terms allow."""

    def make_trainer(self, folder):
        trainer = super().make_trainer(folder)
        trainer.intake._bounds._reward_fault = lambda experience: ""
        return trainer


class UnclippedLargeRewards(LargeRewards):
    class agent(LearningAgent):
        def __init__(self, settings, *arguments):
            super().__init__(
                from_flat({"learning.critic_max_norm": 1e9, "learning.actor_max_norm": 1e9}, settings), *arguments
            )

    def reward(self, terms):
        return 1000.0 * terms


class TrainFreqIgnored(Course):
    def make_trainer(self, folder):
        trainer = super().make_trainer(folder)
        trainer.limiter._train_freq = 1
        return trainer


class DeadAfterEvaluation(Course):
    def before_step(self, step):
        self.lane.dead = self.lane.dead or step > 300
        return {"eval/mean_reward": 12.3} if step == 301 else {}


class ParkedPolicy(Course):
    def action(self, trainer, step, frame, state):
        action = super().action(trainer, step, frame, state)
        return action if step <= 150 else np.array([action[0], -1.0], np.float32)


class PaidForLeaving(Course):
    def before_step(self, step):
        self.lane.kick = 0.2
        return {}

    def reward(self, terms):
        terms[3] = -terms[3]
        return terms


class PartsDoNotAddUp(Course):
    def logged_total(self, terms):
        return float(terms.sum()) + 0.1


class NaNInTheBatch(Course):
    class agent(LearningAgent):
        def update(self, batch, reward_scale=1.0):
            if self.updates == 50:
                batch.rewards[0] = np.nan
            return super().update(batch, reward_scale)


class LearningNeverStarts(Course):
    def make_trainer(self, folder):
        trainer = super().make_trainer(folder)
        trainer.limiter._learning_starts = 10**9
        return trainer


class AlertsOnClippedNorms(LargeRewards):
    class Deaf(LiveDoctor):
        def feed(self, tag, step, value, now=None):
            if tag.startswith("gradients/") and not tag.endswith("post_clip"):
                return
            super().feed(tag, step, value, now)

    def reward(self, terms):
        return 10_000.0 * terms

    def make_doctor(self):
        return self.Deaf(self.settings.flat())


FAULTS = [
    (ActorsFeatures, {"learning__actor_cnn_lr": 3e-3, "run__steps": 520}, {"encoder_mismatch"}),
    (TargetWithoutEncoder, {}, {"encoder_mismatch"}),
    (FrozenActor, {}, {"policy_frozen"}),
    (SaturatedTanh, {}, {"policy_saturated"}),
    (LearningRateTimesThousand, {}, {"critic_divergence", "config_not_honoured"}),
    (
        Course,
        {f"learning__{part}_lr": 1.0 for part in ("actor_cnn", "actor_mlp", "critic_cnn", "critic_mlp")},
        {"critic_divergence"},
    ),
    (TauOne, {}, {"config_not_honoured"}),
    (Course, {"learning__tau": 1.0}, {"critic_divergence"}),
    (UnclippedLargeRewards, {}, {"gradient_explosion"}),
    (TrainFreqIgnored, {"pacing__train_freq": 4}, {"config_not_honoured"}),
    (DeadAfterEvaluation, {}, {"environment_dead"}),
    (ParkedPolicy, {}, {"policy_parked"}),
    (PaidForLeaving, {}, {"reward_pays_violation"}),
    (PartsDoNotAddUp, {}, {"logging_inconsistent"}),
    (NaNInTheBatch, {}, {"nonfinite"}),
    (LearningNeverStarts, {}, {"learning_not_started"}),
    (AlertsOnClippedNorms, {}, {"alerts_blind"}),
]


@pytest.mark.parametrize(
    ("fault", "changes", "names"),
    FAULTS,
    ids=[f"{fault.__name__}{'-asked' * (fault is Course)}" for fault, _, _ in FAULTS],
)
def test_the_fault_is_named_first_or_second(tmp_path, fault, changes, names):
    diagnosis = fault(**changes).drive(tmp_path)
    assert diagnosis.verdict is Verdict.NO_GO
    assert names & {cause.cause for cause in diagnosis.causes[:2]}, [cause.cause for cause in diagnosis.causes]


def test_the_healthy_twin_is_not_condemned(tmp_path):
    diagnosis = Course().drive(tmp_path)
    assert [finding.evidence for finding in diagnosis.findings if finding.severity.value == "critical"] == []
    assert diagnosis.verdict is Verdict.GO

"""Faults put into our own trainer, environment and logging; the doctor must name each of them first or second.

The environment is a lane of one dimension seen as a bright bar, the trainer the real one with small networks. The
healthy twin of the same set-up must not be condemned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from td3_driving.doctor.diagnosis import Diagnosis, Verdict  # noqa: E402
from td3_driving.doctor.examine import examine  # noqa: E402
from td3_driving.doctor.live import LiveDoctor  # noqa: E402
from td3_driving.driving.experience import Experience  # noqa: E402
from td3_driving.learning.networks import to_patches  # noqa: E402
from td3_driving.learning.td3 import TD3, ActorObjective  # noqa: E402
from td3_driving.learning.trainer import Diverged, Trainer  # noqa: E402
from td3_driving.monitor.event_log import EventLog  # noqa: E402
from td3_driving.monitor.steps import Step, StepWindow  # noqa: E402
from td3_driving.settings import Settings, from_flat  # noqa: E402

pytestmark = pytest.mark.slow

SIZE, STATE_DIM, STEPS, EPISODE_STEPS = 36, 2, 450, 30
SETTINGS = {
    "run.steps": STEPS, "run.log_period": 10, "observation.frame_height": SIZE, "observation.frame_width": SIZE,
    "observation.stack": 1, "network.encoder": "small", "network.features": 16, "network.hidden": 16,
    "learning.batch_size": 8, "learning.threads": 1, "learning.actor_cnn_lr": 1e-4, "learning.critic_cnn_lr": 1e-3,
    "learning.critic_mlp_lr": 1e-3, "learning.actor_mlp_lr": 3e-4, "learning.gamma": 0.9, "learning.tau": 0.01,
    "learning.saturation_penalty": 0.5,
    "replay.capacity": 1000, "replay.on_disk": False, "pacing.learning_starts": 150, "pacing.train_freq": 1,
    "pacing.checkpoint_period": 10**9, "exploration.random_steps": 150, "episode.max_steps": EPISODE_STEPS,
}  # fmt: skip


class Lane:
    """A vehicle near the middle of a lane: state (lateral offset, speed), both below 1.

    The best actions are moderate ones.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.dead, self.kick = False, 0.02
        self.reset()

    def reset(self) -> None:
        self.offset, self.speed, self.age = float(self.rng.uniform(-0.3, 0.3)), 0.4, 0

    def observe(self) -> tuple[np.ndarray, np.ndarray]:
        frame = np.zeros((SIZE, SIZE), np.uint8)
        column = int(np.clip((self.offset + 1.2) / 2.4 * SIZE, 0, SIZE - 4))
        frame[:, column : column + 4] = 255
        return frame, np.array([self.offset, self.speed], np.float32)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, bool, bool]:
        """``(parts of the reward, terminated, truncated)``."""
        self.age += 1
        if not self.dead:
            self.speed += 0.5 * (0.5 + 0.5 * float(action[1]) - self.speed)
            self.offset = 0.8 * self.offset + 0.1 * float(action[0]) + float(self.rng.normal(0.0, 0.02))
            # A gust throws the vehicle out of its lane whatever it does, so that episodes end at all.
            self.offset += 2.0 * float(self.rng.random() < self.kick)
        left = abs(self.offset) > 1.0
        pace = 1.0 - 2.0 * abs(self.speed - 0.5)
        parts = np.array([0.3 * pace, 0.5 - abs(self.offset), -0.05 * abs(action[0]), -2.0 * left, 0.3 * pace])
        if self.dead:
            self.speed, parts = 0.0, np.array([0.0, 0.3, 0.0, 0.0, 0.0])
        return parts, left, not left and self.age >= EPISODE_STEPS


class Course:
    """A run of the lane under the trainer, logged as the diagnostics node logs."""

    agent: type[TD3] = TD3

    def __init__(self, **changes: float) -> None:
        asked = {key.replace("__", "."): value for key, value in changes.items()}
        self.settings: Settings = from_flat({**SETTINGS, **asked})
        self.lane = Lane(seed=1)
        self.rng = np.random.default_rng(2)

    def make_trainer(self, folder: Path) -> Trainer:
        return Trainer(
            self.settings, folder, STATE_DIM, factory=lambda settings, dim, seed: self.agent(settings, dim, seed)
        )

    def make_doctor(self) -> LiveDoctor:
        return LiveDoctor.for_settings(self.settings)

    def action(self, trainer: Trainer, step: int, frame: np.ndarray, state: np.ndarray) -> np.ndarray:
        if step <= self.settings.exploration.random_steps:
            return self.rng.uniform(-1.0, 1.0, 2).astype(np.float32)
        with torch.no_grad():
            wanted = trainer.agent.actor(
                to_patches(torch.from_numpy(frame)[None, None]), torch.from_numpy(state)[None]
            )[0].numpy()
        return np.clip(wanted + self.rng.normal(0.0, 0.1, 2), -1.0, 1.0).astype(np.float32)

    def reward(self, parts: np.ndarray) -> np.ndarray:
        """The parts as the learner gets them."""
        return parts

    def logged_total(self, parts: np.ndarray) -> float:
        return float(parts.sum())

    def before_step(self, step: int) -> dict[str, float]:
        """Series to log before a step, and whatever else happens then."""
        return {}

    def drive(self, folder: Path) -> Diagnosis:
        """Run, log, and examine."""
        trainer, doctor, log = self.make_trainer(folder), self.make_doctor(), EventLog(folder)
        log.text("config", "\n".join(f"    {key}: {value}" for key, value in self.settings.flat().items()))
        try:
            self._steps(trainer, doctor, log)
            self._write(doctor, log, {"run/finished": 1.0}, self.settings.run.steps)
        except Diverged:
            self._write_points(trainer, doctor, log)
        log.close()
        return examine(folder)

    def _steps(self, trainer: Trainer, doctor: LiveDoctor, log: EventLog) -> None:
        window = StepWindow(self.settings.run.log_period)
        episode, begun, total = 0, 0, 0.0
        for step in range(1, self.settings.run.steps + 1):
            self._write(doctor, log, self.before_step(step), step)
            frame, state = self.lane.observe()
            action = self.action(trainer, step, frame, state)
            parts, terminated, truncated = self.lane.step(action)
            learned = self.reward(parts)
            total += float(parts.sum())
            closing = self.lane.observe() if terminated or truncated else (None, None)
            place = ("lane", 1, step - 1, episode, step - 1 - begun, trainer.config_hash, 0)
            outcome = (float(learned.sum()), learned, terminated, truncated, *closing)
            trainer.receive(Experience(*place, frame, state, action, *outcome))
            series = window.add(
                Step("lane", step, self.lane.age, parts, self.logged_total(parts), 10.0 * self.lane.speed), step
            )
            if series is not None:
                self._write(doctor, log, series, step)
                self._write_points(trainer, doctor, log)
                log.scalars({tag: float(value) for tag, value in doctor.alerts().items()}, step)
            if terminated or truncated:
                values = {
                    "train/episode_length": step - begun,
                    "train/episode_reward": total,
                    "train/lane_invasions_per_episode": float(terminated),
                }
                self._write(doctor, log, values, step)
                episode, begun, total = episode + 1, step, 0.0
                self.lane.reset()

    def _write_points(self, trainer: Trainer, doctor: LiveDoctor, log: EventLog) -> None:
        while (point := trainer.pop_log_point()) is not None:
            self._write(doctor, log, point.values, point.step)

    def _write(self, doctor: LiveDoctor, log: EventLog, values: dict[str, float], step: int) -> None:
        for tag, value in values.items():
            doctor.feed(tag, step, value, 0.05 * step)
        if values:
            log.scalars(values, step)


class ActorsFeatures(Course):
    """The critic is asked on the actor's features."""

    class agent(TD3):
        def actor_objective(self, now):
            features = self.actor.encoder(now.patches)
            action, preactivation = self.actor.forward_with_preactivation(now.patches, now.states)
            q = self.critic.first_value(features, now.states, action)
            return ActorObjective(q, self._saturation_penalty(preactivation))


class TargetWithoutEncoder(Course):
    class agent(TD3):
        def update_targets(self):
            kept = [parameter.clone() for parameter in self.critic_target.part("cnn")]
            super().update_targets()
            with torch.no_grad():
                for parameter, old in zip(self.critic_target.part("cnn"), kept):
                    parameter.copy_(old)


class FrozenActor(Course):
    class agent(TD3):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.actor_optimizer.step = lambda: None


class SaturatedTanh(Course):
    class agent(TD3):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            torch.nn.init.constant_(self.actor.trunk[-1].bias, 20.0)


class LearningRateTimesThousand(Course):
    class agent(TD3):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            for optimizer in self.optimizers().values():
                for group in optimizer.param_groups:
                    group["lr"] *= 1000.0


class TauOne(Course):
    class agent(TD3):
        def __init__(self, settings, *arguments):
            changed = from_flat({"learning.tau": 1.0}, settings)
            super().__init__(changed, *arguments)


class UnclippedLargeRewards(Course):
    class agent(TD3):
        def __init__(self, settings, *arguments):
            super().__init__(
                from_flat({"learning.critic_max_norm": 1e9, "learning.actor_max_norm": 1e9}, settings), *arguments
            )

    def reward(self, parts):
        return 1000.0 * parts


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

    def reward(self, parts):
        parts[3] = -parts[3]
        return parts


class PartsDoNotAddUp(Course):
    def logged_total(self, parts):
        return float(parts.sum()) + 0.1


class NaNInTheBatch(Course):
    class agent(TD3):
        def update(self, batch, reward_scale=1.0):
            if self.updates == 50:
                batch.rewards[0] = np.nan
            return super().update(batch, reward_scale)


class LearningNeverStarts(Course):
    def make_trainer(self, folder):
        trainer = super().make_trainer(folder)
        trainer.limiter._learning_starts = 10**9
        return trainer


class AlertsOnClippedNorms(Course):
    class Deaf(LiveDoctor):
        def feed(self, tag, step, value, now=None):
            if tag.startswith("gradients/") and not tag.endswith("post_clip"):
                return
            super().feed(tag, step, value, now)

    def reward(self, parts):
        return 10_000.0 * parts

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

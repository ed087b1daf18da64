# SPDX-License-Identifier: Apache-2.0
"""The learner without transport: takes experience; makes updates, log points, weights and checkpoints.

It does the updates that are due before it inserts the next experience, whatever the timing of the messages. So what an
update can sample depends on the order of the insertions alone. A learner that was killed does the updates since its
last checkpoint again, each from the memory as it was then, and comes to the same weights. That needs a memory in which
no step was overwritten.

Where several learners act as one, it is rank 0, and hands on to the others what is theirs.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Callable

import numpy as np
import torch

from td3_driving.driving.experience import Experience
from td3_driving.learning import agent_state
from td3_driving.learning.agent import LearningAgent, make_agent
from td3_driving.learning.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from td3_driving.learning.deciding import decided
from td3_driving.learning.intake import ExperienceIntake, IntakeCounters, IntakeOutcome
from td3_driving.learning.pacing import RateLimiter
from td3_driving.learning.process import prepare_process
from td3_driving.learning.ranks.divided_memory import kept_in
from td3_driving.learning.ranks.sharing import ALONE, Alone
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.replay_files import ReplayError
from td3_driving.learning.series import ActionMeter, FrameMeter, LogPoint, ReturnScale, parameter_statistics
from td3_driving.learning.updater import make_updater
from td3_driving.learning.weights import PolicySnapshot, take_frozen, take_snapshot, take_trained
from td3_driving.runs.disk import LastingWrites
from td3_driving.settings import Settings

AgentFactory = Callable[[Settings, int, int], LearningAgent]


class Diverged(FloatingPointError):
    """A loss is not finite, so no update can make sense."""


class Trainer:
    """One learner with its memory, pacing, series and checkpoints.

    Attributes:
        memory: what this rank has stored, of :attr:`whole`, what all ranks have.
        frozen_weights: the frozen weights of the actor's encoder, for the policy; ``None`` where it has none.
    """

    def __init__(
        self,
        settings: Settings,
        run_directory: Path,
        state_dim: int,
        factory: AgentFactory = make_agent,
        ranks: Alone = ALONE,
    ) -> None:
        """Start in ``run_directory``, or resume from the checkpoint and the replay memory there, with ``ranks``.

        Raises:
            ReplayError, CheckpointError: they belong to another run, or do not fit together.
            RankLost: a rank could not begin.
        """
        prepare_process(settings.learning.threads, ranks.here)
        self.settings = settings
        self.config_hash = settings.digest()
        self.limiter = RateLimiter(settings.pacing)
        form = decided(settings, state_dim)
        self.agent = factory(form, state_dim, settings.run.seed)
        if ranks.size > 1:
            self.agent.join(ranks)
        self.ranks = ranks
        self.memory = ReplayMemory(settings, state_dim, kept_in(settings, run_directory, 0))
        self.whole = ranks.divide(self.memory)
        self.intake = ExperienceIntake(settings, state_dim, self.whole, heal=settings.pacing.mode == "strict")
        self._checkpoints = run_directory / "checkpoints"
        self._sampling = np.random.default_rng(settings.run.seed)
        self._scale = ReturnScale(settings.learning.gamma)
        self._updater = make_updater(form, self.agent, self.memory, self._sampling, ranks)
        self._actions, self._frames = ActionMeter(), FrameMeter()
        self._log_points: deque[LogPoint] = deque()
        self._log_due = False
        self._logged = (0, 0)
        self._news: deque[str] = deque()
        self._disk = LastingWrites("the checkpoint", self._news.append)
        self._passed_over = 0
        self._unsaved = False
        self._restore()
        self._require_transitions()
        if damage := self.whole.faults.sentence():
            self._news.append(f"the replay memory was damaged: {damage}")
        self.frozen_weights = take_frozen(self.agent.actor, self.config_hash)

    @property
    def counters(self) -> IntakeCounters:
        """The account of the messages."""
        return self.intake.counters

    @property
    def inserted(self) -> int:
        """Environment steps in or once in the memory."""
        return self.counters.inserted

    @property
    def updates(self) -> int:
        """Updates of the critic."""
        return self.agent.updates

    @property
    def updates_due(self) -> int:
        """Updates that the steps inserted so far ask for; steps beyond the end of the run ask for none."""
        return self.limiter.updates_due(min(self.inserted, self.settings.run.steps))

    @property
    def pending(self) -> int:
        """Updates that are due and not done."""
        return max(self.updates_due - self.updates, 0)

    @property
    def finished(self) -> bool:
        """All steps of the run are inserted and all their updates done."""
        return self.inserted >= self.settings.run.steps and self.pending == 0

    def receive(self, experience: Experience, max_updates: int | None = None) -> IntakeOutcome:
        """Insert ``experience`` and do the updates that are due, ``max_updates`` of them at most.

        It does all updates first that an earlier call left pending.

        Raises:
            Diverged: a loss is not finite.
        """
        self.run_due()
        self._show(self.inserted)
        outcome = self.intake.accept(experience)
        if outcome.inserted:
            self._actions.add(experience)
            self._frames.add(experience)
            self._scale.add(experience.actor_id, experience.reward, experience.closes_episode)
            self._log_due = self.inserted % self.settings.run.log_period == 0 and not self._is_over()
        self.run_due(max_updates)
        return outcome

    def run_due(self, max_updates: int | None = None) -> int:
        """Do pending updates, ``max_updates`` at most, and return how many are left."""
        allowed = self.pending if max_updates is None else min(self.pending, max_updates)
        for _ in range(allowed):
            self._show(self.limiter.inserted_at(self.updates + 1))
            if not self.whole.sampleable:
                break
            self._update()
        if self._log_due and self.pending == 0:
            self._log_due = False
            self._require_finite()
            self._log()
        return self.pending

    def pop_log_point(self) -> LogPoint | None:
        """The oldest point of the series not handed out yet."""
        return self._log_points.popleft() if self._log_points else None

    def weights(self) -> PolicySnapshot:
        """All of the actor as it is now; raises :class:`Diverged` where it learned from a loss that is not finite."""
        self._require_finite()
        return take_snapshot(self.agent.actor, self.updates, self.inserted, self.config_hash)

    def trained_weights(self) -> PolicySnapshot:
        """What a policy needs of the actor as it is now, once it has :attr:`frozen_weights`; raises as above."""
        self._require_finite()
        frozen = self.frozen_weights.sha256 if self.frozen_weights else ""
        return take_trained(self.agent.actor, frozen, self.updates, self.inserted, self.config_hash)

    @property
    def way(self) -> str:
        """Where and how the updates are computed, in one sentence without its end."""
        return self._updater.sentence()

    def pop_news(self) -> str:
        """The oldest sentence about the files of the run not handed out yet; "" if there is none."""
        return self._news.popleft() if self._news else ""

    @property
    def disk_fault(self) -> str:
        """Why the newest checkpoint could not be written, in one sentence; "" if it could."""
        return self._disk.fault

    def keep(self) -> bool:
        """Write a checkpoint if the disk takes it; else that is news, and the next log point tries again."""
        self._unsaved = not self._disk.attempt(self.save)
        return not self._unsaved

    def save(self) -> Path:
        """Write a checkpoint; :meth:`keep` does so every ``checkpoint_period`` updates.

        Raises:
            OSError: it cannot be written.
        """
        self.whole.write_names()
        ranks, generators = self.ranks.states(self.agent)
        state = {
            "policy_updates": self.agent.policy_updates,
            "inserted": self.inserted,
            "logged": list(self._logged),
            "sampling": self._sampling.bit_generator.state,
            "scale": self._scale.state(),
            "intake": self.intake.state(),
            **({"ranks": ranks} if ranks else {}),
        }
        tensors = agent_state.collect(self.agent) | generators
        return save_checkpoint(self._checkpoints, self.updates, self.config_hash, tensors, state)

    def _show(self, inserted: int) -> None:
        """Let the memory of a killed learner show what it held after ``inserted`` steps."""
        for step in self.whole.show(inserted):
            self._scale.add(step.actor_id, step.reward, step.closes_episode)

    def _update(self) -> None:
        self._updater.update(self._scale.value if self.settings.learning.reward_scaling else 1.0)
        due = self.updates % self.settings.pacing.checkpoint_period == 0
        self._require_finite(due)
        if due:
            self.keep()

    def _require_finite(self, now: bool = True) -> None:
        """Raise :class:`Diverged` if a loss is not finite; unless ``now``, the updates choose when to look."""
        if fault := self._updater.fault(now):
            self._log()
            raise Diverged(fault)

    def _is_over(self) -> bool:
        return self.inserted > self.settings.run.steps

    def _log(self) -> None:
        self._log_points.append(LogPoint(self.inserted, self._window() | self._agent_series()))
        self._logged = (self.inserted, self.updates)
        if self._unsaved:
            self.keep()

    def _window(self) -> dict[str, float]:
        return self._updater.pop_series() | self._actions.pop() | self._frames.pop()

    def _agent_series(self) -> dict[str, float]:
        steps, updates = self.inserted - self._logged[0], self.updates - self._logged[1]
        return {
            "agent/total_iterations": float(self.updates),
            "agent/updates_per_step": updates / steps if steps else 0.0,
            "agent/is_training": float(self.updates > 0),
            "agent/buffer_utilization": self.whole.used / self.whole.capacity,
            "progress/buffer_size": float(self.whole.sampleable),
            "replay/left_out": float(self.whole.faults.dropped),
            **({"replay/gone": float(self.counters.gone)} if self.settings.pacing.mode == "strict" else {}),
            "agent/checkpoints_passed_over": float(self._passed_over),
            **self.agent.learning_rates(),
            **{tag: float(step) for tag, step in self.agent.target_steps.items() if torch.isfinite(step)},
            **parameter_statistics((("actor", self.agent.actor), ("critic", self.agent.critic))),
        }

    def _require_transitions(self) -> None:
        """Refuse to go on learning from less than one batch that damage has left of the memory.

        Raises:
            ReplayError: that is so.
        """
        least, left = self.settings.learning.batch_size, self.whole.sampleable
        if self.whole.faults.dropped and left < least and self.updates_due:
            raise ReplayError(
                f"the run cannot go on: {left} of {self.inserted:,} transitions are left, a batch needs {least};"
                f" {self.whole.faults.sentence()}"
            )

    def _restore(self) -> None:
        checkpoint = load_checkpoint(self._checkpoints, self.config_hash)
        self.whole.rewind(0 if checkpoint is None else checkpoint.state["inserted"])
        if checkpoint is None:
            self.ranks.restore(self.agent, {}, {})
            return
        state = checkpoint.state
        if self.whole.inserted < state["inserted"]:
            raise CheckpointError(
                f"checkpoint of step {state['inserted']} without its replay memory, which holds "
                f"{self.whole.inserted} steps: the run cannot go on as it was"
            )
        if checkpoint.passed_over:
            self._passed_over = len(checkpoint.passed_over)
            self._news.append(
                f"the run resumes from step {state['inserted']:,} (update {state['updates']:,}), the newest checkpoint"
                f" that is whole: {'; '.join(checkpoint.passed_over)}"
            )
        agent_state.restore(self.agent, checkpoint.tensors)
        self.agent.updates, self.agent.policy_updates = state["updates"], state["policy_updates"]
        self._sampling.bit_generator.state = state["sampling"]
        self._scale.restore(state["scale"])
        self._logged = (int(state["logged"][0]), int(state["logged"][1]))
        self.intake.restore(state["intake"])
        self.ranks.restore(self.agent, state, checkpoint.tensors)

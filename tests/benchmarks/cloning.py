# SPDX-License-Identifier: Apache-2.0
"""Behaviour cloning of the teacher: our actor, memory and pacing, and no value to learn.

``cloning`` learns from the teacher's own drives (Pomerleau 1989, ALVINN), disturbed as the first steps of a training
are (Laskey et al. 2017, DART). ``dagger`` lets the policy drive after those first steps and asks the teacher what it
would have done (Ross et al. 2011).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.algorithms.base import Report
from td3_driving.learning.batch import Batch
from td3_driving.learning.gradients import clip_and_measure
from td3_driving.learning.imitation import imitation_loss
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Settings

OWN_RATE = 1e-3
"""Learning rate of Adam as published (Kingma and Ba 2015), for both parts of the actor."""


class Cloning(LearningAgent):
    """Moves the actor towards the teacher's actions; the critic stays as it began."""

    def update(self, batch: Batch, reward_scale: float = 1.0) -> Report:
        """One step of the actor on the squared distance of its actions from the teacher's."""
        inputs = self.to_device(batch)
        action = self.actor(inputs.now.frames, inputs.now.states)
        loss = imitation_loss(action, inputs.teacher)
        self.actor_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norms = clip_and_measure(self.actor, self._rule.actor_max_norm, "actor")
        self.actor_optimizer.step()
        self.updates += 1
        # The trainer stops a run whose loss of this name is not finite.
        return norms | {"train/critic_loss": loss.detach()}


def clone_trainer(settings: Settings, directory: Path, state_dim: int) -> Trainer:
    """A trainer whose learner is :class:`Cloning`."""
    return Trainer(settings, directory, state_dim, Cloning)


def teacher_of(settings: Settings) -> str:
    """Who shows: the profile's teacher, ``idm`` for a profile without one."""
    return "idm" if settings.learning.teacher == "none" else settings.learning.teacher


def cloning_settings(settings: Settings, contender: str, tuning: str) -> Settings:
    """The settings of ``cloning`` or ``dagger``: the teacher shows every step, and drives all or the first of them.

    Args:
        tuning: ``own`` takes :data:`OWN_RATE` and one update a step.
    """
    learning, pacing, exploration = settings.learning, settings.pacing, settings.exploration
    learning = replace(learning, teacher=teacher_of(settings))
    if contender == "cloning":
        exploration = replace(exploration, random_steps=settings.run.steps)
    if tuning == "own":
        learning = replace(learning, actor_cnn_lr=OWN_RATE, actor_mlp_lr=OWN_RATE)
        pacing = replace(pacing, gradient_steps=pacing.train_freq)
    return replace(settings, learning=learning, pacing=pacing, exploration=exploration)

# SPDX-License-Identifier: Apache-2.0
"""Cloning of the teacher: its data belong together, and the actor comes near to the teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cloning import Cloning, clone_trainer, cloning_settings

from td3_driving.driving.experience import Experience
from td3_driving.driving.state_vector import state_dim, state_elements
from td3_driving.in_process.run import InProcessRun
from td3_driving.settings import Settings, from_flat
from tests.shared import batches, tiny

SHORT = {
    **tiny.CAMERA,
    **tiny.LEARNER,
    "simulator.map": "curves",
    "episode.max_steps": 30,
    "run.steps": 80,
    "run.seed": 5,
    "pacing.learning_starts": 10,
    "pacing.train_freq": 10,
    "exploration.random_steps": 40,
}


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """All tests of this file."""


def settings(contender: str, tuning: str = "same", **changes: object) -> Settings:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return cloning_settings(from_flat(SHORT | named), contender, tuning)


def run(wanted: Settings, folder: Path) -> tuple[InProcessRun, list[Experience]]:
    made = InProcessRun(wanted, folder, clone_trainer)
    sent = [step.scored.experience for step in made.steps()]
    made.scene.camera.close()
    return made, sent


def test_without_disturbance_the_action_shown_is_the_one_that_the_next_state_remembers(tmp_path: Path) -> None:
    wanted = settings("cloning", exploration__noise_start=0.0)
    made, sent = run(wanted, tmp_path)
    assert len(sent) == 80
    for step in sent:
        np.testing.assert_array_equal(step.action, step.teacher_action)
    names = [element.name for element in state_elements(wanted.observation)]
    remembered = [names.index("last steer, right positive"), names.index("last drive, throttle positive")]
    memory = made.trainer.memory
    slots = memory.sampleable_slots()
    batch = memory.gather(slots)
    assert len(slots) == 80
    for row, step in enumerate(sent):
        np.testing.assert_array_equal(batches.frames(batch)[row, -1], step.frame)
        np.testing.assert_array_equal(batch.states[row], step.state)
        np.testing.assert_array_equal(batch.teacher_actions[row], step.teacher_action)
        np.testing.assert_allclose(batch.next_states[row, remembered], batch.teacher_actions[row], atol=1e-6)


def test_the_teacher_drives_all_steps_of_cloning_and_the_first_of_dagger(tmp_path: Path) -> None:
    for contender, driven in (("cloning", 80), ("dagger", 40)):
        wanted = settings(contender, exploration__noise_start=0.1)
        _, sent = run(wanted, tmp_path / contender)
        # The disturbance is at most 0.1, and clipping brings an action only nearer; the untrained policy is elsewhere.
        near = [bool(np.abs(step.action - step.teacher_action).max() <= 0.1 + 1e-6) for step in sent]
        assert all(near[:driven])
        assert contender == "cloning" or not all(near[driven:])
        assert all(step.teacher_action is not None for step in sent)


def test_own_tuning_takes_one_update_a_step_at_the_published_rate() -> None:
    wanted = settings("dagger", "own", pacing__gradient_steps=1)
    assert wanted.pacing.gradient_steps == wanted.pacing.train_freq == 10
    assert wanted.learning.actor_cnn_lr == wanted.learning.actor_mlp_lr == 1e-3
    assert wanted.exploration.random_steps == 40
    assert settings("cloning").exploration.random_steps == 80


def test_updates_bring_the_actor_nearer_to_the_teacher_and_leave_the_critic(tmp_path: Path) -> None:
    wanted = settings("cloning")
    made, _ = run(replace(wanted, pacing=replace(wanted.pacing, learning_starts=1000)), tmp_path)
    batch = made.trainer.memory.gather(made.trainer.memory.sampleable_slots())
    fast = replace(wanted, learning=replace(wanted.learning, actor_cnn_lr=1e-3, actor_mlp_lr=1e-3))
    agent = Cloning(fast, state_dim(wanted.observation), 0)
    critic = [parameter.clone() for parameter in agent.critic.parameters()]
    losses = [float(agent.update(batch)["train/critic_loss"]) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]
    assert agent.updates == 60
    assert all(torch.equal(before, after) for before, after in zip(critic, agent.critic.parameters()))

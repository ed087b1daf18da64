# SPDX-License-Identifier: Apache-2.0
"""The measured step of the targets: tau as asked for, whatever the code claims about itself."""

from pathlib import Path

import pytest

from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Settings, from_flat

from ..shared import tiny

SETTINGS = {
    "run.log_period": 20,
    **tiny.LEARNER,
    "pacing.learning_starts": 10,
    "pacing.train_freq": 1,
}


def steps(folder: Path, tau: float, critic: str, factory: type[LearningAgent] = LearningAgent) -> dict[str, float]:
    settings: Settings = from_flat({**SETTINGS, "learning.tau": tau, "network.critic": critic})
    trainer = Trainer(settings, folder, 26, factory)
    for experience in made_up_experience(settings, 26, 20):
        trainer.receive(experience)
    point = trainer.pop_log_point()
    assert point is not None
    return {tag: value for tag, value in point.values.items() if tag.endswith("_target_step")}


@pytest.mark.parametrize("tau", [0.005, 0.3, 1.0])
@pytest.mark.parametrize("critic", ["camera", "privileged"])
def test_every_part_of_every_target_goes_tau_of_the_way(tmp_path: Path, tau: float, critic: str) -> None:
    measured = steps(tmp_path, tau, critic)
    parts = ("actor", "actor_cnn", "critic", *(("critic_cnn",) if critic == "camera" else ()))
    assert set(measured) == {f"agent/{part}_target_step" for part in parts}
    assert all(value == pytest.approx(tau, rel=0.01) for value in measured.values())


def test_a_target_without_its_encoder_is_seen(tmp_path: Path) -> None:
    class Forgetful(LearningAgent):
        def update_targets(self) -> None:
            for online, target in self.networks.pairs().values():
                for ours, theirs in zip(online.part("mlp"), target.part("mlp")):
                    theirs.data.lerp_(ours.data, self._rule.tau)

    measured = steps(tmp_path, 0.1, "camera", Forgetful)
    assert measured["agent/critic_cnn_target_step"] == measured["agent/actor_cnn_target_step"] == 0.0
    assert measured["agent/critic_target_step"] == pytest.approx(0.1, rel=0.01)

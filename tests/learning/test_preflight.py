# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Callable

import pytest
import torch
from torch import Tensor

from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.algorithms.base import ActorObjective, Algorithm
from td3_driving.learning.algorithms.td3 import TD3
from td3_driving.learning.networks import CameraCritic, Inputs
from td3_driving.learning.preflight import CheckResult, PreflightError, preflight
from td3_driving.learning.trainer import AgentFactory
from td3_driving.settings import Settings
from td3_driving.settings_audit import tracked

Make = Callable[..., Settings]
STATE_DIM = 3
CRITICS = ("privileged", "camera")


@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("teacher", ["none", "idm"])
@pytest.mark.parametrize("algorithm", ["td3", "ddpg", "sac"])
def test_the_learner_as_it_is_passes(small: Make, algorithm: str, teacher: str, critic: str) -> None:
    settings = small(
        learning__algorithm=algorithm, learning__n_step=3, learning__teacher=teacher, network__critic=critic
    )
    results = preflight(settings, STATE_DIM)
    assert [result.name for result in results] == [
        "targets_equal_online",
        "gradient_path",
        "same_features",
        "frozen_kept",
        "targets_cover_encoders",
        "settings_honoured",
    ]
    assert all(result.passed for result in results)


class ByPass(TD3):
    """The wiring that ruins a run: Q of the features of the ACTOR's encoder."""

    def actor_q(self, now: Inputs, actions: Tensor) -> Tensor:
        return self.networks.critic.first_value(self._mistaken(now), actions)

    def _mistaken(self, now: Inputs) -> Tensor:
        features = self.networks.actor.encoder(now.frames)
        if isinstance(self.networks.critic, CameraCritic):
            return torch.cat([features, now.states], dim=1)
        return torch.cat([features, now.privileged[:, features.shape[1] :]], dim=1)


class QuietByPass(ByPass):
    """The same without the gradient: the values alone are wrong."""

    def actor_q(self, now: Inputs, actions: Tensor) -> Tensor:
        return self.networks.critic.first_value(self._mistaken(now).detach(), actions)


class OtherRows(TD3):
    """The actor's loss asks for the values of other observations than those that the actor saw."""

    def actor_q(self, now: Inputs, actions: Tensor) -> Tensor:
        critic = self.networks.critic
        return critic.first_value(critic.features(now).roll(1, dims=0).detach(), actions)


class DeafToPenalty(TD3):
    """An update that does not read one of its settings."""

    def actor_objective(self, now: Inputs) -> ActorObjective:
        action = self.networks.actor(now.frames, now.states)
        q = self.actor_q(now, action)
        return ActorObjective(q, torch.zeros_like(q), action)


class ForgottenEncoder(LearningAgent):
    """Targets whose encoders stay where they were."""

    @torch.no_grad()
    def update_targets(self) -> None:
        networks = self.networks
        pairs = ((self.actor.trunk, networks.actor_target.trunk), (self.critic.heads, networks.critic_target.heads))
        for online, target in pairs:
            for source, sink in zip(online.parameters(), target.parameters(), strict=True):
                sink.lerp_(source, self._rule.tau)


class SharedTarget(LearningAgent):
    """A target that is the trained network itself."""

    def __init__(self, settings: Settings, state_dim: int, seed: int) -> None:
        super().__init__(settings, state_dim, seed)
        self.networks.critic_target = self.networks.critic


class DeafToTeacher(LearningAgent):
    """An update that leaves the teacher out."""

    def __init__(self, settings: Settings, state_dim: int, seed: int) -> None:
        super().__init__(settings, state_dim, seed)
        self.terms = []


def with_rule(kind: type[Algorithm]) -> AgentFactory:
    """Agents of the rule ``kind``, whatever the settings name."""
    return lambda settings, state_dim, seed: LearningAgent(settings, state_dim, seed, kind)


@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize(
    ("wiring", "failing"),
    [
        (with_rule(ByPass), {"gradient_path", "same_features"}),
        (with_rule(QuietByPass), {"same_features"}),
        (with_rule(OtherRows), {"same_features"}),
        (ForgottenEncoder, {"targets_cover_encoders"}),
        (SharedTarget, {"targets_equal_online"}),
        (with_rule(DeafToPenalty), {"settings_honoured"}),
        (DeafToTeacher, {"settings_honoured"}),
    ],
)
def test_a_wrong_wiring_refuses_to_train(small: Make, wiring: AgentFactory, failing: set[str], critic: str) -> None:
    with pytest.raises(PreflightError) as refusal:
        preflight(small(network__critic=critic, learning__teacher="idm"), STATE_DIM, factory=wiring)
    found = {part.split(":")[0] for part in str(refusal.value).split("; ")}
    assert failing <= found
    assert not found & ({"gradient_path", "same_features", "settings_honoured"} - failing)


def test_extra_checks_count(small: Make) -> None:
    def ranking() -> CheckResult:
        return CheckResult("reward_ranking", False, "lane keeping pays most", "parked earns 5.0, lane keeper 4.0")

    with pytest.raises(PreflightError, match=r"^reward_ranking: parked earns 5.0"):
        preflight(small(), STATE_DIM, extra=[ranking])


def test_the_audit_notes_reads_and_nothing_else(small: Make) -> None:
    settings = small()
    observed, audit = tracked(settings)
    assert observed.digest() == settings.digest()
    assert audit.reads == set()
    assert observed.learning.gamma == settings.learning.gamma
    assert audit.reads == {"learning.gamma"}
    unread = audit.unread(["learning"])
    assert "learning.tau" in unread
    assert "learning.gamma" not in unread
    assert not any(key.startswith("pacing.") for key in unread)

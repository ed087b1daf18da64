from __future__ import annotations

from typing import Callable

import pytest
import torch
from torch import Tensor

from td3_driving.learning.preflight import CheckResult, PreflightError, preflight
from td3_driving.learning.td3 import TD3, ActorObjective, Observation
from td3_driving.settings import Settings
from td3_driving.settings_audit import tracked

Make = Callable[..., Settings]
STATE_DIM = 3


@pytest.mark.parametrize("algorithm", ["td3", "ddpg", "sac"])
def test_the_learner_as_it_is_passes(small: Make, algorithm: str) -> None:
    results = preflight(small(learning__algorithm=algorithm, learning__n_step=3), STATE_DIM)
    assert [result.name for result in results] == [
        "targets_equal_online",
        "gradient_path",
        "same_features",
        "targets_cover_encoders",
        "settings_honoured",
    ]
    assert all(result.passed for result in results)


class ByPass(TD3):
    """The wiring that ruins a run: Q of the features of the ACTOR's encoder."""

    def actor_q(self, now: Observation, actions: Tensor) -> Tensor:
        return self.critic.first_value(self.actor.encoder(now.patches), now.states, actions)


class QuietByPass(TD3):
    """The same without the gradient: the values alone are wrong."""

    def actor_q(self, now: Observation, actions: Tensor) -> Tensor:
        return self.critic.first_value(self.actor.encoder(now.patches).detach(), now.states, actions)


class ForgottenEncoder(TD3):
    """Targets whose encoders stay where they were."""

    @torch.no_grad()
    def update_targets(self) -> None:
        pairs = ((self.actor.trunk, self.actor_target.trunk), (self.critic.heads, self.critic_target.heads))
        for online, target in pairs:
            for source, sink in zip(online.parameters(), target.parameters(), strict=True):
                sink.lerp_(source, self._rule.tau)


class SharedTarget(TD3):
    """A target that is the trained network itself."""

    def __init__(self, settings: Settings, state_dim: int, seed: int) -> None:
        super().__init__(settings, state_dim, seed)
        self.critic_target = self.critic


class DeafToPenalty(TD3):
    """An update that does not read one of its settings."""

    def actor_objective(self, now: Observation) -> ActorObjective:
        q = self.actor_q(now, self.actor(now.patches, now.states))
        return ActorObjective(q, torch.zeros_like(q))


@pytest.mark.parametrize(
    ("wiring", "failing"),
    [
        (ByPass, {"gradient_path", "same_features"}),
        (QuietByPass, {"same_features"}),
        (ForgottenEncoder, {"targets_cover_encoders"}),
        (SharedTarget, {"targets_equal_online"}),
        (DeafToPenalty, {"settings_honoured"}),
    ],
)
def test_a_wrong_wiring_refuses_to_train(small: Make, wiring: type[TD3], failing: set[str]) -> None:
    with pytest.raises(PreflightError) as refusal:
        preflight(small(), STATE_DIM, factory=wiring)
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

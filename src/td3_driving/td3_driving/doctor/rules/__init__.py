"""The rules, in the order in which they are asked: those that look at others' findings come last."""

from __future__ import annotations

from td3_driving.doctor.findings import Rule
from td3_driving.doctor.history import History
from td3_driving.doctor.rules import (
    alerts,
    camera,
    course,
    critic,
    environment,
    explosion,
    gradients,
    growth,
    honoured,
    learning,
    policy,
    rewards,
    values,
)

RULES: tuple[type[Rule], ...] = (
    values.LossIdentity,
    values.ActorAgainstReplay,
    values.ReturnBound,
    growth.GrowthLaw,
    gradients.ByPassGradient,
    policy.FrozenPolicy,
    gradients.VanishingGradient,
    policy.SaturatedActions,
    policy.IdenticalEvaluations,
    honoured.UpdatesPerStep,
    honoured.StepTime,
    honoured.LearningRates,
    honoured.InferredSettings,
    gradients.PartAndWhole,
    gradients.ClipAlwaysActive,
    alerts.AlertAccounting,
    environment.DeadEnvironment,
    environment.RegimeBreak,
    environment.WorseThanRandom,
    environment.TooRegular,
    environment.LimitIsNoSuccess,
    rewards.ViolationPays,
    rewards.RewardAtRest,
    rewards.Dominance,
    rewards.RewardLedger,
    course.PhaseFlag,
    explosion.Explosion,
    explosion.DeadCritic,
    explosion.AgainstAllReturns,
    explosion.ValuesWithoutReward,
    critic.CriticStability,
    critic.AgainstReturns,
    values.TwinsAgree,
    course.Alive,
    course.Completeness,
    course.MissingSeries,
    course.FlatSeries,
    course.NonFinite,
    gradients.GradientExplosion,
    critic.TargetNetworks,
    learning.CopiedEpisodes,
    learning.PolicyGradientSteps,
    learning.WhetherItLearned,
    alerts.BlindAlerts,
    camera.CameraIgnored,
)


def make_rules(history: History) -> list[Rule]:
    """One fresh object of every rule."""
    return [rule(history) for rule in RULES]

# SPDX-License-Identifier: Apache-2.0
"""The figures of a report. A title names exactly the series that are drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

from td3_driving.doctor.aliases import TERMS


@dataclass(frozen=True)
class Chart:
    """A figure.

    Attributes:
        key: rules name the figure by it in their ``charts``.
        title: text above the figure; ``caption`` stands below it.
        series: the series to draw, each with its sign.
        unit: of the ordinate.
        points: whether single points are drawn instead of a line.
    """

    key: str
    title: str
    caption: str
    series: tuple[tuple[str, float], ...]
    unit: str
    points: bool = False


CHARTS = (
    Chart(
        "return",
        "Episode return",
        "Undiscounted. Horizontal lines: the levels at the start and at the end by which learning was judged.",
        (("episode_return", 1.0), ("episode_return_mean", 1.0), ("eval_return", 1.0)),
        "return",
        points=True,
    ),
    Chart(
        "success",
        "Success",
        "Share of episodes that reached their goal.",
        (("success_rate", 1.0), ("eval_success", 1.0)),
        "share",
    ),
    Chart(
        "q",
        "Q as the actor sees it, and Q on replay actions",
        "With correct wiring the two lie on each other.",
        (("actor_q", 1.0), ("actor_loss", -1.0), ("q1", 1.0), ("q2", 1.0), ("target_q", 1.0)),
        "value",
    ),
    Chart(
        "critic_loss",
        "Critic loss",
        "As logged, mostly the mean squared temporal-difference error.",
        (("critic_loss", 1.0),),
        "loss",
    ),
    Chart(
        "value_loss",
        "Loss of the value function",
        "As logged by a policy gradient.",
        (("value_loss", 1.0),),
        "loss",
    ),
    Chart(
        "divergence",
        "Divergence of the policy from its predecessor",
        "0.01 to 0.03 is usual; the rule policy-steps tells what is too far.",
        (("approx_kl", 1.0),),
        "nats",
    ),
    Chart(
        "gradients",
        "Gradient norms",
        "L2 norms as logged; those before clipping where the run has them.",
        tuple(
            (f"grad_{network}_{part}", 1.0) for network in ("actor", "critic") for part in ("cnn", "mlp", "pre", "post")
        ),
        "norm",
    ),
    Chart(
        "length",
        "Episode length",
        "Placed at the step at which an episode ended.",
        (("episode_length", 1.0), ("episode_length_mean", 1.0)),
        "steps",
        points=True,
    ),
    Chart(
        "speed",
        "Speed",
        "Samples of single steps.",
        (("speed", 1.0),),
        "km/h",
        points=True,
    ),
    Chart(
        "reward",
        "Reward and its terms",
        "Samples of single steps, or means over the steps between two points.",
        (("step_reward", 1.0), ("reward_total", 1.0), (TERMS, 1.0)),
        "reward",
    ),
    Chart(
        "policy",
        "Policy",
        "Mean of the policy's parameters: a flat line is a policy that no longer learns.",
        (("param_mean_actor", 1.0),),
        "parameter mean",
    ),
    Chart(
        "updates",
        "Updates",
        "Counted updates; the slope is the number of updates per step.",
        (("updates", 1.0),),
        "updates",
    ),
)

PHRASES = {
    "actor_q": "Q as the actor sees it",
    "actor_loss": "Q as the actor sees it (minus its loss)",
    "q1": "Q on replay actions",
    "q2": "Q on replay actions",
    "target_q": "Q of the targets",
    "episode_return": "return of single episodes",
    "episode_return_mean": "mean return",
    "eval_return": "return in evaluation",
    "episode_length": "length of single episodes",
    "episode_length_mean": "mean length of episodes",
    "step_reward": "reward of single steps",
    "success_rate": "success rate",
    "eval_success": "success in evaluation",
}
ACTORS, REPLAYS = ("actor_q", "actor_loss"), ("q1", "q2", "target_q")


def titled(chart: Chart, drawn: Sequence[str]) -> Chart:
    """``chart`` with a title that names the series ``drawn`` in it, and a caption that fits."""
    phrases = list(dict.fromkeys(PHRASES[name] for name in drawn if name in PHRASES))
    if not phrases or any(name not in PHRASES for name in drawn):
        return chart
    title = phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    caption = chart.caption
    if set(drawn) & {*ACTORS, *REPLAYS} and not (set(drawn) & {*ACTORS} and set(drawn) & {*REPLAYS}):
        caption = "The other reading of Q, to hold this one against, was not logged."
    return replace(chart, title=title[0].upper() + title[1:], caption=caption)

"""Which figures a report has, and what their titles say: what is drawn, and nothing that is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

from td3_driving.doctor.aliases import REWARD_PARTS


@dataclass(frozen=True)
class Chart:
    """Title, caption, series with the sign to show them with, unit of the ordinate, rules that are marked in it."""

    title: str
    caption: str
    series: tuple[tuple[str, float], ...]
    unit: str
    rules: tuple[int, ...]
    points: bool = False


CHARTS = (
    Chart(
        "Episode return",
        "Undiscounted. Horizontal lines: the levels at the start and at the end by which learning was judged.",
        (("episode_return", 1.0), ("episode_return_mean", 1.0), ("eval_return", 1.0)),
        "return",
        (9, 19, 21, 23, 30, 39, 42, 44),
        points=True,
    ),
    Chart(
        "Success",
        "Share of episodes that reached their goal.",
        (("success_rate", 1.0), ("eval_success", 1.0)),
        "share",
        (9, 39),
    ),
    Chart(
        "Q as the actor sees it, and Q on replay actions",
        "With correct wiring the two lie on each other.",
        (("actor_q", 1.0), ("actor_loss", -1.0), ("q1", 1.0), ("q2", 1.0), ("target_q", 1.0)),
        "value",
        (1, 2, 3, 29, 36, 40, 41, 42, 43),
    ),
    Chart(
        "Critic loss",
        "As logged, mostly the mean squared temporal-difference error.",
        (("critic_loss", 1.0),),
        "loss",
        (29, 36, 40, 41),
    ),
    Chart(
        "Loss of the value function",
        "As logged by a policy gradient.",
        (("value_loss", 1.0),),
        "loss",
        (36,),
    ),
    Chart(
        "Divergence of the policy from its predecessor",
        "0.01 to 0.03 is usual; rule 45 tells what is too far.",
        (("approx_kl", 1.0),),
        "nats",
        (45,),
    ),
    Chart(
        "Gradient norms",
        "L2 norms as logged; those before clipping where the run has them.",
        tuple(
            (f"grad_{network}_{part}", 1.0) for network in ("actor", "critic") for part in ("cnn", "mlp", "pre", "post")
        ),
        "norm",
        (5, 7, 14, 15, 37),
    ),
    Chart(
        "Episode length",
        "Placed at the step at which an episode ended.",
        (("episode_length", 1.0), ("episode_length_mean", 1.0)),
        "steps",
        (19, 21, 22, 23),
        points=True,
    ),
    Chart("Speed", "Samples of single steps.", (("speed", 1.0),), "km/h", (18, 23), points=True),
    Chart(
        "Reward and its components",
        "Samples of single steps, or means over the steps between two points.",
        (("step_reward", 1.0), ("part_total", 1.0), *((part, 1.0) for part in REWARD_PARTS)),
        "reward",
        (18, 24, 25, 26, 27),
    ),
    Chart(
        "Policy",
        "Mean of the policy's parameters: a flat line is a policy that no longer learns.",
        (("param_mean_actor", 1.0),),
        "parameter mean",
        (6, 8),
    ),
    Chart(
        "Updates",
        "Counted updates; the slope is the number of updates per step.",
        (("updates", 1.0),),
        "updates",
        (10, 28, 32),
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
    """``chart`` with a title, and where it must a caption, that name the series ``drawn`` in it."""
    phrases = list(dict.fromkeys(PHRASES[name] for name in drawn if name in PHRASES))
    if not phrases or any(name not in PHRASES for name in drawn):
        return chart
    title = phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    caption = chart.caption
    if set(drawn) & {*ACTORS, *REPLAYS} and not (set(drawn) & {*ACTORS} and set(drawn) & {*REPLAYS}):
        caption = "The other reading of Q, to hold this one against, was not logged."
    return replace(chart, title=title[0].upper() + title[1:], caption=caption)

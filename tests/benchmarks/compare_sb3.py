"""Our learners and Stable-Baselines3's TD3 on the same task: same steps, routes, evaluation, threads and machine.

    python tests/benchmarks/compare_sb3.py [--steps 8000] [--seeds 5] [--jobs 1] [--tuning same|defaults]
                                           [--contenders td3 ddpg sac stable_baselines3]
                                           [--variant "no layer norm:network.layer_norm=false" …]

All train without ROS, ``--jobs`` at a time, seed by seed; ``td3``, ``ddpg`` and ``sac`` are ours. Every ``--every``
steps the deterministic policy drives ``--routes`` routes that no training chooses, in time that is not counted. Prints
one JSON object a line: a learning curve by steps and by wall time for every training, and at the end, for equal steps
and for equal wall time, the interquartile mean over the seeds with its 95 % stratified bootstrap interval and the
probability of improvement over the last contender (Agarwal et al. 2021). A profile with ``evaluation.interval`` keeps
the policy that did best on routes of its own, as a run does, and its score is stated too.

``--variant`` adds our TD3 with settings changed: what each choice is worth, or one of the options.

``--tuning same`` gives Stable-Baselines3 our settings wherever it has the same ones (network widths, batch, discount,
target step, update ratio, warm-up, noise; its one learning rate is ours of the critic's heads); ``defaults`` leaves it
its own, but for the size of the replay memory and the warm-up.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from contenders import BASELINE, Job, Outcome, Point, train

from td3_driving.evaluation.statistics import bootstrap, probability_of_improvement
from td3_driving.settings import Settings
from td3_driving.starting.profiles import load_profile, override, profile_path

OURS = ("td3", "ddpg", "sac")
Outcomes = dict[str, list[Outcome]]


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """All trainings, seed by seed.

    Raises:
        SettingsError: a setting does not exist, or its value is out of range.
    """
    base = override(load_profile(profile_path(options.profile)), options.set)
    chosen = {}
    for text in options.variant:
        name, _, changes = text.partition(":")
        chosen[name] = override(base, changes.split(","))
    for name in options.contenders:
        chosen[name] = _without_choice(base) if name == BASELINE else _with_algorithm(base, name)
    for seed in range(options.seeds):
        for name, settings in chosen.items():
            own = _of_one(settings, seed, options.steps)
            yield Job(name, own, options.tuning, options.every, options.routes)


def _with_algorithm(settings: Settings, name: str) -> Settings:
    return replace(settings, learning=replace(settings.learning, algorithm=name))


def _without_choice(settings: Settings) -> Settings:
    return replace(settings, evaluation=replace(settings.evaluation, interval=0))


def _of_one(settings: Settings, seed: int, steps: int) -> Settings:
    return replace(
        settings,
        run=replace(settings.run, seed=seed, steps=steps),
        replay=replace(settings.replay, on_disk=False),
    )


def described(outcome: Outcome) -> dict[str, Any]:
    """The line of one training."""
    curve = [asdict(point) for point in outcome.points]
    best = {"best": asdict(outcome.best)} if outcome.best else {}
    return {"name": outcome.name, "seed": outcome.seed, "curve": curve} | best


def verdicts(outcomes: Outcomes) -> Iterator[dict[str, Any]]:
    """At the end of the budget of steps, and at the wall time at which the fastest training had used it up."""
    ends = {who: [one.points[-1].driving_score for one in of] for who, of in outcomes.items()}
    yield from _verdict("at_equal_steps", ends)
    budget = min(one.points[-1].seconds for of in outcomes.values() for one in of)
    in_time = {who: [score_at(one.points, budget) for one in of] for who, of in outcomes.items()}
    yield from (line | {"seconds": budget} for line in _verdict("at_equal_wall_time", in_time))
    best = {who: [one.best.driving_score for one in of if one.best] for who, of in outcomes.items()}
    if all(best.values()):
        yield from _verdict("of_the_best_checkpoint", best)


def score_at(points: list[Point], seconds: float) -> float:
    """Driving score of the last evaluation within ``seconds`` of training; 0 before the first."""
    done = [point.driving_score for point in points if point.seconds <= seconds]
    return done[-1] if done else 0.0


def _verdict(name: str, scores: dict[str, list[float]]) -> Iterator[dict[str, Any]]:
    generator = np.random.default_rng(0)
    estimates = {who: bootstrap(np.array(values), generator) for who, values in scores.items()}
    *_, (last, baseline) = scores.items()
    for who, values in scores.items():
        yield {
            "name": f"driving_score_{name}_{who}",
            "value": estimates[who].value,
            "unit": "%, interquartile mean",
            "interval": [estimates[who].low, estimates[who].high],
            "baseline": estimates[last].value,
            "probability_of_improvement": probability_of_improvement(np.array(values), np.array(baseline)),
            "scores": values,
        }


def parse() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--profile", default="quick", help="settings of both (%(default)s)")
    add("--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="change one setting; may be repeated")
    add("--steps", type=int, default=8000, help="environment steps of a training (%(default)s)")
    add("--seeds", type=int, default=5, help="trainings of each (%(default)s)")
    add("--jobs", type=int, default=1, help="trainings at a time (%(default)s)")
    add("--every", type=int, default=1000, help="steps between two evaluations (%(default)s)")
    add("--routes", type=int, default=3, help="routes of an evaluation (%(default)s)")
    add("--tuning", choices=("same", "defaults"), default="same", help="of Stable-Baselines3 (%(default)s)")
    add(
        "--contenders", nargs="+", choices=(*OURS, BASELINE), default=["td3", BASELINE], help="who trains (%(default)s)"
    )
    add("--variant", action="append", default=[], metavar="NAME:GROUP.NAME=VALUE,…", help="our TD3, changed")
    return parser.parse_args()


def main() -> None:
    """Train and print."""
    options = parse()
    planned = list(jobs(options))
    outcomes: Outcomes = {job.name: [] for job in planned}
    with get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        for outcome in pool.imap_unordered(train, planned):
            outcomes[outcome.name].append(outcome)
            print(json.dumps(described(outcome)), flush=True)
    for of in outcomes.values():
        of.sort(key=lambda outcome: outcome.seed)
    for line in verdicts(outcomes):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

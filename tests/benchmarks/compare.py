# SPDX-License-Identifier: Apache-2.0
"""Our learners, cloning of the teacher and the learners of Stable-Baselines3 on the same task.

    python tests/benchmarks/compare.py --rows rows.jsonl [--steps 8000] [--seeds 5] [--cpu-budget 60 --cpu-limit 360]
        [--contenders td3 sb3_sac sb3_sac:own sb3_sac:shown cloning …] [--variant "no teacher:learning.teacher=none" …]

All train without ROS with the same steps, routes, evaluation and threads, ``--jobs`` at a time, seed by seed; ``td3``,
``ddpg`` and ``sac`` are ours, ``cloning`` and ``dagger`` copy the teacher, ``sb3_*`` are the library's, see
:data:`contenders.TUNINGS` for what may follow their names. ``--variant`` adds our learner with settings changed.

Every ``--every`` steps the deterministic policy drives ``--routes`` routes that no training chooses, in time that is
not counted. Time is the CPU time of the training's process, all its threads together: on a machine with other work the
wall time says more about that work. ``--cpu-budget`` asks for an evaluation at that time as well, for the comparison
at equal time; ``--cpu-limit`` stops whoever has not taken all steps by then.

Every training that ends adds its line to the file ``--rows``, and one whose line is there is not repeated. At the end,
for equal steps and for equal time, one JSON object a line: the interquartile mean over the seeds with its 95 %
stratified bootstrap interval and the probability that the first contender is better (Agarwal et al. 2021); and the same
as a table. A profile with ``evaluation.interval`` keeps the policy that did best on routes of its own, as a run does,
and its score is stated too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from contenders import split
from course import NO_BUDGET, Job, score_at
from trainings import Chosen, Outcomes, base_settings, jobs_of, parser, run

from td3_driving.evaluation.statistics import bootstrap, probability_of_improvement
from td3_driving.runs.profiles import override

Verdict = dict[str, Any]


def jobs(options: argparse.Namespace) -> list[Job]:
    """All trainings, seed by seed.

    Raises:
        SettingsError: a setting does not exist, or its value is out of range.
        ValueError: a contender does not exist.
    """
    base = base_settings(options)
    chosen: list[Chosen] = [(name, base, *split(name)) for name in options.contenders]
    for text in options.variant:
        name, _, changes = text.partition(":")
        changed = override(base, changes.split(","))
        chosen.append((name, changed, changed.learning.algorithm, "same"))
    return list(jobs_of(chosen, options))


def verdicts(outcomes: Outcomes, budget: float) -> Iterator[Verdict]:
    """At the end of the trainings and, with a finite ``budget``, after that much CPU time [s]."""
    ends = {who: [one.points[-1].driving_score for one in of] for who, of in outcomes.items()}
    taken = {who: [one.points[-1].step for one in of] for who, of in outcomes.items()}
    used = {who: [one.points[-1].seconds for one in of] for who, of in outcomes.items()}
    for line, who in zip(_verdict("at_the_end", ends), outcomes):
        yield line | {"steps": taken[who], "seconds": used[who]}
    if budget < NO_BUDGET:
        in_time = {who: [score_at(one.points, budget) for one in of] for who, of in outcomes.items()}
        yield from (line | {"seconds": budget} for line in _verdict("at_equal_cpu_time", in_time))
    best = {who: [one.best.driving_score for one in of if one.best] for who, of in outcomes.items()}
    if all(best.values()):
        yield from _verdict("of_the_best_checkpoint", best)


def _verdict(name: str, scores: dict[str, list[float]]) -> Iterator[Verdict]:
    generator = np.random.default_rng(0)
    first = np.array(next(iter(scores.values())))
    for who, values in scores.items():
        estimate = bootstrap(np.array(values), generator)
        yield {
            "name": f"driving_score_{name}_{who}",
            "contender": who,
            "when": name,
            "value": estimate.value,
            "unit": "%, interquartile mean",
            "interval": [estimate.low, estimate.high],
            "probability_that_the_first_is_better": probability_of_improvement(first, np.array(values)),
            "scores": values,
        }


def table(lines: Iterable[Verdict]) -> Iterator[str]:
    """The verdicts as rows of a Markdown table, those of one moment together."""
    when = ""
    for line in lines:
        if line["when"] != when:
            when = line["when"]
            yield f"\n| {when} | seeds | interquartile mean | 95 % interval | first is better | steps | CPU s |"
            yield "|---|---|---|---|---|---|---|"
        scores = ", ".join(f"{score:.1f}" for score in line["scores"])
        low, high = line["interval"]
        cells = [line["contender"], scores, f"{line['value']:.1f}", f"{low:.1f} .. {high:.1f}"]
        cells.append(f"{line['probability_that_the_first_is_better']:.2f}")
        cells += [_span(line.get("steps")), _span(line.get("seconds"))]
        yield f"| {' | '.join(cells)} |"


def _span(values: Any) -> str:
    """``least .. greatest`` of several numbers, a single number as it is."""
    if not isinstance(values, list):
        return "" if values is None else f"{values:.0f}"
    low, high = f"{min(values):.0f}", f"{max(values):.0f}"
    return low if low == high else f"{low} .. {high}"


def report(outcomes: Outcomes, budget: float) -> None:
    """Print the verdicts, and then their table."""
    lines = list(verdicts(outcomes, budget))
    for line in lines:
        print(json.dumps(line), flush=True)
    for row in table(lines):
        print(row)


def main() -> None:
    """Train and print."""
    arguments = parser(__doc__.splitlines()[0])
    add = arguments.add_argument
    add("--contenders", nargs="*", default=["td3", "sb3_td3"], help="who trains (%(default)s)")
    add("--variant", action="append", default=[], metavar="NAME:GROUP.NAME=VALUE,…", help="ours, changed")
    options = arguments.parse_args()
    report(run(jobs(options), options.rows, options.jobs), options.cpu_budget)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""What each choice of a profile is worth: our learner with one choice changed at a time.

    python tests/benchmarks/ablate.py --rows ablation.jsonl [--profile quick] [--steps 8000] [--seeds 5] [--only NAME …]

Trains, scores and writes as ``compare.py`` does; the probability is that the profile as it is does better than the
row. A row that changes nothing under the profile is left out. ``--list`` prints the rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from compare import report
from course import Job
from trainings import base_settings, jobs_of, parser, run

from td3_driving.runs.profiles import override
from td3_driving.settings import Settings


@dataclass(frozen=True)
class Row:
    """One row of the table: what differs from the profile, and where the choice comes from."""

    name: str
    changes: tuple[str, ...]
    source: str


NO_TEACHER = "learning.teacher=none"
SEEING_CRITIC = "network.critic=camera"
ROWS = (
    Row("as it is", (), ""),
    Row("no teacher", (NO_TEACHER,), "Fujimoto and Gu 2021 (TD3+BC); Vecerik et al. 2017 (DDPGfD)"),
    Row("taught by idm", ("learning.teacher=idm",), "Walsman et al. 2023 (Impossibly Good Experts)"),
    Row("the critic sees the camera", (SEEING_CRITIC,), "Pinto et al. 2018 (asymmetric actor-critic)"),
    Row("no teacher, the critic sees the camera", (NO_TEACHER, SEEING_CRITIC), "both"),
    Row("the teacher fades", ("learning.teacher_weight_end=0.0",), "Rajeswaran et al. 2018 (DAPG)"),
    Row("the teacher stays", ("learning.teacher_weight_end=1.0",), "Fujimoto and Gu 2021 (TD3+BC)"),
    Row("constant learning rates", ("learning.lr_decay=0",), "Kingma and Ba 2015 (Adam)"),
    Row("falling learning rates", ("learning.lr_decay=4000",), "Loshchilov and Hutter 2017 (SGDR), without restarts"),
    Row("one-step returns", ("learning.n_step=1",), "Barth-Maron et al. 2018 (D4PG)"),
    Row("no LayerNorm", ("network.layer_norm=false",), "Ba et al. 2016; Ball et al. 2023 (RLPD)"),
    Row("no penalty of large pre-activations", ("learning.saturation_penalty=0.0",), "Hausknecht and Stone 2016"),
    Row("one update a step", ("pacing.gradient_steps=10",), "Fujimoto et al. 2018 (TD3)"),
    Row("positions without an offset", ("localisation.position_bias=0.0",), "receivers: GPS.gov"),
    Row(
        "exact positions",
        ("localisation.position_bias=0.0", "localisation.position_noise=0.0", "localisation.heading_noise=0.0"),
        "receivers: GPS.gov",
    ),
    Row(
        "whole square frames",
        (
            *("observation.crop_top=0.0", "observation.crop_bottom=0.0"),
            *("observation.frame_height=42", "observation.frame_width=42"),
        ),
        "Mnih et al. 2015 (DQN)",
    ),
    Row("colour", ("observation.colour=colour",), "Mnih et al. 2015 (DQN) takes grey"),
    Row("frames five apart", ("observation.stack_stride=5",), "Mnih et al. 2015 (DQN) takes every fourth"),
    Row("DDPG", ("learning.algorithm=ddpg",), "Lillicrap et al. 2016"),
    Row("SAC", ("learning.algorithm=sac",), "Haarnoja et al. 2018"),
    Row("one frame", ("observation.stack=1",), "Mnih et al. 2015 (DQN) stacks four"),
)


def changed_rows(base: Settings) -> Iterator[tuple[Row, Settings]]:
    """The rows with their settings, without those that change nothing."""
    for row in ROWS:
        settings = override(base, list(row.changes))
        if settings != base or not row.changes:
            yield row, settings


def jobs(options: argparse.Namespace) -> list[Job]:
    """All trainings, seed by seed.

    Raises:
        SettingsError: a setting does not exist, or its value is out of range.
        ValueError: a row that is asked for does not exist, or changes nothing.
    """
    rows = {row.name: settings for row, settings in changed_rows(base_settings(options))}
    wanted = options.only or list(rows)
    unknown = [name for name in wanted if name not in rows]
    if unknown:
        raise ValueError(f"no row {unknown[0]!r} changes profile {options.profile}; there are {', '.join(rows)}")
    return list(jobs_of([(name, rows[name], rows[name].learning.algorithm, "same") for name in wanted], options))


def main() -> None:
    """Train and print."""
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument("--only", nargs="*", default=[], metavar="NAME", help="rows to train (all)")
    arguments.add_argument("--list", action="store_true", help="print the rows and train nothing")
    options = arguments.parse_args()
    if options.list:
        for row, _ in changed_rows(base_settings(options)):
            print(f"| {row.name} | {' '.join(row.changes)} | {row.source} |")
        return
    report(run(jobs(options), options.rows, options.jobs), options.cpu_budget)


if __name__ == "__main__":
    main()

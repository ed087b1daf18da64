# SPDX-License-Identifier: Apache-2.0
"""``python -m doctor_corpus make|near-misses|judge|shelf``: the corpus of the doctor.

Run from ``tests/benchmarks`` with torch, gymnasium, stable-baselines3, skrl and tensorboard installed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path


def main() -> int:
    """Parse and do."""
    parser = argparse.ArgumentParser(prog="doctor_corpus", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/doctor_corpus"), help="the runs")
    parser.add_argument("--held-out", type=Path, default=Path("/tmp/doctor_corpus_heldout"), help="the exam")
    parts = parser.add_subparsers(dest="command", required=True)
    make = parts.add_parser("make", help="train what is not there yet")
    make.add_argument("--only", default="", metavar="TEXT", help="runs whose name contains TEXT")
    make.add_argument("--seed-offset", type=int, default=0, help="the same runs with other seeds")
    parts.add_parser("near-misses", help="write runs of formulas that resemble known misjudgements")
    maps = parts.add_parser("maps", help="train our own learner on our own maps; needs the environment of the project")
    maps.add_argument("--profile", default="quick")
    maps.add_argument("--seeds", type=int, default=5)
    judge = parts.add_parser("judge", help="print the confusion tables; 1 if a healthy run is NO-GO or a sick one GO")
    judge.add_argument("--exam", action="store_true", help="judge the runs that were held out")
    judge.add_argument("--by-kind", action="store_true", help="tell the misses without the names of the runs")
    shelf = parts.add_parser("shelf", help="make the reference shelf of the doctor from the healthy runs")
    shelf.add_argument("folders", type=Path, nargs="+", help="folders with a truth.json")
    options = parser.parse_args()
    return {"make": _make, "near-misses": _near_misses, "maps": _maps, "shelf": _shelf, "judge": _judge}[
        options.command
    ](options)


def _make(options: argparse.Namespace) -> int:

    from doctor_corpus.make import make
    from doctor_corpus.table import ALL

    plans = [replace(plan, seed=plan.seed + options.seed_offset) for plan in ALL if options.only in plan.name]
    make(plans, options.folder, options.held_out)
    return 0


def _near_misses(options: argparse.Namespace) -> int:
    from doctor_corpus.make import add_truths
    from doctor_corpus.near_misses import write_near_misses

    add_truths(options.folder, write_near_misses(options.folder))
    return 0


def _maps(options: argparse.Namespace) -> int:
    from doctor_corpus.make import add_truths
    from doctor_corpus.on_maps import train

    for seed in range(options.seeds):
        name = f"td3_driving-{options.profile}-{seed}"
        if not (options.folder / name).is_dir():
            train(options.folder / name, options.profile, seed)
        entry = {"truth": "GO", "kind": "healthy", "library": "td3_driving", "task": options.profile}
        add_truths(options.folder, {name: entry})
    return 0


def _shelf(options: argparse.Namespace) -> int:
    from doctor_corpus.shelf import write_shelf

    print("{}: {} runs".format(*write_shelf(options.folders)))
    return 0


def _judge(options: argparse.Namespace) -> int:
    from doctor_corpus.judge import judged, report

    results = judged(options.held_out if options.exam else options.folder)
    print(report(results, not options.by_kind))
    return int(any(result.harmful for result in results))


if __name__ == "__main__":
    sys.exit(main())

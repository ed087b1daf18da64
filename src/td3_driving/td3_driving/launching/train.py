# SPDX-License-Identifier: Apache-2.0
"""``td3-driving train``: the starter for machines without ``launch``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from td3_driving.doctor.command_line import CommandParser
from td3_driving.doctor.plain_console import PlainConsole
from td3_driving.launching.child import command
from td3_driving.launching.course import INTERRUPTED_TWICE, End
from td3_driving.launching.node_table import SIMULATORS, ProcessSpec, closing, verdict
from td3_driving.launching.prepare import Prepared, RunRequest, how_to_listen, prepare
from td3_driving.launching.progress import Screen
from td3_driving.launching.staged import StageOutcome, StagePlan
from td3_driving.launching.supervisor import Supervisor
from td3_driving.processes.exit_codes import BAD_INPUT, INTERRUPTED
from td3_driving.processes.typed import elsewhere, pasted
from td3_driving.runs.profiles import DEFAULT_PROFILE
from td3_driving.runs.refusals import in_words
from td3_driving.trust.token import FILE as TOKEN_FILE

STAGED_PROFILE = "validation_5k"
"""Its learning starts after 1,000 steps, so that 5,000 are enough for a verdict."""

LONGEST_VERDICT = 60.0
"""Wall time [s] that the verdict on a run may take that was cut short."""
DIRECT = {"run.steps": "steps", "run.seed": "seed", "run.num_actors": "num_actors"}
"""Settings that have an option of their own: their names, and those of the options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, and judge the run.

    Returns:
        0: the run ended in good order, whatever the verdict; 1: a process failed; 2: bad input; 130: interrupted.
        With ``--staged`` also 3 and 4: the verdict of the stage that stopped the plan.
    """
    asked = _parser().parse_args(arguments)
    if asked.resume and asked.profile:
        return _refuse(
            ValueError("--resume goes on with the settings of the run, so --profile cannot be given with it"), ()
        )
    typed = tuple(name for name, option in DIRECT.items() if getattr(asked, option) is not None)
    request = _request(asked)
    try:
        return _staged(request, typed) if asked.staged else _train(request, typed).code
    except KeyboardInterrupt:  # Before the run, or between two of its parts.
        return INTERRUPTED


def _staged(request: RunRequest, typed: Sequence[str]) -> int:
    try:
        plan = StagePlan.of(request, datetime.now())
    except (ValueError, OSError) as error:
        return _refuse(error, typed)
    console = PlainConsole(soft_wrap=True, highlight=False, markup=False)
    return plan.carry_out(partial(_train, typed=typed), lambda text: console.print(text, style="bold"))


def _train(request: RunRequest, typed: Sequence[str]) -> StageOutcome:
    with ExitStack() as held:
        try:
            prepared = prepare(request, os.environ, datetime.now(), held)
        except (ValueError, OSError) as error:
            return StageOutcome(_refuse(error, typed), Path())
        return StageOutcome(_run(prepared), prepared.folder.path)


def _refuse(error: Exception, typed: Sequence[str]) -> int:
    """Print the error; settings that were ``typed`` as options are named as such."""
    text = in_words(error)
    for name in typed:
        text = text.replace(name, f"--{DIRECT[name].replace('_', '-')}")
    print(f"error: {text}", file=sys.stderr)
    return BAD_INPUT


def _run(prepared: Prepared) -> int:
    console = PlainConsole(soft_wrap=True, highlight=False, markup=False)
    environment = {**os.environ, **prepared.environment, "PYTHONUNBUFFERED": "1"}
    folder = prepared.folder.path
    console.print(f"run folder {folder}")
    console.print(f"other ROS programs hear the run with {how_to_listen(prepared.environment)}")
    if prepared.note:
        console.print(prepared.note)
    if prepared.server is not None:
        join = elsewhere("td3-driving", "actor", "--learner", prepared.server.remote, "--token", "COPY")
        where = f"where COPY is a copy of {folder / TOKEN_FILE} (scp -p)"
        console.print(f"actors on other machines join with: {join}, {where}")
    end = _supervise(prepared.specs, prepared, environment, console)
    if end.code == 0:
        for spec in closing(prepared.options):
            _supervise([spec], prepared, environment, console)
    else:
        if end.code != INTERRUPTED:
            console.print(f"the run failed: {end.reason}", style="bold red")
        _judge_part(end, prepared, environment, console)
    console.print(f"run folder    {folder}")
    console.print(f"TensorBoard   {pasted('tensorboard', '--logdir', folder)}")
    return end.code


def _judge_part(end: End, prepared: Prepared, environment: dict[str, str], console: Console) -> None:
    """Judge what a run logged that was cut short; who presses Ctrl-C again is told how to do that later."""
    folder = prepared.folder.path
    if end.code == BAD_INPUT or not any(folder.glob("events.out.tfevents.*")):
        return
    judged = (
        end.reason != INTERRUPTED_TWICE
        and not _supervise([verdict(prepared.options)], prepared, environment, console, LONGEST_VERDICT).code
    )
    if not judged:
        console.print(f"verdict       {pasted('td3-driving', 'doctor', folder)}")


def _supervise(
    specs: list[ProcessSpec],
    prepared: Prepared,
    environment: dict[str, str],
    console: Console,
    limit: float | None = None,
) -> End:
    params_file = str(prepared.options.params_file)
    with Screen(console) as screen:
        return Supervisor(specs, lambda spec: command(spec, params_file), screen, environment).run(limit)


def _request(asked: argparse.Namespace) -> RunRequest:
    given = {name: getattr(asked, option) for name, option in DIRECT.items()}
    assignments = [f"{name}={value}" for name, value in given.items() if value is not None]
    return RunRequest(
        profile=asked.profile or (STAGED_PROFILE if asked.staged and not asked.resume else ""),
        assignments=(*assignments, *asked.set),
        run_directory=asked.run,
        resume=asked.resume,
        simulator=asked.simulator,
        faults=asked.faults,
        tensorboard=asked.tensorboard,
        rviz=asked.rviz,
        record=asked.record,
        view=asked.view,
        serve=asked.serve,
        local_actors=asked.local_actors,
    )


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving train", description="Train a driving policy over ROS 2.")
    add = parser.add_argument
    add("--profile", help=f"name of a profile or path of a parameter file ({DEFAULT_PROFILE}; staged {STAGED_PROFILE})")
    add("--steps", type=int, help="environment steps to take, over all actors")
    add("--seed", type=int, help="seed of every random generator of the run")
    add("--num-actors", type=int, help="simulators that feed the one learner")
    add("--run", default="", metavar="NAME", help="name below runs/, or a path (profile, time and seed)")
    add("--resume", action="store_true", help="continue the run in that folder (the latest)")
    add("--staged", action="store_true", help="5K, 50K, 100K, 1M steps, each stage only after a GO of the run doctor")
    add("--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="change one setting; may be repeated")
    add("--simulator", choices=SIMULATORS, default="embedded", help="what drives (%(default)s)")
    add("--faults", default="", help="faults that the embedded simulator injects, for tests of the stack")
    add("--tensorboard", action="store_true", help="serve TensorBoard during the run")
    add("--rviz", action="store_true", help="open RViz")
    add("--view", action="store_true", help="show the run on a live page in the browser")
    add("--serve", default="", metavar="HOST[:PORT]", help="let actors on other machines join; address of this machine")
    add("--local-actors", type=int, default=0, help="of a run with --serve, actors that are started here (%(default)s)")
    add("--record", action="store_true", help="record the run's topics into a bag in its folder")
    return parser

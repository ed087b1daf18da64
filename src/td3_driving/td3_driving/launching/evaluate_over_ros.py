# SPDX-License-Identifier: Apache-2.0
"""``td3-driving evaluate --ros``: what ``evaluate.launch.py`` does, for machines without ``launch``."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from td3_driving.doctor.plain_console import PlainConsole
from td3_driving.launching.child import command
from td3_driving.launching.evaluation import Evaluation, evaluation_processes
from td3_driving.launching.progress import Screen
from td3_driving.launching.supervisor import Supervisor
from td3_driving.processes.domain import claim_domain, discovery, wanted_domain
from td3_driving.processes.ros_needs import check_ros, log_variables
from td3_driving.runs.disk import require_places
from td3_driving.runs.refusals import refuse


def over_ros(asked: argparse.Namespace) -> int:
    """Evaluate one agent over ROS.

    Returns:
        0; 1 when a process failed, 2 for input that cannot be used, 130 when a person stopped it.
    """
    with ExitStack() as held:
        try:
            folder = Path(held.enter_context(TemporaryDirectory(prefix="td3_driving_evaluation_")))
            require_places(asked.json)
            check_ros(os.environ)
            logs = log_variables(os.environ, folder / "log")
            specs = evaluation_processes(_request(asked), folder)
            domain = held.enter_context(claim_domain(wanted_domain(os.environ)))
        except (ValueError, OSError) as error:
            return refuse(error)
        console = PlainConsole(soft_wrap=True, highlight=False)
        environment = {**os.environ, **discovery(domain.number, os.environ), **logs, "PYTHONUNBUFFERED": "1"}
        with Screen(console) as screen:
            end = Supervisor(specs, lambda spec: command(spec, str(folder / "config.yaml")), screen, environment).run()
        if end.reason:
            console.print(f"the evaluation failed: {end.reason}", style="bold red")
        return end.code


def _request(asked: argparse.Namespace) -> Evaluation:
    names = ("drop", "perturb", "html", "film", "state_importance", "occlusion")
    unfit = [name for name in names if getattr(asked, name)]
    if len(asked.agents) > 1 or len(asked.scenario) > 1 or any(asked.delay_ms) or unfit:
        without = "--delay-ms, --drop, --perturb, --html, --film, --state-importance and --occlusion"
        raise ValueError(f"--ros takes one agent and one scenario, without {without}")
    chosen = [f"simulator.scenario={asked.scenario[0]}", *([f"simulator.map={asked.map}"] if asked.map else [])]
    return Evaluation(
        agent=asked.agents[0],
        profile=asked.profile or "",
        assignments=[*asked.set, *chosen],
        routes=asked.routes,
        seed=asked.seed,
        ending=asked.ending,
        checkpoint=asked.checkpoint,
        camera=tuple(asked.camera),
        results="" if asked.json is None else str(asked.json),
        view=asked.view,
    )

# SPDX-License-Identifier: Apache-2.0
"""A run in a store of MLflow, in files: no server, no network."""

from __future__ import annotations

import os
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from td3_driving.loggers.recorded import REPORTS, LoggedRun
from td3_driving.processes.typed import pasted

STORE = ".mlruns"
"""Beside the run folders, one store for all of them; the doctor passes it over."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
BATCH = 500
"""Values handed over at once; MLflow takes 1,000 metrics or 100 parameters."""
PARAMETERS = 100


def write(run: LoggedRun) -> str:
    """Write the run; return in one line how to look at it."""
    os.environ.update(QUIET)
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    store = run.folder.parent / STORE
    client = MlflowClient(store.as_uri())
    experiment = client.get_experiment_by_name("td3_driving")
    number = client.create_experiment("td3_driving") if experiment is None else experiment.experiment_id
    began, ended = (_milliseconds(pick(run.walls.values(), default=0.0)) for pick in (min, max))
    made = client.create_run(number, run_name=run.folder.name, start_time=began)
    name = made.info.run_id
    parameters = iter([Param(key, str(value)) for key, value in run.settings.items()])
    while batch := list(islice(parameters, PARAMETERS)):
        client.log_batch(name, params=batch)
    metrics = (
        Metric(tag, value, _milliseconds(run.walls[step]), step)
        for step, values in run.points.items()
        for tag, value in values.items()
    )
    while measured := list(islice(metrics, BATCH)):
        client.log_batch(name, metrics=measured)
    results = {f"result.{key}": str(value) for key, value in run.results.items()}
    client.log_batch(name, tags=[RunTag(key, value) for key, value in results.items()])
    for file in filter(lambda path: path.is_file(), (run.folder / report for report in REPORTS)):
        client.log_artifact(name, str(file))
    client.set_terminated(name, end_time=ended)
    return f"MLflow        {_to_look(store)}"


def _to_look(store: str | Path) -> str:
    """The command that shows the store; ``mlflow-skinny`` has the command and lacks the server behind it."""
    command = pasted("mlflow", "ui", "--backend-store-uri", store)
    first = "" if find_spec("flask") else f"{pasted('pip', 'install', 'mlflow')}, then "
    return f"{first}MLFLOW_ALLOW_FILE_STORE=true {command}"


def _milliseconds(seconds: float) -> int:
    return int(1e3 * seconds)

# SPDX-License-Identifier: Apache-2.0
"""A run for Weights & Biases, written offline: nothing is sent until a person types ``wandb sync``."""

from __future__ import annotations

import os

from td3_driving.loggers.recorded import LoggedRun
from td3_driving.processes.typed import pasted

STORE = ".wandb"
"""Below the run folder. ``wandb`` takes a folder of this name where there is one, and the doctor passes it over."""
QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true", "WANDB_MODE": "offline"}


def write(run: LoggedRun) -> str:
    """Write the run; return in one line where it is and what to do with it."""
    os.environ.update(QUIET)
    import wandb

    (run.folder / STORE).mkdir(exist_ok=True)
    settings = wandb.Settings(x_disable_stats=True, disable_git=True, disable_code=True, console="off")
    with wandb.init(
        project="td3_driving",
        name=run.folder.name,
        dir=str(run.folder),
        config=dict(run.settings),
        mode="offline",
        settings=settings,
    ) as session:
        for step, values in run.points.items():
            session.log(dict(values), step=step)
        session.summary.update(dict(run.results))
        place = os.path.dirname(session.dir)
    return f"W&B           {pasted('wandb', 'sync', place)}"

# SPDX-License-Identifier: Apache-2.0
"""``loggers RUN``: write a finished run for the loggers that its settings name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from td3_driving.bounded import SettingsError
from td3_driving.doctor.command_line import CommandParser
from td3_driving.loggers.recorded import recorded
from td3_driving.processes.extras import install
from td3_driving.runs.refusals import in_words
from td3_driving.runs.run_folder import earlier_settings
from td3_driving.settings_operation import LoggersSettings

LOGGERS = {
    "wandb": ("td3_driving.loggers.wandb_run", "wandb"),
    "mlflow": ("td3_driving.loggers.mlflow_run", "mlflow"),
    "tensorboard": ("td3_driving.loggers.tensorboard_more", "tensorboard"),
}
"""Setting of the group ``loggers``: the module whose ``write`` it is, and the library that it needs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the run for each logger; one line for each.

    Returns:
        0; 1 where one of them failed, which is said and leaves the others; 2 for a folder without a run.
    """
    parser = CommandParser(prog="loggers", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    folder: Path = parser.parse_args(arguments).run
    try:
        names = chosen(earlier_settings(folder).loggers)
        run = recorded(folder)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: the run is not written for other loggers: {in_words(error)}", file=sys.stderr)
        return 2
    failed = False
    for name in names:
        try:
            print(import_module(LOGGERS[name][0]).write(run), flush=True)
        # A foreign library fails as it likes, and the run is over in good order.
        except Exception as error:  # noqa: BLE001
            failed = True
            print(f"error: loggers.{name}: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
    return int(failed)


def chosen(settings: LoggersSettings) -> list[str]:
    """Names of the loggers that are switched on."""
    return [name for name in LOGGERS if getattr(settings, name)]


def require_installed(settings: LoggersSettings) -> None:
    """Check that the libraries are there before hours are spent on a run.

    Raises:
        SettingsError: one is not.
    """
    for name in chosen(settings):
        if find_spec(LOGGERS[name][1]) is None:
            raise SettingsError(f"loggers.{name} needs {name}, which is not installed: {install(name)}")


if __name__ == "__main__":
    sys.exit(main())

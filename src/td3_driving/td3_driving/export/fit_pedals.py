# SPDX-License-Identifier: Apache-2.0
"""``td3-driving fit-pedals``: the pedal map of a vehicle, as parameters of the command gate.

Without arguments the samples are taken on the embedded vehicle; ``--samples`` takes those of another one, a CSV file
with the columns speed [m/s], pedal (-1 full brake, 1 full throttle), acceleration [m/s^2] and a line of headings.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from td3_driving.deploy.pedals import PedalFit, fit
from td3_driving.doctor.command_line import CommandParser
from td3_driving.runs.refusals import refuse

SPEEDS = (0.0, 5.0, 10.0, 15.0, 20.0, 22.0, 25.0, 30.0, 35.0)
PEDALS = (-1.0, -0.5, 0.0, 0.5, 1.0)
STEP = 0.01
"""Time over which a change of speed is taken as acceleration [s]."""


def embedded_samples() -> NDArray[np.float64]:
    """(N, 3) speed, pedal, acceleration of the embedded vehicle, on a grid finer than that of the map.

    At standstill brakes only hold, so the samples begin at 0.2 m/s.
    """
    from td3_driving.sim.vehicle import CarParameters, Control, next_speed

    parameters, rows = CarParameters(), []
    for speed in np.linspace(0.2, SPEEDS[-1], 175):
        for pedal in np.linspace(-1.0, 1.0, 41):
            control = Control(throttle=max(float(pedal), 0.0), brake=max(-float(pedal), 0.0))
            after = next_speed(float(speed), control, STEP, parameters)
            rows.append((speed, pedal, (after - speed) / STEP))
    return np.array(rows)


def report(found: PedalFit, count: int) -> str:
    """The parameters of the gate as YAML, with the residuals."""
    settings = found.settings
    width = len(settings.pedals)
    rows = [settings.accelerations[at : at + width] for at in range(0, len(settings.accelerations), width)]
    table = ",\n".join("        " + ", ".join(f"{value:.4f}" for value in row) for row in rows)
    return "\n".join(
        [
            f"# {count} samples; residual {found.rms:.4f} m/s^2 rms, {found.worst:.4f} m/s^2 at worst",
            "pedals:",
            f"    speeds: {list(settings.speeds)}",
            f"    pedals: {list(settings.pedals)}",
            f"    accelerations: [\n{table}]",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and print; 2 and one sentence when that cannot be done."""
    options = _parser().parse_args(arguments)
    try:
        samples = embedded_samples() if options.samples is None else read_samples(options.samples)
        found = fit(samples, tuple(options.speeds), PEDALS)
    except (ValueError, OSError) as error:
        return refuse(error)
    print(report(found, len(samples)))
    return 0


def read_samples(path: Path) -> NDArray[np.float64]:
    """(N, 3) speed, pedal, acceleration from a CSV file.

    Raises:
        ValueError: it has other columns, or entries that are no numbers.
    """
    samples = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if samples.shape[1] != 3:
        raise ValueError(f"{path} has {samples.shape[1]} columns instead of speed, pedal, acceleration")
    return samples


def _parser() -> CommandParser:
    parser = CommandParser(prog="td3-driving fit-pedals", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=Path, help="CSV file: speed, pedal, acceleration; one line of headings")
    parser.add_argument("--speeds", type=float, nargs="+", default=SPEEDS, help="speeds of the map [m/s]")
    return parser


if __name__ == "__main__":
    sys.exit(main())

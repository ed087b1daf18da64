# SPDX-License-Identifier: Apache-2.0
"""``final_drives RUN``: the last step of a training.

Drives the final policy over routes that no training has, with its camera and with a black one, and writes the result to
``evaluation.json`` in the run folder.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving import __version__
from td3_driving.doctor.command_line import CommandParser
from td3_driving.evaluation.agents import EvaluatedAgent
from td3_driving.evaluation.camera_ablation import NO, SEEN, UNASKED, UNCLEAR, YES, CameraNeed, camera_need
from td3_driving.evaluation.drive import EvaluationPlan, evaluate
from td3_driving.evaluation.episode import EpisodeResult
from td3_driving.evaluation.summary import summarise
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.runs.checksums import sealed
from td3_driving.runs.disk import write_whole
from td3_driving.runs.refusals import in_words
from td3_driving.settings import Settings
from td3_driving.sim.world import WorldFrame

FILE = "evaluation.json"
ENDING = "violation"
"""Routes end as the episodes of the training do."""
BLIND = "black"
"""The one ablation that is driven: it gives an answer fastest."""
GRACE = 30.0
"""Wall time [s] beyond the limit after which the process ends even inside a hanging library call."""
ANSWERS = {
    YES: "it needs its camera",
    NO: "it does NOT need its camera: it does not look",
    UNCLEAR: "it drives too little to tell whether it needs its camera",
}
NOT_ASKED = "whether it needs its camera was not asked"


class TimeUp(Exception):
    """Raised when the drives exceed their time limit."""


class Deadline:
    """A ``watch`` that ends a drive at a time limit.

    Args:
        end: monotonic wall time [s].
    """

    def __init__(self, end: float) -> None:
        self._end = end

    def __call__(self, frame: WorldFrame, image: NDArray[np.uint8] | None, action: NDArray[np.float32]) -> None:
        """Called once per frame.

        Raises:
            TimeUp: the time limit has passed.
        """
        if time.monotonic() >= self._end:
            raise TimeUp


@dataclass(frozen=True)
class Drives:
    """The results of the drives; ``cut``: the time limit ended them early."""

    seen: Sequence[EpisodeResult]
    blind: Sequence[EpisodeResult]
    cut: bool

    @property
    def need(self) -> CameraNeed:
        """Compute the answer from the routes driven with and without the camera."""
        if not self.blind:
            return UNASKED
        both = [(with_it.driving_score, without.driving_score) for with_it, without in zip(self.seen, self.blind)]
        seen, blind = zip(*both)
        return camera_need(seen, {BLIND: blind})


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive, print one line and write the record.

    Returns:
        0; 1 when not even one route was driven in time, 2 for a folder that holds no policy to drive.
    """
    parser = CommandParser(prog="final_drives", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    run: Path = parser.parse_args(arguments).run
    try:
        with sealed(run, FILE):
            return final_drives(run)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: the final drives were not driven: {in_words(error)}", file=sys.stderr)
        return BAD_INPUT


def final_drives(run: Path) -> int:
    """Drive and report, see :func:`main`.

    Raises:
        ValueError, OSError, RuntimeError: the folder holds no policy that can be used, or cannot be written to.
    """
    # Only here: the module is read where there is no torch.
    from td3_driving.evaluation.learned import learned_agent, newest_checkpoint, run_settings

    settings = run_settings(run)
    (run / FILE).unlink(missing_ok=True)
    limit = settings.evaluation.final_timeout
    count = settings.evaluation.final_routes
    routes = f"{count} route{'s' if count > 1 else ''}"
    print(f"the policy drives {routes} with its camera and with a black one, for {limit:g} s at most", flush=True)
    with ended_after(limit + GRACE):
        drives = drive(settings, learned_agent(run, "latest"), time.monotonic() + limit)
    if not drives.seen:
        print(f"drives: no route was driven within {limit:g} s (evaluation.final_timeout)")
        return 1
    print(sentence(drives, settings), flush=True)
    text = json.dumps(
        record(drives, settings, newest_checkpoint(run, settings).state["inserted"]), indent=1, allow_nan=False
    )
    write_whole(run / FILE, f"{text}\n".encode())
    return 0


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """End the process when the block takes longer: the alarm signal has no handler, so it interrupts any call."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def drive(settings: Settings, agent: EvaluatedAgent, end: float) -> Drives:
    """Drive each route with the camera and then without; what is not driven at ``end`` (monotonic [s]) is left out.

    So a machine that is too slow for all routes still tells whether the policy needs its camera.
    """
    results: dict[str, list[EpisodeResult]] = {SEEN: [], BLIND: []}
    asked, watcher = settings.evaluation, Deadline(end)
    plan = EvaluationPlan(settings.simulator.scenario, asked.final_routes, asked.final_seed, ENDING)
    routes = {
        camera: evaluate(settings, agent, replace(plan, camera=camera), lambda route: watcher) for camera in results
    }
    try:
        for _ in plan.seeds:
            for camera, driven in results.items():
                driven.append(next(routes[camera]))
    except TimeUp:
        return Drives(results[SEEN], results[BLIND], cut=True)
    return Drives(results[SEEN], results[BLIND], cut=False)


def sentence(drives: Drives, settings: Settings) -> str:
    """Return the result as one line of text."""
    metrics, need = summarise(drives.seen), drives.need
    routes = f"{len(drives.seen)} route{'s' if len(drives.seen) > 1 else ''}"
    cut = f", cut after {settings.evaluation.final_timeout:g} s" if drives.cut else ""
    scores = f"success {metrics['success_rate']:.0f} %, score {metrics['driving_score']:.1f} over {routes}{cut}"
    if need.answer not in ANSWERS:
        why = "there was no time to ask whether it needs its camera" if drives.cut else NOT_ASKED
        return f"drives: {scores}; {why}"
    return f"drives: {scores}; with a {BLIND} camera {need.without[BLIND]:.1f}: {ANSWERS[need.answer]}"


def record(drives: Drives, settings: Settings, step: int) -> dict[str, Any]:
    """Return the content of ``evaluation.json``; ``step`` is the training's."""
    known = {name: value for name, value in summarise(drives.seen).items() if math.isfinite(value)}
    return {
        "step": step,
        "map": settings.simulator.map,
        "scenario": settings.simulator.scenario,
        "seed": settings.evaluation.final_seed,
        "ending": ENDING,
        "routes": len(drives.seen),
        "cut": drives.cut,
        "needs_its_camera": drives.need.document(),
        "metrics": known,
        "routes_seen": [result.driving_score for result in drives.seen],
        f"routes_{BLIND}": [result.driving_score for result in drives.blind],
        "sentence": sentence(drives, settings),
        "finished": time.time(),
        "versions": {"td3_driving": __version__},
    }


if __name__ == "__main__":
    sys.exit(main())

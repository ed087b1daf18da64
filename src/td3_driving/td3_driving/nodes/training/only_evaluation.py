# SPDX-License-Identifier: Apache-2.0
"""A policy node that only evaluates: a run's policy or a reference driver, on any simulator."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from td3_driving import __version__
from td3_driving.doctor.plain_console import PlainConsole
from td3_driving.driving.drivers import is_driver, reference_driver
from td3_driving.evaluation.agents import EvaluatedAgent, driver_agent
from td3_driving.evaluation.camera_ablation import SEEN, cameras
from td3_driving.evaluation.drive import EvaluationPlan
from td3_driving.evaluation.during_training import Evaluations
from td3_driving.evaluation.episode import ENDINGS
from td3_driving.evaluation.leaderboard import bundled, document
from td3_driving.evaluation.learned import learned_agent
from td3_driving.evaluation.table import Entry, print_tables, with_needs
from td3_driving.evaluation.tour import Tour
from td3_driving.settings import Settings, SettingsError

PARAMETERS: dict[str, Any] = {
    "evaluate": "",
    "evaluate_routes": 10,
    "evaluate_seed": 0,
    "evaluate_ending": ENDINGS[0],
    "evaluate_camera": SEEN,
    "evaluate_checkpoint": "auto",
    "evaluate_json": "",
}
"""Parameters of the node: run folder or driver ("": it trains), plan, checkpoint, and the file for the results."""
MOST_REASONS = 64
OTHER_REASONS = "other reasons"
"""Reasons beyond the first 64 count as one."""


class OnlyEvaluation(Evaluations):
    """Runs one evaluation, then ends the node.

    Args:
        own: values of :data:`PARAMETERS`.

    Raises:
        SettingsError, CheckpointError, WeightsError, ValueError: the agent or the plan cannot be used.
    """

    def __init__(self, settings: Settings, own: Mapping[str, Any]) -> None:
        name: str = own["evaluate"]
        driver = is_driver(name)
        if driver and reference_driver(name).needs_others:
            raise SettingsError(f"driver {name!r} must know where the other vehicles are, which is not asked over ROS")
        agent: EvaluatedAgent = (
            driver_agent(name, settings) if driver else learned_agent(Path(name), own["evaluate_checkpoint"])
        )
        routes, seed, ending = (own[f"evaluate_{what}"] for what in ("routes", "seed", "ending"))
        plan = EvaluationPlan(settings.simulator.scenario, routes, seed, ending)
        asked = cameras(own["evaluate_camera"].split(",")) if agent.observation_settings is not None else [SEEN]
        self._ahead = [Tour(settings, agent, replace(plan, camera=camera)) for camera in asked]
        self._entries: list[Entry] = []
        self._again: Counter[str] = Counter()
        self._map = settings.simulator.map
        self._file = Path(own["evaluate_json"]) if own["evaluate_json"] else None

    def at_the_end(self, steps: int, updates: int) -> str:
        self._next()
        return ""

    def _next(self) -> None:
        self.tour = self._ahead.pop(0) if self._ahead else None

    def abandon(self, reason: str) -> None:
        super().abandon(reason)
        self._again[reason if reason in self._again or len(self._again) < MOST_REASONS else OTHER_REASONS] += 1

    def complete(self) -> None:
        assert self.tour is not None
        tour = self.tour
        self._entries.append(
            Entry(tour.agent.name, tour.plan, self._map, tour.results, tour.agent.observation_settings is not None)
        )
        self._next()
        if self.tour is None:
            self._report(with_needs(self._entries))

    def _report(self, entries: Sequence[Entry]) -> None:
        console = PlainConsole(highlight=False)
        print_tables(entries, console)
        for reason, times in self._again.items():
            console.print(f"driven again, {times} time(s): {reason}", soft_wrap=True, markup=False)
        if self._file is not None:
            documents = [document(entry.results, self._about(entry), entry.camera, entry.need) for entry in entries]
            text = json.dumps(bundled(documents), indent=1, allow_nan=False)
            self._file.write_text(text + "\n", encoding="utf-8")

    def _about(self, entry: Entry) -> dict[str, Any]:
        return {
            "agent": entry.agent,
            "map": self._map,
            "plan": {name: getattr(entry.plan, name) for name in EvaluationPlan.__dataclass_fields__},
            "driven_again": [{"reason": reason, "times": times} for reason, times in self._again.items()],
            "versions": {"td3_driving": __version__},
            "platform": platform.platform(),
        }

"""A policy node that does nothing but evaluate: a run's policy or a reference driver, on any simulator."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from td3_driving import __version__
from td3_driving.driving.drivers import parked
from td3_driving.evaluation.agents import DRIVERS, PRIVILEGED, Agent, driver_agent
from td3_driving.evaluation.drive import Plan
from td3_driving.evaluation.episode import ENDINGS
from td3_driving.evaluation.leaderboard import document
from td3_driving.evaluation.learned import learned_agent
from td3_driving.evaluation.table import Entry, print_tables
from td3_driving.evaluation.tour import Tour
from td3_driving.learning.acting import DriverChooser
from td3_driving.settings import Settings, SettingsError

PARAMETERS: dict[str, Any] = {
    "evaluate": "",
    "evaluate_routes": 10,
    "evaluate_seed": 0,
    "evaluate_ending": ENDINGS[0],
    "evaluate_checkpoint": "auto",
    "evaluate_json": "",
}
"""Parameters of the node: run folder or driver ("": it trains), plan, checkpoint, and the file for the results."""


def nobody(settings: Settings) -> DriverChooser:
    """The chooser of a node that takes no step of a training."""
    chooser = DriverChooser(settings, parked())
    chooser.steps = 0
    return chooser


class OnlyEvaluation:
    """One evaluation, and the end.

    Args:
        own: values of :data:`PARAMETERS`.

    Raises:
        SettingsError, CheckpointError, WeightsError, ValueError: the agent or the plan cannot be used.
    """

    def __init__(self, settings: Settings, own: Mapping[str, Any]) -> None:
        name: str = own["evaluate"]
        if name in PRIVILEGED:
            raise SettingsError(f"driver {name!r} must know where the other vehicles are, which is not asked over ROS")
        driver = name in DRIVERS
        agent: Agent = driver_agent(name, settings) if driver else learned_agent(Path(name), own["evaluate_checkpoint"])
        routes, seed, ending = (own[f"evaluate_{what}"] for what in ("routes", "seed", "ending"))
        self.tour: Tour | None = None
        self._ahead: Tour | None = Tour(settings, agent, Plan(settings.simulator.scenario, routes, seed, ending))
        self._map = settings.simulator.map
        self._file = Path(own["evaluate_json"]) if own["evaluate_json"] else None

    def after_episode(self, steps: int) -> None:
        """There is no training."""

    def at_the_end(self, steps: int, updates: int) -> str:
        self.tour, self._ahead = self._ahead, None
        return ""

    def complete(self) -> None:
        assert self.tour is not None
        tour, self.tour = self.tour, None
        camera = tour.agent.eyes is not None
        print_tables([Entry(tour.agent.name, tour.plan, self._map, tour.results, camera)], Console(highlight=False))
        if self._file is not None:
            text = json.dumps(document(tour.results, self._about(tour), camera), indent=1, allow_nan=False)
            self._file.write_text(text + "\n", encoding="utf-8")

    def _about(self, tour: Tour) -> dict[str, Any]:
        return {
            "agent": tour.agent.name,
            "map": self._map,
            "plan": {name: getattr(tour.plan, name) for name in Plan.__dataclass_fields__},
            "versions": {"td3_driving": __version__},
            "platform": platform.platform(),
        }

    def beat(self) -> None:
        """Nobody waits for news."""

# SPDX-License-Identifier: Apache-2.0
"""How tests are shared out among processes: what takes long first, what shares one graph together.

Tests that start processes wait for most of their time, so there are more processes of tests than cores. Those that wait
are spread among those that compute, so that the cores are busy from the first minute to the last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

PER_CORE, FEWEST = 2, 2
"""Processes of tests for each core, and on any machine; ``make test`` says the most."""
DOMAINS = {"domain_id", "module_domain_id", "package_domain_id"}
"""Fixtures of tests that start processes which speak ROS, for seconds or minutes."""
TOGETHER = ("tests/conformance/",)
"""Folders whose files share one graph."""
APART = {
    "tests/carla/test_carla_node.py",
    "tests/docs/test_tutorials.py",
    "tests/learning/test_ranks.py",
    "tests/nodes/bridge/test_simulator_settings.py",
    "tests/nodes/test_bad_input.py",
    "tests/nodes/training/test_evaluation.py",
    "tests/nodes/training/test_machines.py",
    "tests/nodes/training/test_more_learners.py",
    "tests/nodes/training/test_runs_beside_each_other.py",
    "tests/nodes/training/test_strangers.py",
    "tests/nodes/training/test_training_run.py",
    "tests/nodes/vehicle/test_gate_interfaces.py",
}
"""Files each of whose tests starts processes of its own."""
WAITING = {
    "tests/carla/test_carla_node.py::test_training_survives_killed_and_frozen_servers_and_bridges": 85,
    "tests/carla/test_session.py": 30,
    "tests/carla/test_session_recovery.py": 26,
    "tests/carla/test_wire_faults.py": 40,
    "tests/carla_server/test_actors.py": 25,
    "tests/carla_server/test_operations_actors.py": 14,
    "tests/carla_server/test_operations_vehicles.py": 11,
    "tests/carla_server/test_sensors.py": 20,
    "tests/conformance/": 55,
    "tests/launching/test_supervisor.py": 25,
    "tests/learning/test_ranks.py::test_a_rank_that_stands_still_is_told_from_one_that_lives": 35,
    "tests/nodes/bridge/test_simulator_node.py": 20,
    "tests/nodes/bridge/test_simulator_settings.py": 4,
    "tests/nodes/test_bad_input.py": 9,
    "tests/nodes/test_bad_input.py::test_a_critic_that_nobody_tells_of_the_others_says_what_is_missing": 44,
    "tests/nodes/test_bad_input.py::test_a_setting_that_cannot_work_is_one_sentence": 3,
    "tests/nodes/test_bad_input.py::test_nobody_waits_for_ever_for_a_simulator_that_is_not_there": 45,
    "tests/nodes/training/test_machines.py": 58,
    "tests/nodes/vehicle/test_drive.py": 23,
    "tests/nodes/vehicle/test_gate_bundle.py": 14,
    "tests/nodes/vehicle/test_gate_interfaces.py": 4,
    "tests/nodes/vehicle/test_gate_node.py": 18,
    "tests/nodes/view/test_visualizer.py": 30,
}
COMPUTING = {
    "tests/bags/test_any_recording.py": 12,
    "tests/bags/test_recorded_run.py": 21,
    "tests/docs/test_site.py": 7,
    "tests/docs/test_tutorials.py": 1,
    "tests/docs/test_tutorials.py::test_tutorial_works": 17,
    "tests/docs/test_tutorials.py::test_tutorial_works[read_the_report]": 27,
    "tests/docs/test_tutorials.py::test_tutorial_works[train]": 29,
    "tests/doctor/test_faults.py": 25,
    "tests/doctor/test_rules_files.py": 29,
    "tests/evaluation/test_inspection.py": 7,
    "tests/extension/test_own_encoder_over_ros.py": 11,
    "tests/extension/test_own_term_over_ros.py": 9,
    "tests/launching/test_staged.py": 22,
    "tests/learning/test_ranks.py": 9,
    "tests/learning/test_td3.py": 6,
    "tests/nodes/training/test_evaluation.py": 14,
    "tests/nodes/training/test_evaluation.py::test_what_cannot_be_evaluated_over_ros_is_refused": 2,
    "tests/nodes/training/test_guard.py": 16,
    "tests/nodes/training/test_lost_steps.py": 9,
    "tests/nodes/training/test_more_learners.py": 18,
    "tests/nodes/training/test_runs_beside_each_other.py": 14,
    "tests/nodes/training/test_strangers.py": 11,
    "tests/nodes/training/test_training_run.py": 14,
    "tests/nodes/vehicle/test_deploy_episode.py": 9,
    "tests/nodes/vehicle/test_deploy_vehicle.py": 7,
    "tests/processes/test_ros_needs.py": 14,
    "tests/sim/test_drawn_networks.py": 9,
}
"""Seconds that files and tests take which begin first, as ``make test PYTEST=--durations=0`` shows; ``COMPUTING`` are
those that keep a core busy. A test without a line of its own takes those of its file. The order alone rests on them."""


AGAIN = 1
"""How often a test of several processes is begun anew that failed; ``make test`` says how many tests in all."""


def process_count() -> int:
    """How many processes run the tests of this machine."""
    return max(FEWEST, PER_CORE * len(os.sched_getaffinity(0)))


def unit_of(nodeid: str) -> str:
    """The file, folder or test that a test is given to a process with."""
    path = nodeid.split("::")[0]
    if path in APART:
        return nodeid
    return next((folder for folder in TOGETHER if path.startswith(folder)), path)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests, unit by unit: long ones first, those that wait among those that compute, then what starts a graph."""
    units = dict.fromkeys(unit_of(item.nodeid) for item in items)
    places = {unit: (place, 0) for unit, place in _places(units, WAITING)}
    places |= {unit: (place, 1) for unit, place in _places(units, COMPUTING)}
    return sorted(items, key=lambda item: places.get(unit_of(item.nodeid), (1.0 if _starts_a_graph(item) else 2.0, 0)))


def _places(units: Mapping[str, Any], table: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """For each unit with a line in ``table`` the share of all their seconds that comes before it."""
    other = COMPUTING if table is WAITING else WAITING
    costs = {unit: cost for unit in units if (cost := _cost(unit, table, other)) is not None}
    total, before = sum(costs.values()), 0.0
    for unit in sorted(costs, key=lambda unit: -costs[unit]):
        yield unit, before / total
        before += costs[unit]


def _cost(unit: str, table: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Seconds of a unit by the nearest line, which may be that of another table: then None."""
    for name in (unit, unit.split("[")[0], unit.split("::")[0]):
        if name in table or name in other:
            return table.get(name)
    return None


def has_processes(item: pytest.Item) -> bool:
    """Whether a test works with processes of its own: what it finds may depend on what else the machine does."""
    unit = unit_of(item.nodeid)
    return _starts_a_graph(item) or unit in APART or any(unit.startswith(name.split("::")[0]) for name in WAITING)


def _starts_a_graph(item: pytest.Item) -> bool:
    return not DOMAINS.isdisjoint(getattr(item, "fixturenames", ()))


class LongFirst(LoadScopeScheduling):
    """Gives the units to the processes in the order of :func:`in_order`."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

# SPDX-License-Identifier: Apache-2.0
"""The files for diagnostic aggregators name the statuses that the nodes send, all of them, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = REPOSITORY / "config" / "diagnostics"
SOURCES = REPOSITORY / "src" / "td3_driving" / "td3_driving"
NAME = re.compile(r"[a-z]+: [a-z]+( [a-z]+)*")
"""A name by REP 107: node, colon, component."""
OF_A_VEHICLE = "deploy"
"""Folder of what speaks on a vehicle."""


def sent(folder: Path) -> set[str]:
    """Names of all statuses that modules of a folder make, as they stand in the source."""
    return {name for file in folder.rglob("*.py") for name in _names(ast.parse(file.read_text(encoding="utf-8")))}


def _names(tree: ast.AST) -> Iterator[str]:
    """Texts that are called a name, or are the first argument of a status, also by way of a constant."""
    constants = dict(_constants(tree))
    for node in ast.walk(tree):
        named: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            named = node.args[0] if node.func.id in ("Status", "Watch", "_worst") else None
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "name":
            named = node.value
        if isinstance(named, ast.Name):
            named = constants.get(named.id)
        if isinstance(named, ast.Constant) and isinstance(named.value, str) and NAME.fullmatch(named.value):
            yield named.value


def _constants(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names that something is assigned to, one by one or several at once, and what that is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts) if several else [(target, value)]  # type: ignore[attr-defined]
            yield from ((name.id, given) for name, given in pairs if isinstance(name, ast.Name))


def analyzers(file: str) -> list[dict[str, Any]]:
    parameters = yaml.safe_load((FILES / file).read_text())["analyzers"]["ros__parameters"]
    return [part for part in parameters.values() if isinstance(part, dict)]


def expected(file: str) -> set[str]:
    return {name for analyzer in analyzers(file) for name in analyzer["expected"]}


def test_source_tells_the_names() -> None:
    assert {"gate: command", "policy: bundle", "policy: frame sync"} <= sent(SOURCES / OF_A_VEHICLE)
    assert {"learner: q health", "policy: frame sync", "learner: replay"} <= sent(SOURCES)


def test_vehicle_file_expects_what_speaks_on_a_vehicle() -> None:
    assert expected("vehicle.yaml") == sent(SOURCES / OF_A_VEHICLE)


def test_training_file_expects_what_speaks_in_a_run() -> None:
    folders = [path for path in SOURCES.iterdir() if path.is_dir() and path.name != OF_A_VEHICLE]
    # It is sent while the disk is full, and at no other time.
    rare = {"run: disk"}
    assert expected("training.yaml") == set().union(*map(sent, folders)) - rare


@pytest.mark.parametrize("file", ["training.yaml", "vehicle.yaml"])
def test_every_expected_status_goes_to_one_analyzer(file: str) -> None:
    for analyzer in analyzers(file):
        assert analyzer["type"] == "diagnostic_aggregator/GenericAnalyzer"
        # The aggregator makes items of what is expected, but takes statuses by the patterns alone.
        assert all(name.startswith(tuple(analyzer["startswith"])) for name in analyzer["expected"])
    for name in expected(file):
        assert sum(name.startswith(tuple(analyzer["startswith"])) for analyzer in analyzers(file)) == 1, name


def test_autoware_graph_uses_every_status_of_a_vehicle_and_every_link_leads_somewhere() -> None:
    units = yaml.safe_load((FILES / "autoware_graph.yaml").read_text())["units"]
    by_path = {unit["path"]: unit for unit in units}
    assert len(by_path) == len(units)
    assert {f"{unit['node']}: {unit['name']}" for unit in units if unit["type"] == "diag"} == expected("vehicle.yaml")
    links = {part["link"] for unit in units for part in unit.get("list", ())}
    assert links <= set(by_path)
    assert set(by_path) - links == {"/td3_driving/drive", "/td3_driving/stop"}, "only these two are for others to link"
    assert all(unit["timeout"] > 1.0 for unit in units if unit["type"] == "diag"), "statuses come once a second"

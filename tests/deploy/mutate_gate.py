# SPDX-License-Identifier: Apache-2.0
"""Mutation test of the command gate: changes its code, one place at a time, and sees whether the tests notice.

    tools/env.sh python -m tests.deploy.mutate_gate [--only gate_filter.py] [--jobs 2]

Every change that no test notices is listed. Those in ``mutation_survivors.yaml`` are explained there; any other is a
hole in the tests, and the exit code is 1. It takes minutes, so it is no part of the suite.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.shared.mutants import SOURCES, start

HERE = Path(__file__).resolve().parent
FOLDER = "deploy"
DEPLOY = SOURCES / FOLDER
PACKAGE = f"td3_driving.{FOLDER}"
FILES = ("gate.py", "gate_filter.py", "gate_inputs.py", "gate_report.py", "gate_types.py")
TESTS = tuple(f"test_gate{part}.py" for part in ("_inputs", "_filter", "_report", "", "_stops", "_person"))
EXPLAINED = HERE / "mutation_survivors.yaml"
NEEDED = ("hypothesis.strategies", "numpy", f"{PACKAGE}.limits", f"{PACKAGE}.pedals", "td3_driving.doctor.live")
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "abs": "float"}


@dataclass(frozen=True)
class Mutant:
    """One change: where, the line as it was, what was done to it, and the module as it is then."""

    file: str
    line: int
    source: str
    change: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others, also after lines have moved."""
        return self.file, self.source, self.change


def mutants(file: str) -> Iterator[Mutant]:
    """All changes of one module."""
    text = (DEPLOY / file).read_text(encoding="utf-8")
    lines, tree = text.splitlines(), ast.parse(text)
    for index, node in enumerate(ast.walk(tree)):
        for change, replacement in changes(node):
            mutated = copy.deepcopy(tree)
            place = next(found for number, found in enumerate(ast.walk(mutated)) if number == index)
            put(mutated, place, replacement)
            line = getattr(node, "lineno", 0)
            yield Mutant(file, line, lines[line - 1].strip(), change, ast.unparse(ast.fix_missing_locations(mutated)))


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What can be done to a node: a description, and the node to put in its place."""
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            if type(operator) in COMPARISONS:
                changed = copy.deepcopy(node)
                changed.ops[at] = COMPARISONS[type(operator)]()
                yield ast.unparse(node) + " -> " + ast.unparse(changed), changed
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        yield replaced(node, op=OPERATORS[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield replaced(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", node.operand
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield replaced(node, func=ast.Name(NAMES[node.func.id], ast.Load()))
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield f"{node.value!r} -> {value!r}", ast.Constant(value)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield f"{ast.unparse(node)} -> nothing", ast.Pass()
    elif isinstance(node, ast.IfExp):
        yield replaced(node, body=node.orelse, orelse=node.body)


def replaced(node: ast.AST, **parts: ast.AST) -> tuple[str, ast.AST]:
    """A copy of a node with other parts, and the words for it."""
    changed = copy.deepcopy(node)
    for name, part in parts.items():
        setattr(changed, name, part)
    return f"{ast.unparse(node)} -> {ast.unparse(ast.fix_missing_locations(changed))}", changed


def put(tree: ast.AST, place: ast.AST, replacement: ast.AST) -> None:
    """Put ``replacement`` where ``place`` is in ``tree``."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is place:
                setattr(parent, name, replacement)
            elif isinstance(value, list):
                value[:] = [replacement if entry is place else entry for entry in value]


def survivors(found: Sequence[Mutant], jobs: int) -> list[Mutant]:
    """The mutants that pass all tests; each is tested in a process of its own, ``jobs`` at a time."""
    running: dict[int, Mutant] = {}
    alive: set[tuple[str, str, str]] = set()
    for mutant in [*found, None]:
        while running and (mutant is None or len(running) >= jobs):
            child, status = os.wait()
            ended = running.pop(child)
            if status == 0:
                alive.add(ended.key)
                print(f"survives: {ended.file}:{ended.line}: {ended.change}", flush=True)
        if mutant is not None:
            running[start(f"{FOLDER}/{mutant.file}", mutant.text, partial(run_tests, mutant.file))] = mutant
    return [mutant for mutant in found if mutant.key in alive]


def run_tests(file: str) -> int:
    """The tests of the gate, to the first that fails: those of the module, then the others; always the same seed."""
    options = ["-x", "-q", "--hypothesis-seed=0", "-p", "no:warnings"]
    own = f"test_{file}"
    others = [str(HERE / name) for name in TESTS if name != own]
    code = int(pytest.main([*options, str(HERE / own)])) if own in TESTS else 0
    return code or int(pytest.main([*options, *others]))


def explained() -> dict[tuple[str, str, str], str]:
    """Survivors that no test can or should notice, and why."""
    entries = yaml.safe_load(EXPLAINED.read_text(encoding="utf-8")) if EXPLAINED.exists() else None
    return {(entry["file"], entry["line"], entry["change"]): entry["why"] for entry in entries or []}


def main(arguments: Sequence[str] | None = None) -> int:
    """Test all mutants; 1 when one survives without an explanation."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=FILES, action="append", help="modules to change")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at a time")
    options = parser.parse_args(arguments)
    found = [mutant for file in options.only or FILES for mutant in mutants(file)]
    begun, known = time.monotonic(), explained()
    import_what_all_need()
    alive = survivors(found, options.jobs)
    holes = [mutant for mutant in alive if mutant.key not in known]
    for mutant in alive:
        print(f"{mutant.file}:{mutant.line}: {mutant.change}\n    {known.get(mutant.key, 'NOT EXPLAINED')}")
    noticed = len(found) - len(alive)
    print(f"{len(found)} mutants: {noticed} noticed, {len(alive) - len(holes)} explained, {len(holes)} not explained")
    print(f"{time.monotonic() - begun:.0f} s")
    return 1 if holes else 0


def import_what_all_need() -> None:
    """Everything but the modules that are changed, so that each process begins with it."""
    for name in NEEDED:
        importlib.import_module(name)


if __name__ == "__main__":
    sys.exit(main())

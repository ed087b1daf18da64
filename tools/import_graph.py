# SPDX-License-Identifier: Apache-2.0
"""Prints the imports between the packages of td3_driving by layer, and reports arrows that run up.

``python tools/import_graph.py`` prints one line per package, the highest layer first, with the packages that it
imports and how often. ``--dot`` prints the graph for Graphviz. The exit code is 1 where an arrow does not lead to a
lower layer.

An arrow may lead to any lower layer, never to the same or a higher one, so there is no cycle. Imports within functions
count as those at the top of a file do. So does a text that is the name of a module or an import path, such as
``"package.module:Name"``: whoever imports by it depends on the module just as well.

``doctor`` stands beside the settings and imports nothing of ours: it is a wheel of its own (``tools/doctor_wheel``) for
runs of any library. The form of a status and the look of a report stay in it, because its own alarms and pages need
them; the other packages import them from it. In a package below, the wheel would have to carry that package.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = "td3_driving"
SOURCES = Path(__file__).resolve().parents[1] / "src" / PACKAGE / PACKAGE
SETTINGS = "settings"
"""Stands for the modules at the top: settings, their checks, and objects from outside."""
LAYERS = (
    (SETTINGS, "doctor", "processes", "trust"),
    ("driving", "runs"),
    ("conformance", "deploy", "learning", "monitor", "sim", "view"),
    ("bags", "carla", "carla_server", "evaluation", "export", "in_process", "live", "loggers"),
    ("nodes.ros",),
    ("nodes.bridge", "nodes.conformance", "nodes.training", "nodes.vehicle", "nodes.view"),
    ("launching",),
    ("cli",),
)
"""The packages from low to high. ``nodes`` counts by its rooms, ``cli`` with its completion is above all."""
SPLIT = ("nodes",)
IN_A_TEXT = re.compile(rf"{PACKAGE}((?:\.\w+)+)(?:[.:]\w*)?")
"""A text that names a module: ``td3_driving.x.y`` or ``td3_driving.x:y``, or the beginning of such a text."""
Arrows = Mapping[tuple[str, str], int]
"""(importing package, imported package): number of imports."""


def room(module: tuple[str, ...]) -> str:
    """The package that a module belongs to; ``module`` are the parts of its name below td3_driving."""
    if len(module) < 2:
        return "cli" if module in (("cli",), ("completion",)) else SETTINGS
    return ".".join(module[:2]) if module[0] in SPLIT else module[0]


def arrows(sources: Path = SOURCES) -> Arrows:
    """The imports between packages below ``sources``, the folder of td3_driving.

    Raises:
        SyntaxError: a file is no Python.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for path in sorted(sources.rglob("*.py")):
        parts = path.relative_to(sources).with_suffix("").parts
        own = room(parts)
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        named = [_module(sources, name) for name in named_in_texts(tree)]
        modules = [_module(sources, name) for name in imported(tree)] + [module for module in named if module]
        counted.update((own, room(module)) for module in modules if room(module) != own)
    return counted


def imported(tree: ast.Module) -> Iterator[tuple[str, ...]]:
    """What a file imports of td3_driving, in parts; the last part may be a name within a module."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for package, *rest in (name.split(".") for name in names):
            if package == PACKAGE:
                yield tuple(rest)


def named_in_texts(tree: ast.Module) -> Iterator[tuple[str, ...]]:
    """What the texts of a file name of td3_driving, in parts; the last part may be no module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = IN_A_TEXT.fullmatch(node.value)
            if found:
                yield tuple(found[1][1:].split("."))


def _module(sources: Path, name: tuple[str, ...]) -> tuple[str, ...]:
    """The longest part of ``name`` that is a module or a package, a package with ``__init__`` as its last part."""
    for length in range(len(name), 0, -1):
        path = sources.joinpath(*name[:length])
        if path.with_suffix(".py").is_file():
            return name[:length]
        if path.is_dir():
            return (*name[:length], "__init__")
    return ()


def levels() -> dict[str, int]:
    """Package: the number of its layer, 0 for the lowest."""
    return {package: level for level, packages in enumerate(LAYERS) for package in packages}


def faults(found: Arrows) -> list[str]:
    """One sentence for every arrow that does not lead to a lower layer, and for every package without a layer."""
    known = levels()
    unknown = sorted({package for pair in found for package in pair} - known.keys())
    said = [f"{package} has no layer" for package in unknown]
    for (above, below), count in sorted(found.items()):
        if above in known and below in known and known[above] <= known[below]:
            where = "up" if known[above] < known[below] else "to its own layer"
            said.append(f"{above} imports {below} ({count} times): an arrow {where}")
    return said


def text(found: Arrows) -> str:
    """A line per package, the highest layer first."""
    lines = []
    for level in reversed(range(len(LAYERS))):
        for package in LAYERS[level]:
            below = sorted((other, count) for (own, other), count in found.items() if own == package)
            row = f"{level}  {package:<18} " + ", ".join(f"{other} {count}" for other, count in below)
            lines.append(row.rstrip())
    return "\n".join(lines)


def dot(found: Arrows) -> str:
    """The graph for Graphviz, one rank per layer."""
    ranks = ["  {rank=same; " + " ".join(f'"{package}"' for package in packages) + "}" for packages in LAYERS]
    edges = [f'  "{own}" -> "{other}" [label={count}]' for (own, other), count in sorted(found.items())]
    return "\n".join(["digraph imports {", *ranks, *edges, "}"])


def main() -> int:
    """Print the graph; 1 where an arrow does not lead down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", nargs="?", type=Path, default=SOURCES, help="folder of td3_driving")
    parser.add_argument("--dot", action="store_true", help="print the graph for Graphviz")
    asked = parser.parse_args()
    found = arrows(asked.sources)
    print(dot(found) if asked.dot else text(found))
    wrong = faults(found)
    for sentence in wrong:
        print(f"error: {sentence}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

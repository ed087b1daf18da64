# SPDX-License-Identifier: Apache-2.0
"""Reads constants and calls out of the package's sources without importing them: ROS need not be there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "td3_driving" / "td3_driving"


class UnknownValueError(ValueError):
    """The value of an expression does not follow from constants."""


class Module:
    """One module of the package.

    Args:
        name: dotted, below ``td3_driving``.
    """

    def __init__(self, name: str) -> None:
        self.name, self.path = name, path_of(name)
        self.tree = ast.parse(self.path.read_text(encoding="utf-8"))
        self.imports = dict(_imports(self.tree))
        self._constants = dict(_assignments(self.tree.body))

    def value(self, node: ast.expr, local: dict[str, ast.expr] | None = None) -> Any:
        """The value of a constant expression: text, number, f-string, sum of texts, name of a constant.

        Args:
            node: the expression.
            local: assignments of the function that it stands in.

        Raises:
            UnknownValueError: it depends on more than constants.
        """
        names = local or {}
        match node:
            case ast.Constant(value=value):
                return value
            case ast.JoinedStr(values=parts):
                return "".join(str(self.value(part, names)) for part in parts)
            case ast.FormattedValue(value=inner):
                return self.value(inner, names)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.value(left, names) + self.value(right, names)
            case ast.Name(id=name) if name in names:
                return self.value(names[name], {key: value for key, value in names.items() if key != name})
            case ast.Name(id=name):
                return self.constant(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if exists(self.imports.get(owner, "")):
                return module(self.imports[owner]).constant(name)
        raise UnknownValueError(ast.unparse(node))

    def constant(self, name: str) -> Any:
        """The value of a name on the module's level, wherever it was imported from.

        Raises:
            UnknownValueError: it is no constant.
        """
        owner, expression = self.definition(name)
        return owner.value(expression)

    def definition(self, name: str) -> tuple[Module, ast.expr]:
        """The module that defines a name, and what it is defined as.

        Raises:
            UnknownValueError: nothing of this package does.
        """
        if name in self._constants:
            return self, self._constants[name]
        if name in self.imports and "." in self.imports[name]:
            home, _, original = self.imports[name].rpartition(".")
            if exists(home):
                return module(home).definition(original)
        raise UnknownValueError(f"{self.name}.{name}")


@cache
def module(name: str) -> Module:
    """The module of this dotted name."""
    return Module(name)


def exists(name: str) -> bool:
    """Whether the package has a module of this dotted name."""
    return name.startswith("td3_driving") and path_of(name).is_file()


def path_of(name: str) -> Path:
    """The file of a module, whether or not it is there."""
    base = PACKAGE.parent.joinpath(*name.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def names_of_modules() -> list[str]:
    """Dotted names of all modules of the package."""
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def reachable(name: str) -> set[str]:
    """A module and the modules of its own folder that it imports, directly or indirectly."""
    folder = name.rpartition(".")[0]
    seen, waiting = set[str](), [name]
    while waiting:
        current = waiting.pop()
        if current in seen or not current.startswith(folder) or not exists(current):
            continue
        seen.add(current)
        sources = module(current).imports.values()
        waiting += [part for source in sources for part in (source, source.rpartition(".")[0])]
    return seen


def local_assignments(function: ast.AST) -> dict[str, ast.expr]:
    """Names that a function assigns, also inside its loops and branches, and what."""
    return dict(_assignments(list(ast.walk(function))))


def _assignments(nodes: list[Any]) -> list[tuple[str, ast.expr]]:
    """Single and tuple assignments; of a tuple each name with its part."""
    found: list[tuple[str, ast.expr]] = []
    for node in nodes:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            found += _pairs(node.target, node.value)
        elif isinstance(node, ast.Assign):
            found += _pairs(node.targets[0], node.value)
    return found


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[str, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return [pair for parts in zip(target.elts, value.elts) for pair in _pairs(*parts)]
    if isinstance(target, (ast.Name, ast.Attribute)):
        return [(ast.unparse(target), value)]
    return []


def _imports(tree: ast.Module) -> list[tuple[str, str]]:
    """Local name and dotted origin of everything that a module imports by ``from ... import``."""
    return [
        (alias.asname or alias.name, f"{node.module}.{alias.name}")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]

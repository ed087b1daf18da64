# SPDX-License-Identifier: Apache-2.0
"""Finds the publishers, readers, servers and clients of all topics and services in the nodes' sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from td3_driving.launching.child import MODULES
from tools.reference.source import Module, UnknownValueError, local_assignments, module, reachable

METHODS = {
    "create_publisher": "publishes",
    "create_subscription": "reads",
    "sealed_publisher": "publishes",
    "sealed_subscription": "reads",
    "create_service": "serves",
    "create_client": "calls",
}
"""Method of rclpy or of the seals -> use of the topic. A short name (``subscribe = node.create_subscription``) too."""
READERS = ("Tap", "CameraTopic")
"""Classes that make a subscription out of a node and the same arguments."""
GENERIC = ("recorder", "conformance")
"""Programs whose topics depend on their arguments."""


@dataclass(frozen=True, order=True)
class GraphEnd:
    """One end of a topic or service.

    Attributes:
        name: as the node states it: relative names follow the node's namespace.
        kind: type, ``package/msg/Name``.
        does: ``publishes``, ``reads``, ``serves`` or ``calls``.
        node: executable.
        qos: in words; empty for services.
    """

    name: str
    kind: str
    does: str
    node: str
    qos: str = ""


def endpoints() -> list[GraphEnd]:
    """The endpoints of all nodes, in order; each once."""
    found: set[GraphEnd] = set()
    for node, name in MODULES.items():
        if node not in GENERIC:
            for part in reachable(name):
                found |= set(_of_module(module(part), node))
    return sorted(found)


def _of_module(source: Module, node: str) -> Iterator[GraphEnd]:
    for function in ast.walk(source.tree):
        if isinstance(function, ast.FunctionDef):
            yield from _of_function(source, function, node)


def _of_function(source: Module, function: ast.FunctionDef, node: str) -> Iterator[GraphEnd]:
    names = local_assignments(function)
    names |= _of_class(source, function)
    calls = [call for call in ast.walk(function) if isinstance(call, ast.Call)]
    for call in calls:
        does = _method(call.func, names)
        what = call.args[1:] if _called(call) in READERS else call.args
        kind = _kind(source, what[0], names) if does and len(what) >= 2 else ""
        if kind:
            qos = _qos(source, _profile_of(call, names), names)
            for name in _topics(source, function, what[1], names):
                yield _endpoint(name, kind, does, node, qos)
    if any(_called(call) == "create_publisher" for call in calls):
        yield from _of_rows(source, function, names, node)


def _of_rows(source: Module, function: ast.FunctionDef, names: dict[str, ast.expr], node: str) -> Iterator[GraphEnd]:
    """Publishers that a function makes out of rows of name, type and profile."""
    for row in ast.walk(function):
        match row:
            case ast.Tuple(elts=[name, kind, ast.Attribute() as profile]):
                found = _kind(source, kind, names)
                for topic in _topics(source, function, name, names) if found else ():
                    yield _endpoint(topic, found, "publishes", node, _qos(source, profile, names))


def _endpoint(name: str, kind: str, does: str, node: str, qos: str) -> GraphEnd:
    if does in ("serves", "calls"):
        return GraphEnd(name, kind.replace("/msg/", "/srv/"), does, node)
    return GraphEnd(name, kind, does, node, qos)


def _topics(source: Module, function: ast.FunctionDef, node: ast.expr, names: dict[str, ast.expr]) -> list[str]:
    """The name that an expression stands for; for an argument of the function, what the function is called with."""
    try:
        return [str(source.value(node, names))]
    except UnknownValueError:
        arguments = [argument.arg for argument in function.args.args]
        if not isinstance(node, ast.Name) or node.id not in arguments:
            return []
        index = arguments.index(node.id) - 1
        calls = [
            call for call in ast.walk(source.tree) if isinstance(call, ast.Call) and _called(call) == function.name
        ]
        return [str(source.value(call.args[index])) for call in calls if index < len(call.args)]


def _called(call: ast.Call) -> str:
    """The last part of the called name."""
    return ast.unparse(call.func).rpartition(".")[2]


def _of_class(source: Module, function: ast.FunctionDef) -> dict[str, ast.expr]:
    """What the methods of the function's class assign to ``self``."""
    for owner in ast.walk(source.tree):
        if isinstance(owner, ast.ClassDef) and function in owner.body:
            return {name: value for name, value in local_assignments(owner).items() if name.startswith("self.")}
    return {}


def _method(called: ast.expr, names: dict[str, ast.expr]) -> str:
    """What a call makes, or an empty text."""
    match called:
        case ast.Name(id=name) if name in READERS:
            return "reads"
        case ast.Name(id=name) if name in names:
            return _method(names[name], {})
        case ast.Call(func=ast.Name(id="partial"), args=[inner, *_]):
            return _method(inner, names)
        case ast.Attribute(attr=name):
            return METHODS.get(name, "")
    return ""


def _kind(source: Module, node: ast.expr, names: dict[str, ast.expr]) -> str:
    """``package/msg/Name`` of a message class, or an empty text."""
    match node:
        case ast.Call(
            func=ast.Name(id="message"), args=[ast.Constant(value=str(package)), ast.Constant(value=str(name))]
        ):
            return f"{package}/msg/{name}"
        case ast.Name() | ast.Attribute() if ast.unparse(node) in names:
            return _kind(source, names[ast.unparse(node)], {})
        case ast.Name(id=name):
            package, _, rest = source.imports.get(name, "").partition(".")
            return f"{package}/msg/{rest.rpartition('.')[2]}" if rest.startswith(("msg.", "srv.")) else ""
    return ""


def _profile_of(call: ast.Call, names: dict[str, ast.expr]) -> ast.expr | None:
    """The expression of the quality of service: a keyword, the last argument, or bound by ``partial``."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if isinstance(call.func, ast.Name) and isinstance(bound := names.get(call.func.id), ast.Call):
        keywords |= {keyword.arg: keyword.value for keyword in bound.keywords}
    return keywords.get("qos_profile") or (call.args[-1] if len(call.args) > 2 else None)


def _qos(source: Module, node: ast.expr | None, names: dict[str, ast.expr]) -> str:
    """A profile in words: ``reliable, latched, last 1``."""
    match node:
        case ast.IfExp(body=one, orelse=other):
            return f"{_qos(source, other, names)}; or {_qos(source, one, names)}"
        case ast.Name(id=name) if name in names:
            return _qos(source, names[name], {})
        case ast.Name(id="qos_profile_sensor_data"):
            return "best effort, last 5"
        case ast.Call(func=ast.Attribute(attr="onlooker"), args=[depth]):
            return f"best effort, last {_depth(source, depth)}"
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in source.imports:
            _, profile = module(source.imports[owner]).definition(name)
            return _profile(profile)
    return ""


def _depth(source: Module, node: ast.expr) -> str:
    try:
        return str(source.value(node))
    except UnknownValueError:
        return ast.unparse(node)


def _profile(node: ast.expr) -> str:
    """``_profile(10, latched=True)`` of the module of profiles, in words."""
    if not isinstance(node, ast.Call) or not node.args:
        raise ValueError(f"a profile that is not made like the others: {ast.unparse(node)}")
    latched = any(keyword.arg == "latched" and ast.unparse(keyword.value) == "True" for keyword in node.keywords)
    return f"reliable, {'latched, ' if latched else ''}last {ast.unparse(node.args[0])}"

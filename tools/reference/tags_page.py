# SPDX-License-Identifier: Apache-2.0
"""Tags of the event file: every series that a run may write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from td3_driving.doctor.aliases import QUANTITY_OF_TAG
from td3_driving.monitor.event_log import DASHBOARDS
from tools.reference.markdown import code, page, table
from tools.reference.source import Module, UnknownValueError, module, names_of_modules

OPENING = """
A run writes these series into its TensorBoard event file, over environment steps. `<name>` stands for a network, a
part of it, or a term of the reward. A series that the settings leave out is absent. The [doctor](../doctor.md) reads
a series by its own name for it; [tags of other libraries](../doctor_tags.md) lead to the same names.
"""
TAG = re.compile(r"(?!carla|td3|checkpoints)[a-z]+/[a-z0-9_<>]+")
SILENT = ("doctor.callbacks", "deploy", "view", "sim", "bags")
"""Parts of the package that write no series of a run."""


def tags_page() -> str:
    """The page as Markdown."""
    groups: dict[str, list[str]] = {}
    for tag in sorted(tags()):
        groups.setdefault(tag.partition("/")[0], []).append(tag)
    parts = [
        f"## {group}\n\n{table(('tag', 'the doctor calls it', 'dashboard'), _rows(tags))}"
        for group, tags in groups.items()
    ]
    return page("Tags of the event file", OPENING, parts)


def tags() -> set[str]:
    """All tags; a part that is filled in when the program runs is ``<name>``."""
    silent = tuple(f"td3_driving.{name}" for name in SILENT)
    sources = [module(name) for name in names_of_modules() if not name.startswith(silent)]
    texts = (_text(source, key) for source in sources for key in _keys(source))
    found = {text for text in texts if TAG.fullmatch(text)}
    return found if any(tag.startswith("alerts/") for tag in found) else found | {"alerts/<name>"}


def _keys(source: Module) -> Iterator[ast.expr]:
    """Keys of the dictionaries that a module makes or fills."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Dict(keys=keys):
                yield from (key for key in keys if key is not None)
            case ast.DictComp(key=key):
                yield key
            case ast.Subscript(slice=ast.IfExp(body=one, orelse=other), ctx=ast.Store()):
                yield from (one, other)
            case ast.Subscript(slice=key, ctx=ast.Store()):
                yield key


def _text(source: Module, key: ast.expr) -> str:
    match key:
        case ast.FormattedValue(value=inner):
            return _text(source, inner)
        case ast.JoinedStr(values=parts):
            return "".join(_text(source, part) or "<name>" for part in parts)
    try:
        return str(source.value(key))
    except UnknownValueError:
        return ""


def _rows(tags: list[str]) -> Iterator[tuple[str, str, str]]:
    for tag in tags:
        pattern = re.compile(tag.replace("<name>", r"\w+"))
        charts = [
            f"{board}: {name}"
            for board, shown in DASHBOARDS.items()
            for name, entries in shown.items()
            if any(map(pattern.fullmatch, entries))
        ]
        known = sorted({quantity for listed, quantity in QUANTITY_OF_TAG.items() if pattern.fullmatch(listed)})
        yield code(tag), ", ".join(map(code, known)), ", ".join(charts)

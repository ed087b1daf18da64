# SPDX-License-Identifier: Apache-2.0
"""Every setting of a run, of the gate and of the drive node, with default, range, unit and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from td3_driving.bounded import Bounded
from td3_driving.deploy.drive_settings import DRIVE_GROUPS
from td3_driving.deploy.limits import GATE_GROUPS
from td3_driving.runs.profiles import config_directory, load_profile
from td3_driving.settings import Settings
from tools.reference.markdown import code, page, plain, table

OPENING = """
A profile in `config/` or `--set group.name=value` changes a setting. A key that does not exist is refused, and so is
a value out of its range. `RUN/config.yaml` holds what a run was made with. Units are SI; no unit means a plain
number.
"""
COLUMNS = ("setting", "default", "range", "unit", "meaning")


def settings_page() -> str:
    """The page as Markdown."""
    run = [_group(spec.name, type(getattr(Settings(), spec.name))) for spec in fields(Settings)]
    gate = [_group(name, kind) for name, kind in GATE_GROUPS.items()]
    drive = [_group(name, kind) for name, kind in DRIVE_GROUPS.items()]
    parts = ["## Settings of a run", *run, "## What each profile changes", _profiles()]
    parts += ["## Parameters of the gate", *gate, "## Parameters of the drive node", *drive]
    return page("Settings", OPENING, parts)


def _group(name: str, kind: type[Bounded]) -> str:
    rows = [_row(name, spec) for spec in fields(kind)]  # type: ignore[arg-type]
    return f"### {name}\n\n{plain(_written(kind))}\n\n{table(COLUMNS, rows)}"


def _written(kind: type) -> str:
    """Return the written docstring; a dataclass without one has a generated list of its fields."""
    texts = ((base.__doc__ or "", base.__name__) for base in kind.__mro__)
    return next(text for text, name in texts if text and not text.startswith(f"{name}("))


def _row(group: str, spec: Field[Any]) -> tuple[str, ...]:
    metadata = spec.metadata
    return (
        code(f"{group}.{spec.name}"),
        code(_text(spec.default)),
        _range(metadata),
        metadata["unit"],
        metadata["meaning"],
    )


def _range(metadata: Mapping[str, Any]) -> str:
    if "options" in metadata:
        return ", ".join(map(code, metadata["options"]))
    if "known" in metadata:
        return ", ".join((*map(code, metadata["known"]), "or an import path"))
    if "plugins" in metadata:
        return "import paths"
    low, high = metadata.get("each", (metadata.get("low"), metadata.get("high")))
    return "" if low is None else f"{_text(low)} … {_text(high)}"


def _profiles() -> str:
    """A row for each setting that a profile changes, a column for each profile."""
    defaults = Settings().flat()
    profiles = {path.stem: load_profile(path).flat() for path in sorted(config_directory().glob("*.yaml"))}
    changed = [key for key in defaults if any(values[key] != defaults[key] for values in profiles.values())]
    rows = [
        (code(key), *(_text(values[key]) if values[key] != defaults[key] else "" for values in profiles.values()))
        for key in changed
    ]
    return "An empty cell is the default.\n\n" + table(("setting", *map(code, profiles)), rows)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return str(value)

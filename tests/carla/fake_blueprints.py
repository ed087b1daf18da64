# SPDX-License-Identifier: Apache-2.0
"""Blueprints of the scripted CARLA server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Blueprint:
    """A blueprint with the attributes that matter to traffic."""

    def __init__(self, kind: str, wheels: int, base_type: str | None) -> None:
        self.id = kind
        self.attributes: dict[str, Any] = {"number_of_wheels": wheels}
        if base_type is not None:
            self.attributes["base_type"] = SimpleNamespace(as_str=lambda: base_type)

    def has_attribute(self, name: str) -> bool:
        return name in self.attributes

    def get_attribute(self, name: str) -> Any:
        return self.attributes[name]

    def set_attribute(self, name: str, value: str) -> None:
        self.attributes[name] = value


class Library(list[Blueprint]):
    """The blueprints of a server."""

    def filter(self, pattern: str) -> list[Blueprint]:
        return [blueprint for blueprint in self if blueprint.id.startswith(pattern.rstrip("*"))]

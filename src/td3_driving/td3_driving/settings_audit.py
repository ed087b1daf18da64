# SPDX-License-Identifier: Apache-2.0
"""Records which settings are read, so that one that nobody honours can be found."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Iterable

from td3_driving.settings import GROUPS, Settings


@dataclass
class SettingsAudit:
    """Keys ``group.name`` that were read since :func:`tracked`, of all ``keys`` that there are."""

    keys: frozenset[str]
    reads: set[str] = field(default_factory=set)

    def unread(self, groups: Iterable[str]) -> list[str]:
        """Keys of ``groups`` that were never read, sorted."""
        asked = tuple(f"{group}." for group in groups)
        return sorted(key for key in self.keys - self.reads if key.startswith(asked))


def tracked(settings: Settings) -> tuple[Settings, SettingsAudit]:
    """Settings equal to ``settings``, and the record of what is read from them.

    Taking the hash or writing the settings out reads every key and honours none, so it does not count.
    """
    audit = SettingsAudit(frozenset(settings.flat()))
    groups = {group: _tracked_group(group, getattr(settings, group), audit.reads) for group in GROUPS}
    observed = _TrackedSettings(**groups)
    object.__setattr__(observed, "_plain", settings)
    return observed, audit


class _TrackedSettings(Settings):
    def flat(self) -> dict[str, bool | int | float | str]:
        plain: Settings = object.__getattribute__(self, "_plain")
        return plain.flat()


def _tracked_group(group: str, values: Any, reads: set[str]) -> Any:
    """A copy of ``values`` whose class notes the names of the fields that are asked for."""
    kind = type(values)
    names = {spec.name for spec in fields(kind)}

    def note(self: Any, name: str) -> Any:
        if name in names:
            reads.add(f"{group}.{name}")
        return object.__getattribute__(self, name)

    copy = replace(values)
    object.__setattr__(copy, "__class__", type(kind.__name__, (kind,), {"__getattribute__": note}))
    return copy

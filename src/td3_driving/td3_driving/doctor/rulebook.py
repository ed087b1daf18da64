# SPDX-License-Identifier: Apache-2.0
"""The rules that a run is judged by, in the order in which they are asked."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import ModuleType

from td3_driving.doctor import rules
from td3_driving.doctor.charts import CHARTS
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.rule import ACTOR, EPISODES, HEADINGS, VALUES, Rule, manual_of
from td3_driving.doctor.sections import SECTIONS
from td3_driving.doctor.watches import WATCHES

ALERTS = "alerts/"
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KEYS: Mapping[str, frozenset[str]] = {
    "sections": frozenset(SECTIONS),
    "charts": frozenset(chart.key for chart in CHARTS),
    "status": frozenset({"", *(watch.name for watch in WATCHES)}),
    "about": frozenset({"", ACTOR, VALUES, EPISODES}),
}


class Rulebook:
    """Rules by their ids, and who shows them: sections, figures, statuses, alerts.

    Args:
        rules: in the order in which they are asked; a rule sees the findings of those before it.

    Raises:
        Unusable: a rule is incomplete, names a section, figure or status that does not exist, or has the id of another.
    """

    def __init__(self, rules: Iterable[type[Rule]]) -> None:
        self.rules: dict[str, type[Rule]] = {}
        for rule in rules:
            _check(rule)
            if rule.id in self.rules:
                raise Unusable(f"{_name(rule)} and {_name(self.rules[rule.id])} are both called {rule.id!r}")
            self.rules[rule.id] = rule

    def __iter__(self) -> Iterator[type[Rule]]:
        return iter(self.rules.values())

    def of_section(self, key: str) -> frozenset[str]:
        """Ids of the rules that a section quotes."""
        return frozenset(rule.id for rule in self if key in rule.sections)

    def of_chart(self, key: str) -> frozenset[str]:
        """Ids of the rules that a figure marks."""
        return frozenset(rule.id for rule in self if key in rule.charts)

    def of_status(self, name: str) -> frozenset[str]:
        """Ids of the rules that feed a status."""
        return frozenset(rule.id for rule in self if rule.status == name)

    def alerts(self) -> dict[str, frozenset[str]]:
        """Alert series -> ids of the rules behind it."""
        tags = dict.fromkeys(ALERTS + rule.alert for rule in self if rule.alert)
        return {tag: frozenset(rule.id for rule in self if ALERTS + rule.alert == tag) for tag in tags}

    @property
    def silent(self) -> frozenset[str]:
        """Ids of the rules that raise no alarm during a run."""
        return frozenset(rule.id for rule in self if not rule.alarms)


@cache
def standard_rules() -> Rulebook:
    """The rules of the package ``rules``."""
    return Rulebook(_standard())


def with_rules(modules: Sequence[str]) -> Rulebook:
    """The standard rules, then those of further modules.

    Args:
        modules: import paths, ``my_package.my_rules``.

    Raises:
        Unusable: a module cannot be imported, defines no rule, or defines one that cannot be used.
    """
    own = [rule for name in modules for rule in _from_outside(name)]
    return Rulebook([*_standard(), *own]) if own else standard_rules()


def rules_in(module: ModuleType) -> list[type[Rule]]:
    """The rules that a module defines, in the order of their definition."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Rule)]
    return [kind for kind in kinds if kind.__module__ == module.__name__ and kind.id]


def _standard() -> list[type[Rule]]:
    names = [info.name for info in pkgutil.iter_modules(rules.__path__)]
    ordered = sorted(names, key=lambda name: rules.ORDER.index(name) if name in rules.ORDER else len(rules.ORDER))
    modules = [importlib.import_module(f"{rules.__name__}.{name}") for name in ordered]
    return [rule for module in modules for rule in rules_in(module)]


def _from_outside(name: str) -> list[type[Rule]]:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        # Whatever a module of somebody else raises on import is told in a sentence.
        raise Unusable(f"--rules {name}: it cannot be imported: {type(error).__name__}: {error}") from error
    found = rules_in(module)
    if not found:
        raise Unusable(f"--rules {name}: it defines no subclass of {Rule.__module__}.Rule with an id")
    return found


def _name(rule: type[Rule]) -> str:
    return f"{rule.__module__}.{rule.__qualname__}"


def _check(rule: type[Rule]) -> None:
    if not _ID.fullmatch(rule.id):
        raise Unusable(f"the rule {_name(rule)} has the id {rule.id!r}; it takes lower case, digits and hyphens")
    for attribute, known in _KEYS.items():
        value = getattr(rule, attribute)
        unknown = sorted({value} - known if isinstance(value, str) else set(value) - known)
        if unknown:
            options = ", ".join(sorted(filter(None, known)))
            raise Unusable(f"the rule {rule.id} has {attribute} {unknown[0]!r}; there are: {options}")
    manual = manual_of(rule)
    texts = (manual.condition, manual.meaning, manual.refuted_by, manual.example)
    lacking = [heading for heading, text in zip(HEADINGS, texts) if not text]
    if lacking and sys.flags.optimize < 2:
        raise Unusable(f"the rule {rule.id} has no paragraph '{lacking[0]}:' in its docstring")

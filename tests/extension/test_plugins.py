# SPDX-License-Identifier: Apache-2.0
"""Import paths: what is found, and the one sentence when nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from td3_driving import settings
from td3_driving.bounded import Bounded, SettingsError, is_import_path, named
from td3_driving.driving.drivers import DRIVERS
from td3_driving.driving.reward import VALUES
from td3_driving.learning import algorithms, encoders
from td3_driving.plugins import PluginError, load, resolve
from td3_driving.settings_reward import TERMS


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the user's on the search path; returns its name, which no other test has."""
    name = f"of_{tmp_path.name}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "good.py").write_text("class Term:\n    weight = 2.0\n\ndef twice(x):\n    return 2 * x\n\nPLAIN = 3\n")
    (folder / "broken.py").write_text("raise RuntimeError('no\\nluck')\n")
    (folder / "typo.py").write_text("def (:\n")
    (folder / "wanting.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_an_object_is_found_by_its_import_path(module: str) -> None:
    assert load(f"{module}.good:Term", ["weight"]).weight == 2.0
    assert load(f"{module}.good:twice", ["__call__"])(21) == 42


def test_a_known_name_and_an_import_path_lead_to_the_same_object(module: str) -> None:
    known = {"term": load(f"{module}.good:Term")}
    assert resolve("term", known) is resolve(f"{module}.good:Term", known)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("{}.good:Missing", "has no Missing"),
        ("{}.absent:Term", "there is no module '{}.absent'; install it, or put its folder on PYTHONPATH"),
        ("{}x.good:Term", "there is no module '{}x'; install it, or put its folder on PYTHONPATH"),
        ("{}.wanting:Term", "there is no module 'not_installed_anywhere'; it is not installed"),
        ("{}.broken:Term", "cannot be imported (RuntimeError: no luck)"),
        ("{}.typo:Term", "cannot be imported (SyntaxError: "),
        ("{}.good:Term", "lacks bound, unit"),
        ("{}.good:PLAIN", "lacks weight, bound, unit"),
        ("{}.good", "is no import path of the form my_package.my_module:MyName"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line_with_the_path(module: str, path: str, says: str) -> None:
    with pytest.raises(PluginError) as caught:
        load(path.format(module), ["weight", "bound", "unit"], "reward.terms")
    message = str(caught.value)
    assert says.format(module) in message
    assert message.startswith("reward.terms: ") and repr(path.format(module)) in message
    assert "\n" not in message


def test_a_name_that_is_neither_known_nor_a_path_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PluginError, match="'ppo' is not one of td3, sac, nor an import path my_package"):
        resolve("ppo", {"td3": "a:B", "sac": "a:C"}, role="learning.algorithm")


@dataclass(frozen=True)
class Chosen(Bounded):
    rule: str = named("td3", ("td3", "sac"), "update rule")


@pytest.mark.parametrize("value", ["td3", "sac", "mine:Rule", "my_package.my_module:MyRule", "_a.b2:C"])
def test_a_setting_takes_a_known_name_or_an_import_path(value: str) -> None:
    assert Chosen(value).rule == value


@pytest.mark.parametrize(
    "value", ["", "ppo", "a.b", "a.b:", ":C", "a..b:C", "a:b:C", "a b:C", "a:2", "a.b:C.d", "a:C\n"]
)
def test_a_setting_refuses_what_is_neither_and_names_the_known(value: str) -> None:
    assert not is_import_path(value)
    with pytest.raises(SettingsError, match=r"Chosen.rule: .* is not one of td3, sac, nor an import path my_package"):
        Chosen(value)


def test_each_name_in_the_settings_has_its_object() -> None:
    assert tuple(DRIVERS) == settings.DRIVERS
    assert tuple(algorithms.CLASSES) == settings.ALGORITHMS
    assert tuple(encoders.CLASSES) == settings.ENCODERS
    assert tuple(VALUES) == tuple(term.name for term in TERMS)

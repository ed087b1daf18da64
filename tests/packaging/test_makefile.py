# SPDX-License-Identifier: Apache-2.0
"""The variables of make: unknown ones are refused before anything starts, and values reach the command whole."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ..shared.patience import HANG

ROOT = Path(__file__).resolve().parents[2]


FOREIGN = {"MAKEFLAGS", "MAKELEVEL", "STEPS", "SEED", "PROFILE", "RUN", "OPTIONS", "VIEW", "PYTEST", "GPU"}


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What make would do, without doing it, where the environment has these variables."""
    clean = {name: value for name, value in os.environ.items() if name not in FOREIGN} | environment
    return subprocess.run(["make", "-n", *words], cwd=ROOT, env=clean, capture_output=True, text=True, timeout=HANG)


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("STEP=200", "STEPS"),
        ("steps=200", "STEPS"),
        ("Seeds=1", "SEED"),
        ("PROFIL=town", "PROFILE"),
        ("OPTION=x", "OPTIONS"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest(variable: str, near: str) -> None:
    for target in ("train", "build", "test"):
        done = make(target, variable)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"unknown variable {variable.partition('=')[0]}; did you mean {near}?" in done.stderr


def test_a_variable_like_no_other_is_refused_with_all() -> None:
    assert "unknown variable XYZZY; there are STEPS, SEED, " in make("train", "XYZZY=1").stderr


@pytest.mark.parametrize("variable", ["STEPS=abc", "STEPS=-5", "SEED=1.5", "SEED=0x3", "STEPS=2 000"])
def test_a_number_that_is_none_is_refused_before_anything_is_built(variable: str) -> None:
    done = make("train", variable)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{variable} is no whole number" in done.stderr


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("twon", "unknown profile twon, and no path of a YAML file; did you mean town?"),
        ("TOWN", "unknown profile TOWN, and no path of a YAML file; did you mean town?"),
        ("town ", "unknown profile town , and no path of a YAML file; did you mean town?"),
        ("xyzzy", "unknown profile xyzzy, and no path of a YAML file; there are full_1m, quick, "),
        ("it's $HOME", "; there are full_1m, quick, "),
        ("config", "; there are full_1m, quick, "),
        ("config/town", "unknown profile config/town, and no path"),
        ("config/twon.yaml", "profile config/twon.yaml: no such file"),
        ("no where.yml", "profile no where.yml: no such file"),
    ],
)
def test_a_profile_that_does_not_exist_is_refused_before_anything_is_built(profile: str, said: str) -> None:
    done = make("train", f"PROFILE={profile}")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_profiles_of_any_name_reach_the_command_whole(tmp_path: Path) -> None:
    mine = tmp_path / "it's größe 100%.yaml"
    mine.write_text("")
    for profile in ("town", "config/town.yaml", str(mine)):
        done = make("train", f"PROFILE={profile}")
        assert done.returncode == 0 and '--profile "$PROFILE"' in done.stdout, done.stderr


@pytest.mark.parametrize(
    "variable", ["VIEW=1", "STEPS=9", "GPU=1", "PIP_EXTRA_INDEX_URL=x", "ROS_DOMAIN_ID=3", "UPGRADE=1"]
)
def test_known_variables_are_taken(variable: str) -> None:
    assert make("train", variable).returncode == 0


def test_the_live_page_is_shown_where_it_is_asked_for() -> None:
    assert "--view" in make("train", "VIEW=1").stdout
    assert "--view" not in make("train").stdout + make("train", "VIEW=0").stdout


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PROFILE", "release", "unknown profile release"),
        ("PROFILE", "no.yaml", "profile no.yaml: no such file"),
        ("STEPS", "all", "STEPS=all is no whole number"),
        ("SEED", "0xbeef", "SEED=0xbeef is no whole number"),
    ],
)
def test_the_environment_matters_where_something_is_trained(name: str, value: str, said: str) -> None:
    for goals in ((), ("help",), ("test",), ("build", "lint"), ("clean",)):
        done = make(*goals, **{name: value})
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    for refused in (make("train", **{name: value}), make("build", "train", **{name: value}), make(f"{name}={value}")):
        assert (refused.returncode, refused.stdout) == (2, "") and said in refused.stderr


def test_a_profile_of_the_environment_is_trained() -> None:
    assert '--profile "$PROFILE"' in make("train", PROFILE="town").stdout

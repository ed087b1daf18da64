# SPDX-License-Identifier: Apache-2.0
"""Profiles and command-line settings."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.runs.profiles import config_directory, load_profile, override, parameter_file, profile_path
from td3_driving.settings import Settings, SettingsError, from_flat

PROFILES = sorted(path.stem for path in config_directory().glob("*.yaml"))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def parameters(tmp_path: Path, body: str) -> Path:
    return write(tmp_path, f"/**:\n  ros__parameters:\n    {body}\n")


def test_the_profiles_are_there() -> None:
    assert {"quick", "town", "validation_5k", "full_1m"} <= set(PROFILES)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_loads(profile: str) -> None:
    assert load_profile(profile_path(profile)) != Settings()


def test_validation_profile_holds_the_published_settings() -> None:
    flat = load_profile(profile_path("validation_5k")).flat()
    rates = [flat[f"learning.{part}_lr"] for part in ("actor_cnn", "actor_mlp", "critic_cnn", "critic_mlp")]
    assert rates == [1e-5, 1e-3, 1e-4, 1e-4]
    assert (flat["learning.actor_max_norm"], flat["learning.critic_max_norm"]) == (1.0, 10.0)
    assert [flat[f"pacing.{name}"] for name in ("learning_starts", "train_freq", "gradient_steps")] == [1000, 50, 1]
    assert (flat["run.steps"], flat["learning.policy_delay"], flat["learning.batch_size"]) == (5000, 2, 256)


@given(st.floats(1e-5, 1.0), st.integers(1, 10**9), st.booleans(), st.text("abc 01.:#'\"-{", max_size=20))
def test_parameter_file_carries_every_value_exactly(tau: float, steps: int, flag: bool, route: str) -> None:
    changed = {"learning.tau": tau, "run.steps": steps, "replay.on_disk": flag, "simulator.route": route}
    settings = from_flat(changed)
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(parameter_file(settings))
        file.flush()
        assert load_profile(Path(file.name)) == settings


def test_numbers_without_a_point_are_read_as_ros_reads_them(tmp_path: Path) -> None:
    assert load_profile(parameters(tmp_path, "learning: {tau: 1e-3}")).learning.tau == 1e-3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("learning: {gama: 0.9}", "unknown setting 'learning.gama'; did you mean 'learning.gamma'"),
        ("learning: {gamma: high}", "'high' is of type str, float is needed"),
        ("learning: {gamma: 1.5}", r"1\.5 is outside 0\.0 \.\. 0\.9999"),
        ("run: {steps: 1.5}", r"1\.5 is of type float, int is needed"),
        ("run: {steps: true}", "True is of type bool, int is needed"),
        ("run: [1]", "unknown setting 'run'"),
    ],
)
def test_wrong_settings_are_named_with_their_file(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(SettingsError, match=rf"mine\.yaml: .*{message}"):
        load_profile(parameters(tmp_path, body))


@pytest.mark.parametrize("text", ["", "1", "a: 1", "/**: 1", "/**:\n  parameters: {}", "/**:\n  ros__parameters: 3"])
def test_other_yaml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="not a ROS 2 parameter file"):
        load_profile(write(tmp_path, text))


def test_broken_yaml_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a YAML file") as caught:
        load_profile(write(tmp_path, "a: [1\nb: 2"))
    assert "\n" not in str(caught.value)


def test_profile_without_settings_is_the_default(tmp_path: Path) -> None:
    assert load_profile(write(tmp_path, "/**:\n  ros__parameters:\n")) == Settings()


def test_unknown_profile_lists_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'quik'; there are .*quick"):
        profile_path("quik")


def test_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"profile no/such\.yaml: no such file"):
        profile_path("no/such.yaml")


def test_overrides_come_last_and_keep_their_types() -> None:
    settings = override(Settings(), ["learning.gamma=0.5", "replay.on_disk=false", "simulator.map=town", "run.seed=3"])
    assert (settings.learning.gamma, settings.replay.on_disk) == (0.5, False)
    assert (settings.simulator.map, settings.run.seed) == ("town", 3)


@pytest.mark.parametrize("assignment", ["gamma", "learning.gamma=NaN", "learning.gamma=fast", "run.steps=1e3", "=3"])
def test_bad_overrides_are_refused(assignment: str) -> None:
    with pytest.raises(SettingsError):
        override(Settings(), [assignment])

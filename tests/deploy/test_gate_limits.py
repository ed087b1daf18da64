# SPDX-License-Identifier: Apache-2.0
"""Settings of the gate, the pedal map, and the conversion to other interfaces."""

from __future__ import annotations

import ast
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from td3_driving import cli
from td3_driving.bounded import SettingsError
from td3_driving.deploy.gate_types import GateOutput, Mode
from td3_driving.deploy.interfaces.motion import motion
from td3_driving.deploy.limits import GATE_GROUPS, GateSettings, PedalSettings, gate_settings, interpolate
from td3_driving.deploy.pedals import PedalMap, fit
from td3_driving.driving.action import Command
from td3_driving.export import fit_pedals
from td3_driving.sim.vehicle import CarParameters, Control, curvature, next_speed

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "src/td3_driving/td3_driving/deploy"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"limits.ster": [1.0]}, ("limits.ster", "did you mean", "limits.steer")),
        ({"limits.steer": [1.0, 1.0]}, ("limits.steer", "2 values for 5 speeds")),
        ({"limits.steer": [1.0, 1.0, 2.0, 1.0, 1.0]}, ("2.0", "0.01 .. 1")),
        ({"limits.jerk": [math.nan] * 5}, ("jerk", "nan", "0.5 .. 100")),
        ({"limits.speeds": [0.0, 5.0, 5.0, 20.0, 30.0]}, ("speeds", "does not rise")),
        ({"limits.speeds": "fast"}, ("'fast'", "not a list of numbers")),
        ({"limits.speeds": 3.0}, ("3.0", "not a list of numbers")),
        ({"limits.speeds": []}, ("not a list of numbers",)),
        ({"limits.speeds": [True] * 5}, ("not a list of numbers",)),
        ({"limits.lateral_jerk": 0.0}, ("lateral_jerk", "0.5 .. 50.0 m/s^3")),
        ({"budget.comfortable_after": 0.4}, ("comfortable_after", "0.4 s", "emergency_after, 0.3 s")),
        ({"budget.camera_age": 0.5}, ("camera_age", "0.5 s", "emergency_after, 0.3 s")),
        ({"budget.policy_period": 0.1}, ("comfortable_after", "0.1 s", "period of 0.1 s")),
        ({"vehicle.curve_shares": [1.0]}, ("curve_shares", "1 values for 4 curve_speeds")),
    ],
)
def test_bad_settings_are_named_with_value_and_range(values: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as error:
        gate_settings(values)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_tables_interpolate_and_end_flat() -> None:
    limits = GateSettings().limits
    assert limits.at("steer", 7.5) == pytest.approx(0.75), "between 1.0 at 5 m/s and 0.5 at 10 m/s"
    assert limits.at("steer", -7.5) == limits.at("steer", 7.5)
    assert (limits.at("steer", 0.0), limits.at("steer", 99.0)) == (1.0, 0.1)


@given(value=st.floats(-10.0, 50.0), row=st.lists(st.floats(-9.0, 9.0), min_size=4, max_size=4))
def test_interpolation_is_that_of_numpy(value: float, row: list[float]) -> None:
    axis = (0.0, 5.0, 7.0, 30.0)
    assert interpolate(value, axis, row) == pytest.approx(float(np.interp(value, axis, row)), abs=1e-12)


def test_hash_changes_with_any_setting() -> None:
    plain = GateSettings()
    changed = {gate_settings({key: value}).digest() for key, value in (("stop.flip", 0.9), ("limits.brake", [0.9] * 5))}
    assert len(changed | {plain.digest()}) == 3
    assert gate_settings(plain.flat()).digest() == plain.digest()


def test_the_parameter_file_lists_every_setting_with_its_default() -> None:
    text = (REPOSITORY / "config/vehicle/gate.yaml").read_text()
    parameters = yaml.safe_load(text)["/**/gate"]["ros__parameters"]
    assert parameters.pop("interface") == "carla"
    flat = {f"{group}.{name}": value for group, part in parameters.items() for name, value in part.items()}
    assert set(flat) == set(GateSettings().flat())
    assert gate_settings(flat) == GateSettings()


def test_every_setting_is_read_by_the_gate() -> None:
    """A name counts as read where code asks an object for it, or a table for its row."""
    read: set[str] = set()
    for path in [*DEPLOY.glob("gate*.py"), DEPLOY / "limits.py", DEPLOY / "pedals.py", *DEPLOY.glob("interfaces/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "at":
                read |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    wanted = {spec.name for group in GATE_GROUPS.values() for spec in fields(group)}  # type: ignore[arg-type]
    assert wanted - read == set()


# Pedals.


@given(
    speed=st.floats(-40.0, 40.0), pedal=st.floats(-1.0, 1.0), other=st.floats(-1.0, 1.0), beyond=st.floats(15.0, 99.0)
)
def test_the_pedal_map_has_an_exact_inverse(speed: float, pedal: float, other: float, beyond: float) -> None:
    pedals = PedalMap(GateSettings().pedals)
    there = pedals.acceleration(pedal, speed)
    assert pedals.pedal(there, speed) == pytest.approx(pedal, abs=1e-9)
    if other - pedal > 1e-6:
        assert pedals.acceleration(other, speed) > there
    assert (pedals.pedal(beyond, speed), pedals.pedal(-beyond, speed)) == (1.0, -1.0)


def test_the_default_map_is_what_the_fit_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fit-pedals"]) == 0
    printed = capsys.readouterr().out
    assert gate_settings_of(printed) == PedalSettings()
    assert "7175 samples; residual 0.0057 m/s^2 rms, 0.0652 m/s^2 at worst" in printed


def gate_settings_of(printed: str) -> PedalSettings:
    values = yaml.safe_load(printed)["pedals"]
    return PedalSettings(tuple(values["speeds"]), tuple(values["pedals"]), tuple(values["accelerations"]))


@pytest.mark.parametrize("speed", [3.3, 8.0, 13.7, 21.0])
@pytest.mark.parametrize("pedal", [-0.7, -0.1, 0.0, 0.3, 1.0])
def test_the_default_map_tells_what_the_embedded_vehicle_does(speed: float, pedal: float) -> None:
    control = Control(throttle=max(pedal, 0.0), brake=max(-pedal, 0.0))
    truth = (next_speed(speed, control, 0.01, CarParameters()) - speed) / 0.01
    assert PedalMap(PedalSettings()).acceleration(pedal, speed) == pytest.approx(truth, abs=0.04)


def test_a_map_is_found_again_from_noisy_samples() -> None:
    """a = 3 pedal - 0.01 speed: the corners are known."""
    generator = np.random.default_rng(0)
    speed, pedal = generator.uniform(0.0, 20.0, 4000), generator.uniform(-1.0, 1.0, 4000)
    samples = np.stack((speed, pedal, 3.0 * pedal - 0.01 * speed + generator.normal(0.0, 0.1, 4000)), axis=1)
    samples[:5] = np.nan
    found = fit(samples, (0.0, 20.0), (-1.0, 0.0, 1.0))
    assert found.settings.accelerations == pytest.approx((-3.0, 0.0, 3.0, -3.2, -0.2, 2.8), abs=0.03)
    assert found.rms == pytest.approx(0.1, abs=0.01)
    assert found.worst > 0.3


def test_samples_of_another_vehicle_come_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(v, p, 3.0 * p) for v in (0.0, 5.0, 10.0) for p in np.linspace(-1.0, 1.0, 9)]
    file = tmp_path / "samples.csv"
    np.savetxt(file, rows, delimiter=",", header="speed,pedal,acceleration")
    assert fit_pedals.main(["--samples", str(file), "--speeds", "0", "10"]) == 0
    assert gate_settings_of(capsys.readouterr().out).accelerations == pytest.approx(
        (-3.0, -1.5, 0.0, 1.5, 3.0) * 2, abs=1e-3
    )


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ("speed,pedal\n1,0\n", "2 columns"),
        ("speed,pedal,acceleration\n1,0,x\n", "x"),
        ("h\n" + "1,0.5,1\n" * 9, "no sample near"),
    ],
)
def test_bad_samples_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, word: str) -> None:
    file = tmp_path / "samples.csv"
    file.write_text(rows)
    assert fit_pedals.main(["--samples", str(file)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and word in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (PedalSettings(speeds=(0.0, 1.0)), "45 values for 10 points"),
        (PedalSettings(speeds=(1.0, 0.0)), "does not rise"),
        (PedalSettings((0.0,), (-1.0, 0.0, 1.0), (-1.0, 1.0, 1.0)), "does not rise with the pedal"),
        (PedalSettings((0.0,), (-0.5, 1.0), (-1.0, 1.0)), "does not go from -1 to 1"),
        (PedalSettings((0.0,), (-1.0,), (-1.0,)), "does not go from -1 to 1"),
    ],
)
def test_a_map_that_cannot_be_turned_round_is_refused(settings: PedalSettings, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        PedalMap(settings)


def test_a_map_of_one_speed_holds_at_every_speed() -> None:
    pedals = PedalMap(PedalSettings((3.0,), (-1.0, 1.0), (-2.0, 2.0)))
    assert [pedals.acceleration(0.5, speed) for speed in (0.0, 3.0, 50.0)] == [1.0, 1.0, 1.0]


# Vehicle and interfaces.


@pytest.mark.parametrize("speed", [0.0, 3.0, 5.0, 10.0, 20.0])
@pytest.mark.parametrize("steer", [-0.2, 0.05, 0.1])
def test_wheel_angle_is_that_of_the_embedded_vehicle(steer: float, speed: float) -> None:
    vehicle = GateSettings().vehicle
    angle = vehicle.wheel_angle(steer, speed)
    if speed * speed * math.tan(0.25) / vehicle.wheelbase < 8.0:
        turned = curvature(steer, speed, CarParameters())
        assert math.tan(angle) / vehicle.wheelbase == pytest.approx(turned, rel=1e-4)
    assert vehicle.steer(angle, speed) == pytest.approx(steer)
    if speed:
        assert vehicle.steer_of_lateral(vehicle.lateral(steer, speed), speed) == pytest.approx(steer)
        assert vehicle.lateral(steer, speed) == pytest.approx(-(speed**2) * math.tan(angle) / vehicle.wheelbase)


def output(mode: Mode, command: Command | None, acceleration: float, speed: float, reverse: bool = False) -> GateOutput:
    return GateOutput(mode, command, acceleration, speed, reverse)


def test_motion_is_in_ros_axes() -> None:
    vehicle = GateSettings().vehicle
    drive = motion(output(Mode.ACTIVE, Command(0.5, 0.0, 0.1), 2.0, 4.0), vehicle, 1.0)
    assert drive.wheel_angle == pytest.approx(-0.1 * 1.22173 * (1.0 - 0.1 * 4.0 / 5.5556)), "right is negative"
    assert drive.wheel_rate == pytest.approx(1.22173 * (1.0 - 0.1 * 4.0 / 5.5556))
    assert (drive.speed, drive.acceleration) == (5.0, 2.0), "half a second ahead"
    assert motion(output(Mode.MANUAL, Command(0.5, 0.0, 0.0), 2.0, -4.0, True), vehicle, 1.0).speed == -5.0
    assert motion(output(Mode.ACTIVE, Command(0.0, 1.0, 0.0), -9.0, 4.0), vehicle, 1.0).speed == 0.0


@pytest.mark.parametrize("mode", [Mode.COMFORTABLE_STOP, Mode.EMERGENCY_STOP])
def test_a_stop_asks_for_speed_zero(mode: Mode) -> None:
    asked = motion(output(mode, Command(0.0, 0.2, 0.0), -1.5, 8.0), GateSettings().vehicle, 1.0)
    assert (asked.speed, asked.acceleration) == (0.0, -1.5)


def test_nothing_is_made_of_nothing() -> None:
    with pytest.raises(ValueError, match="mode WAITING carries no command"):
        motion(output(Mode.WAITING, None, math.nan, 0.0), GateSettings().vehicle, 1.0)

# SPDX-License-Identifier: Apache-2.0
"""The limits: by hand where a number can be worked out, by properties over random courses."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3_driving.deploy.gate_filter import Limiter
from td3_driving.deploy.gate_types import in_range
from td3_driving.deploy.limits import GateSettings, gate_settings
from td3_driving.driving.action import Command

from .gate_limits import LIMITS, PEDALS, VEHICLE, check_bounds

PERIOD = 0.05


def limiter(steer: float = 0.0, acceleration: float = 0.0, **changes: object) -> Limiter:
    """A limiter that has waited for a whole period."""
    made = Limiter(gate_settings({name.replace("__", "."): value for name, value in changes.items()}))
    made.restart(steer, acceleration)
    made.advance(PERIOD)
    return made


# By hand.


def test_steering_moves_by_its_rate() -> None:
    """At standstill 2.0/s: 0.1 in 50 ms."""
    limited = limiter().limit(Command(0.0, 0.0, 1.0), 0.0)
    assert limited.command.steer == pytest.approx(0.1)
    assert limited.filters == ("steer rate",)
    assert limiter().limit(Command(0.0, 0.0, -1.0), 0.0).command.steer == pytest.approx(-0.1)
    assert limiter().limit(Command(0.0, 0.0, 0.1), 0.0).filters == ()


def test_steering_rate_goes_by_speed() -> None:
    slow = limiter(limits__lateral_jerk=50.0).limit(Command(0.0, 0.0, 1.0), 5.0)
    assert slow.command.steer == pytest.approx(1.5 * PERIOD)


def test_steering_moves_by_the_lateral_jerk() -> None:
    """7 m/s^3 for 50 ms at 10 m/s: the tangent of the wheel angle changes by 0.35 * 2.875 / 100."""
    full = VEHICLE.full_angle(10.0)
    right = limiter().limit(Command(0.0, 0.0, 1.0), 10.0).command.steer
    assert math.tan(right * full) == pytest.approx(0.35 * 2.875 / 100.0)
    further = limiter(steer=0.05).limit(Command(0.0, 0.0, 1.0), 10.0).command.steer
    assert math.tan(further * full) - math.tan(0.05 * full) == pytest.approx(0.35 * 2.875 / 100.0)
    back = limiter(steer=0.05).limit(Command(0.0, 0.0, -1.0), 10.0).command.steer
    assert math.tan(0.05 * full) - math.tan(back * full) == pytest.approx(0.35 * 2.875 / 100.0)


def test_steering_ends_at_the_table_or_at_the_lateral_acceleration() -> None:
    """At 20 m/s the table says 0.2; 4 m/s^2 of lateral acceleration are less."""
    by_table = limiter(steer=1.0, limits__lateral_acceleration=12.0, limits__steer=[1.0, 1.0, 0.5, 0.02, 0.01])
    limited = by_table.limit(Command(0.0, 0.0, 1.0), 20.0)
    assert (limited.command.steer, limited.filters) == (0.02, ("steer limit",))
    limited = limiter(steer=-1.0).limit(Command(0.0, 0.0, -1.0), 20.0)
    assert 400.0 * math.tan(-limited.command.steer * VEHICLE.full_angle(20.0)) / 2.875 == pytest.approx(4.0)
    assert limited.filters == ("steer limit",)


def test_acceleration_moves_by_its_jerk() -> None:
    """20 m/s^3 for 50 ms: 1 m/s^2, from 0."""
    limited = limiter().limit(Command(1.0, 0.0, 0.0), 2.0)
    assert (limited.acceleration, limited.filters) == (pytest.approx(1.0), ("jerk",))
    assert PEDALS.acceleration(limited.command.throttle, 2.0) == pytest.approx(1.0)
    limited = limiter(acceleration=-3.0).limit(Command(0.0, 1.0, 0.0), 2.0)
    assert (limited.acceleration, limited.filters) == (pytest.approx(-4.0), ("jerk",))
    assert PEDALS.acceleration(-limited.command.brake, 2.0) == pytest.approx(-4.0)


def test_pedals_end_at_their_tables() -> None:
    half = {"limits__throttle": [0.5] * 5, "limits__brake": [0.25] * 5}
    limited = limiter(acceleration=2.0, **half).limit(Command(1.0, 0.0, 0.0), 2.0)
    assert (limited.command, limited.filters) == (Command(0.5, 0.0, 0.0), ("pedal limit",))
    limited = limiter(acceleration=-2.0, **half).limit(Command(0.0, 1.0, 0.0), 2.0)
    assert (limited.command, limited.filters) == (Command(0.0, 0.25, 0.0), ("pedal limit",))


def test_acceleration_ends_at_its_table() -> None:
    gentle = {"limits__acceleration": [1.0] * 5, "limits__deceleration": [2.0] * 5}
    limited = limiter(acceleration=0.5, **gentle).limit(Command(1.0, 0.0, 0.0), 2.0)
    assert (limited.acceleration, limited.filters[-1]) == (1.0, "acceleration limit")
    limited = limiter(acceleration=-1.5, **gentle).limit(Command(0.0, 1.0, 0.0), 2.0)
    assert (limited.acceleration, limited.filters[-1]) == (-2.0, "acceleration limit")


def test_out_of_range_and_both_pedals() -> None:
    limited = limiter(acceleration=-9.0).limit(Command(3.0, 7.0, 0.0), 2.0)
    assert limited.filters[0] == "range"
    assert limited.command.throttle == 0.0 and limited.command.brake > 0.8
    assert limiter().limit(Command(-1.0, -1.0, 0.0), 2.0).command == Command(0.0, 0.0, 0.0)
    assert limiter(steer=1.0).limit(Command(0.0, 0.0, 4.0), 0.0).command.steer == 1.0


def test_credit_is_one_period_and_is_spent() -> None:
    made = limiter()
    made.advance(10.0)
    assert made.limit(Command(1.0, 0.0, 1.0), 0.0).command.steer == pytest.approx(0.1), "no more than one period"
    assert made.limit(Command(1.0, 0.0, 1.0), 0.0).command.steer == pytest.approx(0.1), "all is spent"
    made.advance(0.01)
    assert made.limit(Command(1.0, 0.0, 1.0), 0.0).command.steer == pytest.approx(0.12)
    assert made.limit(Command(1.0, 0.0, -1.0), 0.0).command.steer == pytest.approx(0.12), "neither way"
    made.advance(0.02)
    made.limit(Command(1.0, 0.0, 0.13), 0.0)
    assert made.limit(Command(1.0, 0.0, 1.0), 0.0).command.steer == pytest.approx(0.16), "what is left is kept"


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_steering_to_either_side_spends_credit(side: float) -> None:
    made = limiter()
    made.limit(Command(0.0, 0.0, 0.1 * side), 0.0)
    assert made.limit(Command(0.0, 0.0, side), 0.0).command.steer == pytest.approx(0.1 * side)


def test_lateral_jerk_spends_credit() -> None:
    """Half of the change now, the other half in the same instant, and no more."""
    full, half = VEHICLE.full_angle(10.0), 0.175 * 2.875 / 100.0
    made = limiter(steer=0.05)
    start = math.tan(0.05 * full)
    for share in (1.0, 2.0):
        asked = math.atan(start + share * half) / full
        assert made.limit(Command(0.0, 0.0, asked), 10.0).command.steer == pytest.approx(asked)
    limited = made.limit(Command(0.0, 0.0, 1.0), 10.0)
    assert math.tan(limited.command.steer * full) == pytest.approx(start + 2.0 * half)


def test_rolling_backwards_is_not_standing() -> None:
    forward, back = (limiter().limit(Command(0.0, 0.0, 1.0), speed) for speed in (10.0, -10.0))
    assert back.command.steer == forward.command.steer
    forward, back = (limiter(steer=1.0).limit(Command(0.0, 0.0, 1.0), speed) for speed in (20.0, -20.0))
    assert back.command.steer == forward.command.steer < 0.1
    assert limiter(acceleration=-5.0).limit(Command(0.2, 0.0, 0.0), -4.0).acceleration == pytest.approx(-4.0)
    made = limiter()
    for _ in range(60):
        limited = made.stop(1.0, 2.0, -4.0)
        made.advance(0.02)
    assert limited.acceleration == -1.0, "not that of a standing vehicle"


def test_jerk_credit_is_spent_too() -> None:
    made = limiter()
    assert made.limit(Command(1.0, 0.0, 0.0), 2.0).acceleration == pytest.approx(1.0)
    made.advance(0.02)
    some = PEDALS.pedal(1.1, 2.0)
    assert made.limit(Command(some, 0.0, 0.0), 2.0).acceleration == pytest.approx(1.1)
    assert made.limit(Command(1.0, 0.0, 0.0), 2.0).acceleration == pytest.approx(1.4)
    assert made.limit(Command(1.0, 0.0, 0.0), 2.0).acceleration == pytest.approx(1.4)


def test_standing_vehicle_starts_from_no_deceleration() -> None:
    """Throttle 0.2 at standstill is 0.775 m/s^2, less than the 1 m/s^2 of a period."""
    limited = limiter(acceleration=-5.0).limit(Command(0.2, 0.0, 0.0), 0.05)
    assert (limited.command, limited.filters) == (Command(0.2, 0.0, 0.0), ())
    limited = limiter(acceleration=-5.0).limit(Command(1.0, 0.0, 0.0), 0.05)
    assert limited.acceleration == pytest.approx(1.0), "and from there by its jerk"
    limited = limiter(acceleration=-5.0).limit(Command(0.2, 0.0, 0.0), 0.2)
    assert (limited.acceleration, limited.filters) == (pytest.approx(-4.0), ("jerk",)), "a moving one does not"
    limited = limiter(acceleration=-5.0).limit(Command(0.0, 0.1, 0.0), 0.05)
    assert (limited.command.brake, limited.filters) == (0.1, ()), "nor is a softer brake held up"
    limited = limiter(acceleration=-1.0).limit(Command(0.0, 1.0, 0.0), 0.05)
    assert limited.acceleration == pytest.approx(-2.0), "a harder one is"


def test_follow_takes_over_from_a_command() -> None:
    made = limiter()
    made.follow(Command(0.0, 0.5, 0.3), 4.0)
    assert (made.steer, made.acceleration) == (0.3, PEDALS.acceleration(-0.5, 4.0))
    assert made.limit(Command(0.0, 0.0, 0.0), 4.0).command.steer == 0.3, "without credit"


def test_restart_keeps_the_steering_in_range() -> None:
    assert [limiter(steer=value).steer for value in (-3.0, 0.5, 3.0)] == [-1.0, 0.5, 1.0]


@pytest.mark.parametrize(("speed", "deceleration"), [(4.0, 1.0), (0.05, 2.0)])
def test_stop_reaches_its_deceleration(speed: float, deceleration: float) -> None:
    made = limiter(acceleration=3.0)
    accelerations = []
    for _ in range(100):
        limited = made.stop(1.0, 2.0, speed)
        accelerations.append(limited.acceleration)
        made.advance(0.02)
    assert accelerations[0] == pytest.approx(PEDALS.acceleration(0.0, speed) - 2.0 * PERIOD)
    assert accelerations[1] - accelerations[0] == pytest.approx(-0.04)
    assert accelerations[-1] == -deceleration
    assert limited.command.throttle == 0.0
    assert PEDALS.acceleration(-limited.command.brake, speed) == pytest.approx(-deceleration)


def test_stop_holds_the_wheel_inside_its_limits() -> None:
    assert limiter(steer=0.3).stop(1.0, 2.0, 4.0).command.steer == 0.3
    assert limiter(steer=0.9, limits__steer=[0.4] * 5).stop(1.0, 2.0, 1.0).command.steer == 0.4


def test_brake_of_the_last_command() -> None:
    assert limiter(acceleration=3.0).brake(1.5, 4.0).acceleration == -2.0, "the deceleration that holds"
    assert limiter(acceleration=3.0).brake(2.5, 4.0).acceleration == -2.5
    limited = limiter(steer=0.2, acceleration=-4.0).brake(2.5, 4.0)
    assert (limited.acceleration, limited.command.steer, limited.command.throttle) == (-4.0, 0.2, 0.0)
    assert PEDALS.acceleration(-limited.command.brake, 4.0) == pytest.approx(-4.0)


# Properties.


COMMANDS = st.builds(
    Command, st.floats(0.0, 1.0) | st.just(0.0), st.floats(0.0, 1.0) | st.just(0.0), st.floats(-1.0, 1.0)
)


@settings(max_examples=60, deadline=None)
@given(
    speed=st.floats(0.0, 35.0),
    asked=st.lists(st.tuples(COMMANDS, st.floats(0.0, 0.1)), min_size=2, max_size=40),
)
def test_rate_and_jerk_hold_over_every_interval(speed: float, asked: list[tuple[Command, float]]) -> None:
    """At a constant speed: the way up and down together is at most the rate times the interval and one period."""
    made = Limiter(GateSettings())
    times, steers, laterals, accelerations = [0.0], [0.0], [0.0], [0.0]
    for command, dt in asked:
        made.advance(dt)
        limited = made.limit(command, speed)
        check_bounds(limited.command, speed)
        times.append(times[-1] + dt)
        steers.append(limited.command.steer)
        laterals.append(VEHICLE.lateral(limited.command.steer, speed))
        accelerations.append(limited.acceleration)
    total = times[-1] + PERIOD
    assert sum(abs(b - a) for a, b in pairwise(steers)) <= LIMITS.at("steer_rate", speed) * total + 1e-6
    assert sum(abs(b - a) for a, b in pairwise(laterals)) <= LIMITS.lateral_jerk * total + 1e-6 or speed < 0.1
    if speed >= 0.1:
        start = max(abs(accelerations[1]), 0.0) if accelerations[1] < -LIMITS.at("deceleration", speed) else 0.0
        moved = sum(abs(b - a) for a, b in pairwise(accelerations))
        assert moved - start <= LIMITS.at("jerk", speed) * total + 1e-6


@settings(max_examples=60, deadline=None)
@given(speed=st.floats(-40.0, 40.0), asked=COMMANDS)
def test_a_wish_inside_the_limits_is_reached_exactly(speed: float, asked: Command) -> None:
    made = Limiter(GateSettings())
    for _ in range(400):
        made.advance(PERIOD)
        limited = made.limit(asked, speed)
    again = Limiter(GateSettings())
    again.restart(limited.command.steer, limited.acceleration)
    again.advance(PERIOD)
    kept = again.limit(limited.command, speed)
    assert kept.command == limited.command or kept.command.steer == pytest.approx(limited.command.steer, abs=1e-6)
    if "pedal limit" not in limited.filters and "acceleration limit" not in limited.filters:
        wanted = in_range(asked)
        assert (limited.command.throttle, limited.command.brake) == (wanted.throttle, wanted.brake)

# SPDX-License-Identifier: Apache-2.0
"""The world: time, resets, commands, contacts, markings."""

import math

import numpy as np
import pytest

from td3_driving.settings import SimulatorSettings
from td3_driving.sim.routes import RouteError
from td3_driving.sim.scenarios import SCENARIOS
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World, WorldFrame, stamp_ns

EMPTY = SimulatorSettings(map="straight", vehicles=0, route="100 -1.75 400 -1.75")
BROKEN_LINE, SOLID_LINE = 1, 2


def fingerprint(frame: WorldFrame) -> tuple[object, ...]:
    vehicles = frame.vehicles
    return frame.number, frame.elapsed, frame.ego, vehicles.x.tobytes(), vehicles.y.tobytes(), frame.lane_invasions


def drive(world: World, steps: int) -> list[tuple[object, ...]]:
    prints = []
    for step in range(steps):
        world.apply(Control(throttle=0.4, steer=0.1 * math.sin(step / 5.0)))
        prints.append(fingerprint(world.tick()))
    return prints


def test_the_same_seed_gives_the_same_frames_bit_by_bit() -> None:
    settings = SimulatorSettings(map="town")
    first, second, third = World(settings, 3), World(settings, 3), World(settings, 4)
    assert drive(first, 150) == drive(second, 150) != drive(third, 150)
    first.reset(1, 9)
    second.reset(1, 9)
    assert drive(first, 50) == drive(second, 50)


def test_moving_the_traffic_early_changes_nothing() -> None:
    early, late = (World(SimulatorSettings(map="curves"), 3) for _ in range(2))
    for _ in range(50):
        early.prepare()
        early.prepare()
        assert fingerprint(early.tick()) == fingerprint(late.tick())


def test_a_reset_does_not_depend_on_what_was_before() -> None:
    fresh, used = World(SimulatorSettings(map="town"), 0), World(SimulatorSettings(map="town"), 7)
    drive(used, 77)
    assert np.array_equal(fresh.reset(0, 5), used.reset(0, 5))
    a, b = fresh.tick(), used.tick()
    assert (a.ego.x, a.ego.y, a.ego.yaw, a.ego.speed) == (b.ego.x, b.ego.y, b.ego.yaw, b.ego.speed)
    assert np.array_equal(a.vehicles.x, b.vehicles.x)


def test_time_goes_on_across_resets() -> None:
    world = World(EMPTY, 0)
    before = world.tick()
    assert before.elapsed > 0.0
    assert before.number > 0
    expected = world.next_stamp_ns
    route = world.reset(0, 1)
    after = world.tick()
    assert (after.number, after.elapsed) == (before.number + 1, pytest.approx(before.elapsed + 0.05))
    assert after.ego.stamp_ns == expected == stamp_ns(after.elapsed)
    assert (after.ego.x, after.ego.y, after.ego.speed) == (route[0, 0], route[0, 1], 0.0)
    assert after.ego.yaw == pytest.approx(route[0, 2], abs=1e-6)


def test_stamps_are_truncated() -> None:
    assert stamp_ns(12.35) == 12_349_999_999
    assert stamp_ns(5.0) == 5_000_000_000


@pytest.mark.parametrize("scenario", [0, 1, 2])
def test_scenarios_differ_in_their_traffic(scenario: int) -> None:
    world = World(SimulatorSettings(map="curves"), 0)
    world.reset(scenario, 0)
    assert len(world.tick().vehicles.x) == SCENARIOS[scenario].vehicles


def test_bad_resets_leave_the_world_alone() -> None:
    world = World(EMPTY, 0)
    with pytest.raises(ValueError, match=r"0 \.\. 3"):
        world.reset(4, 0)
    with pytest.raises(RouteError):
        World(SimulatorSettings(map="straight", route="0 500 1 500"), 0)
    assert world.tick().ego.x == pytest.approx(100.0, abs=0.01)


def test_a_command_holds_until_the_next_one() -> None:
    world = World(EMPTY, 0)
    world.apply(Control(throttle=2.0, steer=0.0))
    frames = [world.tick() for _ in range(20)]
    assert all(frame.control.throttle == 1.0 for frame in frames)
    assert frames[-1].ego.speed > frames[-2].ego.speed > 0.0
    assert frames[-1].acceleration[0] == pytest.approx((frames[-1].ego.speed - frames[-2].ego.speed) / 0.05)
    with pytest.raises(ValueError, match="not finite"):
        world.apply(Control(steer=math.nan))


def test_steering_right_turns_right() -> None:
    world = World(EMPTY, 0)
    world.apply(Control(throttle=0.5, steer=0.3))
    frame = [world.tick() for _ in range(40)][-1]
    assert frame.ego.yaw_rate < 0.0
    assert frame.ego.yaw < 0.0
    assert frame.ego.y < -1.75


def test_teleporting_keeps_the_speed_and_crosses_nothing() -> None:
    world = World(EMPTY, 0)
    world.set_speed(5.0)
    world.tick()
    world.teleport(200.0, 1.75, math.pi)
    frame = world.tick()
    assert frame.ego.speed == pytest.approx(5.0, abs=0.05)
    assert frame.ego.x == pytest.approx(200.0 - 0.25, abs=0.01)
    assert frame.lane_invasions == ()
    assert math.hypot(*frame.acceleration) < 1.0


def test_running_into_a_parked_vehicle() -> None:
    world = World(EMPTY, 0)
    number = world.park(0, 130.0, -1.75, 0.0)
    world.set_speed(10.0)
    contact = None
    for _ in range(100):
        frame = world.tick()
        if frame.collisions:
            contact = frame.collisions[0]
            break
    assert contact is not None
    assert contact.actor_id == number
    assert contact.impulse[0] == pytest.approx(-world.parameters.mass / 2 * 10.0, rel=0.1)
    gap = 130.0 - frame.vehicles.length[0] / 2 - (frame.ego.x + world.parameters.length / 2)
    assert 0.0 <= gap < 0.6, "the ego stands in front of it, not in it"
    assert frame.ego.speed == 0.0
    assert world.tick().collisions == ()


def test_parked_vehicles_need_room_and_can_be_taken_away() -> None:
    world = World(EMPTY, 0)
    assert world.park(0, 101.0, -1.75, 0.0) == -1, "the ego stands there"
    first, second = world.park(0, 130.0, -1.75, 0.0), world.park(1, 140.0, -1.75, 0.0)
    assert world.park(0, 131.0, -1.75, 0.0) == -1
    assert world.tick().vehicles.ids.tolist() == [first, second]
    world.parked.remove(first)
    assert world.tick().vehicles.ids.tolist() == [second]
    assert world.park(0, 130.0, -1.75, 0.0) > second, "ids are not given twice"


def sideways(world: World, start: float, end: float) -> list[int]:
    """Markings crossed while the ego is shifted from one y to another [m] in steps of 5 cm, driving along x."""
    crossed: list[int] = []
    world.teleport(200.0, start, 0.0)
    world.tick()
    for y in np.arange(start, end, math.copysign(0.05, end - start)):
        world.car.y = float(y)
        crossed += world.tick().lane_invasions
    return crossed


def test_markings_are_reported_when_they_are_crossed_and_only_then() -> None:
    world = World(EMPTY, 0)
    assert sideways(world, -1.75, -1.2) == []
    assert sideways(world, -1.75, 0.0) == [BROKEN_LINE], "left wheels over the middle"
    assert sideways(world, -1.75, 2.5) == [BROKEN_LINE, BROKEN_LINE, SOLID_LINE], "both sides, then the far edge"
    assert sideways(world, -1.75, -3.2) == [SOLID_LINE], "right wheels over the edge"


def test_reroute_leads_from_where_the_ego_is() -> None:
    world = World(EMPTY, 0)
    world.teleport(150.0, -1.75, 0.0)
    route = world.reroute(200.0, -1.75)
    assert route[[0, -1], 0] == pytest.approx([150.0, 200.0], abs=0.01)
    with pytest.raises(RouteError):
        world.reroute(100.0, -1.75)
    assert world.route is route

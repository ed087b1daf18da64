# SPDX-License-Identifier: Apache-2.0
"""A whole session on a scripted server: start, resets, traffic, and what keeps it from starting."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("carla", reason="the package carla is not installed")

import carla

from td3_driving.carla import traffic
from td3_driving.carla.programs import Program
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.world import World as EmbeddedWorld

from .fake_stack import Make, cars, distance


def test_start_order_first_reset_and_orderly_end(make: Make) -> None:
    one = make()
    one.fake.add("vehicle.audi.tt", "autopilot")
    one.fake.settings = {"synchronous_mode": True, "fixed_delta_seconds": 0.05}
    one.start()
    one.until_ready()
    stages = [text.split("stage ")[1].split(":")[0] for text in one.said if "done in" in text]
    assert stages == ["client", "server", "town", "bridge", "ego", "traffic manager"]
    names = [name for name, _ in one.fake.calls]
    assert names.index("apply_settings") < names.index("load_world") < names.index("get_trafficmanager")
    assert one.fake.named("load_world") == ["Town02"]
    answer = one.reset()
    assert answer.success and len(answer.route) > 80
    assert distance(answer, one.bridge.place) < 1e-6 and one.bridge.speed == 0.0
    assert answer.stamp_ns == one.bridge.braked[-1] + one.bridge.DELTA_NS // 2
    assert len(cars(one)) == 8 and {car.autopilot_port for car in cars(one)} == {one.manager_port}
    assert one.fake.manager.synchronous and one.fake.manager.seeds == [1]
    one.fake.settings = {"synchronous_mode": True, "fixed_delta_seconds": 0.05}
    one.close()
    assert one.fake.settings["synchronous_mode"] is False and not one.fake.manager.synchronous
    assert cars(one) == []
    assert not any(one.runs(name) for name in ("spawner", "bridge", "server"))


def test_bridge_and_spawner_get_their_files(make: Make) -> None:
    one = make()
    one.start()
    one.until_ready()
    for name, node in (("bridge", "carla_ros_bridge"), ("spawner", "carla_spawn_objects")):
        words = one.starts(name)[0].split()
        assert words[:2] == ["--ros-args", "--params-file"] and words[3:] == ["-r", f"__node:={node}"]
        assert Path(words[2]).is_file()
    assert "town: Carla/Maps/Town02" in (one.home / "work" / "bridge.yaml").read_text()


def test_the_route_is_that_of_the_embedded_simulator(make: Make) -> None:
    """On the map as the genuine client gives it, after it has loaded that map."""
    one = make(genuine=True, carla__town="town", simulator__vehicles=0)
    one.start()
    one.until_ready()
    same_map = SimulatorSettings(map=str(one.home / "work" / "town.xodr"), vehicles=0, scenario=1)
    embedded = EmbeddedWorld(same_map, 5)
    for seed in (5, 6):
        wanted = embedded.reset(1, seed)
        assert np.array_equal(one.reset(scenario=1, seed=seed).route, wanted)


def test_traffic_follows_the_scenario_and_leaves_the_start_free(make: Make) -> None:
    one = make(simulator__vehicles=-1)
    one.start()
    one.until_ready()
    for scenario, count in ((0, 20), (1, 50), (0, 20)):
        answer = one.reset(scenario, seed=scenario + 3)
        start = answer.route[0]
        assert len(cars(one)) == count, one.said[-1]
        places = [(car.get_location().x, -car.get_location().y) for car in cars(one)]
        assert all(math.hypot(x - start[0], y - start[1]) >= traffic.CLEAR for x, y in places)
    assert one.fake.named("get_trafficmanager") == [one.manager_port]


def test_spawns_that_fail_are_told_and_made_up_for(make: Make) -> None:
    one = make()
    one.fake.refused = 3
    one.start()
    one.until_ready()
    one.reset()
    assert len(cars(one)) == 5 and "5 vehicles instead of 8" in one.said[-1]
    one.reset(seed=2)
    assert len(cars(one)) == 8


def test_traffic_that_nobody_moves_is_told(make: Make) -> None:
    one = make()
    one.start()
    one.until_ready()
    one.reset()
    one.reset(seed=2)
    assert any("vehicles stand" in text for text in one.said)


def test_a_teleport_that_got_lost_is_repeated(make: Make) -> None:
    one = make()
    one.bridge.deaf = 4
    one.start()
    one.until_ready()
    answer = one.reset()
    assert answer.success and len(one.bridge.teleports) == 5
    assert distance(answer, one.bridge.place) < 1e-6


def test_every_frame_of_a_reset_is_answered_and_enough_are_discarded(make: Make) -> None:
    one = make(carla__discard_frames=12)
    one.start()
    one.until_ready()
    one.bridge.speed = 9.0
    before = len(one.bridge.braked)
    one.reset()
    assert "carla.discard_frames" in one.audit.reads
    stamps = one.bridge.braked[before:]
    assert len(stamps) >= 13
    assert all(0 <= after - earlier <= one.bridge.DELTA_NS for earlier, after in zip(stamps[1:], stamps[2:]))


def test_a_bad_request_is_refused_and_the_session_goes_on(make: Make) -> None:
    one = make()
    one.start()
    one.until_ready()
    answer = one.reset(scenario=4)
    assert not answer.success and "scenario 4 is outside 0 .. 3" in answer.message
    assert one.reset().success


def test_a_route_off_the_map_is_refused(make: Make) -> None:
    one = make(simulator__route="9000 9000 9100 9100")
    one.start()
    one.until_ready()
    answer = one.reset()
    assert not answer.success and "more than 5 m from every lane" in answer.message


def test_no_server_and_none_to_start_is_one_sentence(make: Make) -> None:
    one = make()
    one.environment.pop("CARLA_ROOT")
    (one.home / "carla" / "CarlaUE4.sh").unlink()
    one.start()
    message = one.failure()
    assert message.startswith("CARLA, stage server: ") and "\n" not in message


def test_an_attached_server_that_does_not_come_is_told_within_its_time(make: Make) -> None:
    one = make(carla__server="attach", carla__stage_timeout=1.0)
    one.start()
    message = one.failure()
    assert f"nothing listens at localhost:{one.port} within 1 s; check that a CARLA server runs" in message
    assert one.starts("server") == []


def test_a_server_that_ends_at_once_is_told_with_its_last_words(make: Make) -> None:
    one = make()
    (one.home / "carla" / "CarlaUE4.sh").write_text("#!/bin/sh\necho no GPU found\nexit 9\n")
    one.start()
    assert "server ended with exit code 9 (no GPU found)" in one.failure()


def test_another_version_of_the_server_is_refused(make: Make) -> None:
    one = make()
    one.fake.server_version = "0.9.14"
    one.start()
    assert "install carla==0.9.14" in one.failure()


def test_a_bridge_that_is_not_built_is_told(make: Make) -> None:
    one = make()
    (one.home / "ws" / "lib" / "carla_ros_bridge" / "bridge").unlink()
    one.start()
    assert "stage bridge: no ROS package carla_ros_bridge" in one.failure()


def test_a_foreign_traffic_manager_is_told(make: Make) -> None:
    one = make()
    one.bridge.join_traffic_manager()
    one.bridge._forget_manager = lambda: None  # type: ignore[method-assign]
    one.start()
    assert "another program hosts a traffic manager" in one.failure()


def test_a_traffic_manager_that_listens_before_the_server_knows_of_it_is_waited_for(make: Make) -> None:
    one = make()
    one.fake.unregistered = 3
    one.start()
    one.until_ready()
    assert one.fake.named("get_trafficmanager") == [one.manager_port] * 4
    assert one.reset().success and len(cars(one)) == 8


def test_a_traffic_manager_that_is_slow_to_answer_is_asked_again(make: Make) -> None:
    one = make()
    one.fake.busy = 2
    one.start()
    one.until_ready()
    assert one.fake.manager.synchronous and not any("new start" in text for text in one.said)
    assert one.fake.named("tm.set_synchronous_mode") == [True] * 3


def test_an_attached_server_is_left_alone(make: Make) -> None:
    one = make(carla__server="attach")
    program = Program("server", [str(one.home / "carla" / "CarlaUE4.sh")], one.home, one.environment)
    try:
        one.start()
        one.until_ready()
        one.close()
        assert program.alive
    finally:
        program.stop()


def test_a_bridge_of_others_is_used_and_not_touched(make: Make) -> None:
    """Whoever started the bridge owns its settings, its ego and its end."""
    one = make(carla__bridge="attach", simulator__vehicles=0)
    one.fake.load("Town02")
    ego = one.fake.add("vehicle.tesla.model3", "ego_vehicle")
    folder = one.home / "ws" / "lib"
    others = [
        Program(name, [str(folder / package / executable)], one.home, one.environment)
        for name, package, executable in (
            ("b", "carla_ros_bridge", "bridge"),
            ("s", "carla_spawn_objects", "carla_spawn_objects"),
        )
    ]
    try:
        one.start()
        one.until_ready()
        assert one.reset().success
        one.close()
        assert all(program.alive for program in others)
        assert ego.id in one.fake.actors and one.fake.named("apply_settings") == []
    finally:
        for program in others:
            program.stop()


def test_a_bridge_on_another_town_is_told(make: Make) -> None:
    one = make(carla__bridge="attach")
    one.start()
    assert "the bridge runs on Carla/Maps/Town10HD, carla.town is Town02" in one.failure()
    assert one.fake.named("load_world") == []


def test_scenario_0_on_carlas_own_town(make: Make, shared_data: Path) -> None:
    """The real map: about 264 m from (317, 129) to (92, 87) in CARLA's axes, and the ego just above the road."""
    town = shared_data / "carla_towns" / "Town01.xodr"
    if not town.is_file():
        pytest.skip("the map of Town01 is not at hand")
    one = make(genuine=True, shown=str(town), simulator__vehicles=0)
    one.start()
    one.until_ready()
    answer = one.reset()
    steps = np.hypot(*np.diff(answer.route[:, :2], axis=0).T)
    assert steps.sum() == pytest.approx(264.0, abs=5.0)
    assert math.dist(answer.route[0, :2], (317.0, -129.0)) < 5.0
    assert math.dist(answer.route[-1, :2], (92.0, -87.0)) < 5.0
    pose = one.bridge.teleports[-1]
    lane = carla.Map("Town01", town.read_text()).get_waypoint(carla.Location(pose.x, -pose.y, 0.0))
    assert 0.0 < pose.z - lane.transform.location.z <= 0.2

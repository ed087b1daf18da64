# SPDX-License-Identifier: Apache-2.0
"""What the camera shows, and where."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from td3_driving.driving.cameras import FRONT
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.camera import Camera, CameraError
from td3_driving.sim.traffic import CLASSES
from td3_driving.sim.world import World

from ..shared.pictures import shot

WIDTH, HEIGHT, FOV = 256, 144, 90.0
FOCAL = WIDTH / (2.0 * math.tan(math.radians(FOV) / 2.0))


@pytest.fixture(scope="module")
def world() -> World:
    return World(SimulatorSettings(map="straight", vehicles=0, route="300 -1.75 500 -1.75"), 0)


@pytest.fixture(scope="module")
def camera(world: World) -> Iterator[Camera]:
    camera = Camera(world.roads, WIDTH, HEIGHT, FOV)
    yield camera
    camera.close()


def test_format(world: World, camera: Camera) -> None:
    image = shot(world, camera)
    assert image.shape == (HEIGHT, WIDTH, 4)
    assert image.dtype == np.uint8
    assert (image[..., 3] == 255).all()
    assert np.array_equal(image, shot(world, camera)), "the ego stands, so nothing changes"


def test_sky_is_blue_and_the_road_is_grey(world: World, camera: Camera) -> None:
    image = shot(world, camera).astype(int)
    blue, _, red = image[3, WIDTH // 2, :3]
    assert blue > red + 40
    road = image[HEIGHT - 3, WIDTH // 2 - 20 : WIDTH // 2 + 20, :3]
    assert np.ptp(road, axis=1).max() < 30, "no colour"
    assert road.mean() < 130


@pytest.mark.parametrize(("ahead", "left"), [(14.0, 0.0), (18.0, 3.5), (25.0, -4.0)])
def test_a_vehicle_is_seen_where_the_pinhole_says(world: World, camera: Camera, ahead: float, left: float) -> None:
    kind = 1
    empty = shot(world, camera).astype(int)
    ego = world.car
    number = world.park(kind, ego.x + ahead, ego.y + left, 0.0)
    changed = np.abs(shot(world, camera).astype(int) - empty).max(axis=2) > 8
    world.parked.remove(number)
    rows, columns = np.nonzero(changed)
    _, length, width, height = CLASSES[kind]
    near = ahead - length / 2.0 - FRONT.x
    u = WIDTH / 2.0 - FOCAL * np.array([left + width / 2.0, left - width / 2.0]) / near
    far_u = WIDTH / 2.0 - FOCAL * np.array([left + width / 2.0, left - width / 2.0]) / (near + length)
    bottom = HEIGHT / 2.0 + FOCAL * FRONT.z / near
    assert columns.min() == pytest.approx(min(u[0], far_u[0]), abs=2.5)
    assert columns.max() == pytest.approx(max(u[1], far_u[1]), abs=2.5)
    assert rows.max() == pytest.approx(bottom, abs=2.5)
    assert rows.min() >= HEIGHT / 2.0 + FOCAL * (FRONT.z - height) / (near + length) - 2.5


def test_the_middle_line_is_where_the_pinhole_says(world: World, camera: Camera) -> None:
    image = shot(world, camera).astype(int)
    yellow = (image[..., 2] > 150) & (image[..., 0] < 110) & (image[..., 1] > 110)
    rows, columns = np.nonzero(yellow[HEIGHT // 2 + 15 :])
    rows += HEIGHT // 2 + 15
    assert len(rows) > 5
    # The line lies 1.75 m to the left of the lane centre and 2 m below the camera, at whatever distance.
    expected = WIDTH / 2.0 - (rows + 0.5 - HEIGHT / 2.0) * 1.75 / FRONT.z
    assert np.abs(columns + 0.5 - expected).max() < 8.0
    assert np.abs((columns + 0.5 - expected).mean()) < 1.5


def test_turning_left_moves_the_world_right(world: World, camera: Camera) -> None:
    ego = world.car
    empty = shot(world, camera).astype(int)
    world.park(0, ego.x + 20.0, ego.y + 6.0, 0.0)
    before = np.nonzero(np.abs(shot(world, camera).astype(int) - empty).max(axis=2) > 8)[1].mean()
    world.teleport(ego.x, ego.y, 0.2)
    with_car = shot(world, camera).astype(int)
    world.parked.remove(world.parked.ids[-1])
    after = np.nonzero(np.abs(shot(world, camera).astype(int) - with_car).max(axis=2) > 8)[1].mean()
    world.teleport(ego.x, ego.y, 0.0)
    assert after > before + 15


def test_a_map_looks_the_same_every_time(world: World, camera: Camera) -> None:
    again = Camera(world.roads, WIDTH, HEIGHT, FOV)
    assert np.array_equal(shot(world, camera), shot(world, again))
    again.close()


def test_an_unknown_renderer_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TD3_DRIVING_RENDERER", "crayons")
    with pytest.raises(CameraError, match="crayons"):
        Camera(world.roads, WIDTH, HEIGHT, FOV)


def test_what_the_camera_saw_before_does_not_change_what_it_sees() -> None:
    """Equal depths, as at the edges of cars, must not be decided by where things lie in memory."""
    settings = SimulatorSettings(map="curves")
    world = World(settings, 1)
    travelled = Camera(world.roads, WIDTH, HEIGHT, FOV)
    for seed in range(6):
        world.reset(0, seed)
        for _ in range(5 + 4 * seed):
            frame = world.tick()
            seen = travelled.render(frame.ego, frame.vehicles)
        fresh = Camera(world.roads, WIDTH, HEIGHT, FOV)
        assert np.array_equal(seen, fresh.render(frame.ego, frame.vehicles)), f"seed {seed}"
        fresh.close()
    travelled.close()


def test_frames_leave_no_poses_behind() -> None:
    """Panda3D keeps a pose that was set until its last user is gone; 20 vehicles set 20 a frame."""
    from panda3d.core import TransformState

    world = World(SimulatorSettings(map="town", vehicles=20), 0)
    world.reset(0, 0)
    camera = Camera(world.roads, 32, 32, FOV)
    counts = []
    for _ in range(100):
        frame = world.tick()
        camera.render(frame.ego, frame.vehicles)
        counts.append(TransformState.getNumStates())
    camera.close()
    assert counts[-1] - counts[10] <= 20

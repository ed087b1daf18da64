# SPDX-License-Identifier: Apache-2.0
"""How episodes look: drawn within their ranges, the same for the same seed, nominal unless asked for."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.cameras import FRONT
from td3_driving.driving.observation import camera_frame
from td3_driving.driving.seeding import evaluation_seed
from td3_driving.settings import AppearanceSettings, ObservationSettings, SimulatorSettings, from_flat
from td3_driving.sim.appearance import (
    NOMINAL,
    Appearance,
    Mount,
    draw,
    episode_appearance,
    training_appearance,
)
from td3_driving.sim.camera import ENCODING, Camera
from td3_driving.sim.sensor import Optics
from td3_driving.sim.surfaces import INDEX, NOMINAL_COLOURS, NOMINAL_LOOK, Light, Look, family
from td3_driving.sim.world import World

from ..shared import pictures

WIDTH, HEIGHT, FOV = 256, 144, 90.0
FOCAL = WIDTH / 2.0
WANTED = AppearanceSettings(randomise=True)
NOTHING = AppearanceSettings(
    True, **{spec.name: 0.0 for spec in fields(AppearanceSettings) if spec.metadata.get("low") == 0.0}
)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def world() -> World:
    return World(SimulatorSettings(map="straight", vehicles=0, route="300 -1.75 500 -1.75"), 0)


@pytest.fixture
def camera(world: World) -> Iterator[Camera]:
    camera = Camera(world.roads, WIDTH, HEIGHT, FOV)
    yield camera
    camera.close()


def shot(world: World, camera: Camera) -> np.ndarray:
    return pictures.shot(world, camera)[..., :3]


def test_nobody_who_does_not_ask_for_it_gets_another_look() -> None:
    assert not AppearanceSettings().randomise
    assert episode_appearance(AppearanceSettings(), 0, 7) == NOMINAL
    assert Appearance(Look(NOMINAL_COLOURS), Mount(), Optics()) == NOMINAL


@pytest.mark.parametrize("optics", [Optics(), Optics(blur=0.6, noise=6.0, seed=3)])
def test_the_policys_frame_is_that_of_the_image_whichever_is_asked_for_first(optics: Optics) -> None:
    world = World(SimulatorSettings(map="curves", vehicles=3), 0)
    camera = Camera(world.roads, WIDTH, HEIGHT, FOV)
    world.reset(0, 0)
    camera.dress(Appearance(Look(NOMINAL_COLOURS), Mount(), optics), world.next_stamp_ns)
    observation = ObservationSettings(frame_height=32, frame_width=96, crop_top=0.46, crop_bottom=0.04)
    for image_first in (True, False):
        frame = world.tick()
        camera.expose(frame.ego, frame.vehicles)
        before = camera.image().copy() if image_first else None
        seen = camera.frame(observation)
        image = camera.image()
        assert before is None or np.array_equal(before, image)
        assert np.array_equal(seen, camera_frame(image, ENCODING, observation))
        assert (image[..., 3] == 255).all()
    camera.close()


def test_undressed_dressed_nominally_and_dressed_back_show_the_same_pixels() -> None:
    world = World(SimulatorSettings(map="curves"), 1)
    plain, dressed, changed = (Camera(world.roads, WIDTH, HEIGHT, FOV) for _ in range(3))
    dressed.dress(NOMINAL, 12)
    for seed in range(3):
        world.reset(0, seed)
        changed.dress(episode_appearance(WANTED, 0, seed), world.next_stamp_ns)
        frame = world.tick()
        other = changed.render(frame.ego, frame.vehicles).copy()
        changed.dress(NOMINAL, world.next_stamp_ns)
        for _ in range(10):
            frame = world.tick()
            image = plain.render(frame.ego, frame.vehicles)
            assert np.array_equal(image, dressed.render(frame.ego, frame.vehicles))
            assert np.array_equal(image, changed.render(frame.ego, frame.vehicles))
            assert np.abs(image.astype(int) - other).mean() > 3.0, "another look is another picture"
    for camera in (plain, dressed, changed):
        camera.close()


def test_the_same_seed_gives_the_same_pixels_whoever_looked_before() -> None:
    world = World(SimulatorSettings(map="curves"), 1)
    first, second = (Camera(world.roads, WIDTH, HEIGHT, FOV) for _ in range(2))
    for seed in range(4):
        world.reset(0, seed)
        appearance = episode_appearance(replace(WANTED, noisy=1.0, blurred=0.5), 0, seed)
        for camera in (first, second):
            camera.dress(appearance, world.next_stamp_ns)
        for step in range(6):
            frame = world.tick()
            image = first.render(frame.ego, frame.vehicles).copy()
            if step % 2:
                # The other one missed a frame, as a simulator does whose picture nobody wants.
                assert np.array_equal(image, second.render(frame.ego, frame.vehicles))
    for camera in (first, second):
        camera.close()


@given(seed=SEEDS, scenario=st.integers(0, 2))
def test_appearances_are_within_their_ranges_and_follow_from_the_seed(seed: int, scenario: int) -> None:
    drawn = episode_appearance(WANTED, scenario, seed)
    assert drawn == episode_appearance(WANTED, scenario, seed)
    assert drawn != episode_appearance(WANTED, scenario, seed + 1)
    look, mount, optics = drawn.look, drawn.mount, drawn.optics
    colours = np.array(look.colours)
    assert colours.shape == (len(INDEX), 3)
    assert colours.min() >= 0.0
    assert colours.max() <= 1.0
    assert abs(look.brightness - 1.0) <= WANTED.brightness
    assert abs(look.contrast - 1.0) <= WANTED.contrast
    assert math.sin(math.radians(WANTED.sun_lowest)) <= look.light.sun[2] <= math.sin(math.radians(WANTED.sun_highest))
    assert np.linalg.norm(look.light.sun) == pytest.approx(1.0)
    assert 0.0 <= look.light.direct <= Light().direct
    assert abs(mount.height) <= WANTED.camera_height
    assert abs(mount.lateral) <= WANTED.camera_lateral
    assert abs(math.degrees(mount.pitch)) <= WANTED.camera_pitch
    assert abs(mount.fov) <= WANTED.camera_fov
    assert 0.0 <= optics.blur <= WANTED.blur
    assert 0.0 <= optics.noise <= WANTED.noise


@given(seed=SEEDS)
def test_a_range_of_zero_leaves_its_part_nominal_and_the_others_as_they_are(seed: int) -> None:
    still = draw(NOTHING, np.random.default_rng(seed))
    assert still.mount == Mount()
    assert still.optics.perfect
    assert np.allclose(still.look.colours[INDEX["asphalt"]], NOMINAL_COLOURS[INDEX["asphalt"]])
    assert np.allclose(still.look.colours[INDEX["zenith"]], NOMINAL_COLOURS[INDEX["zenith"]])
    assert still.look.light.gain == (1.0, 1.0, 1.0)
    assert (still.look.light.ambient, still.look.light.direct) == (Light().ambient, Light().direct)
    drawn = draw(WANTED, np.random.default_rng(seed))
    fixed = draw(replace(WANTED, camera_pitch=0.0, colours=0.0), np.random.default_rng(seed))
    assert fixed.mount == replace(drawn.mount, pitch=0.0)
    assert fixed.optics == drawn.optics
    assert fixed.look.light == drawn.look.light


def test_everything_varies() -> None:
    drawn = [episode_appearance(WANTED, 0, seed) for seed in range(200)]
    for part in ("height", "lateral", "pitch", "fov"):
        values = np.array([getattr(appearance.mount, part) for appearance in drawn])
        assert values.min() < -0.8 * np.abs(values).max() < 0.0 < 0.8 * np.abs(values).max() < values.max(), part
    for share, part in ((WANTED.blurred, "blur"), (WANTED.noisy, "noise")):
        chosen = sum(getattr(appearance.optics, part) > 0.0 for appearance in drawn)
        # Three standard deviations of a binomial share.
        assert abs(chosen / 200 - share) < 3.0 * math.sqrt(share * (1.0 - share) / 200)
    colours = np.array([appearance.look.colours for appearance in drawn])
    shining = [INDEX["headlight"], INDEX["taillight"]]
    assert (np.delete(colours, shining, axis=1).std(axis=0) > 0.005).all()


def test_evaluations_in_the_course_of_a_training_look_nominal() -> None:
    settings = from_flat({"appearance.randomise": True, "evaluation.interval": 100, "evaluation.routes": 3})
    seeds = [evaluation_seed(settings.evaluation.seed, route) for route in range(4)]
    nominal = [training_appearance(settings, 0, seed) == NOMINAL for seed in seeds]
    assert nominal == [True, True, True, False], "three routes are those of the evaluation, the fourth is not"
    without = replace(settings, evaluation=replace(settings.evaluation, interval=0))
    assert training_appearance(without, 0, seeds[0]) != NOMINAL


def test_light_falls_by_lambert() -> None:
    # A sun straight above: level ground gets all, a wall only what comes from everywhere, the sky is as it is.
    light = Light(sun=(0.0, 0.0, 1.0), ambient=0.5, direct=0.4, upward=0.1)
    up, side = np.array([(0.0, 0.0, 1.0)]), np.array([(1.0, 0.0, 0.0)])
    assert light.on(up)[0] == pytest.approx(1.0)
    assert light.on(side)[0] == pytest.approx(0.5)
    nominal = 0.62 + 0.38 * 0.82 + 0.08
    assert light.on_the_ground() == pytest.approx(1.0 / nominal)
    assert Light().on_the_ground() == 1.0
    surface = np.array([[INDEX["asphalt"]] * 4, [INDEX["roof"]] * 4, [INDEX["zenith"]] * 4])
    tone, normals = np.ones((3, 4, 3)), np.concatenate((up, side, up))
    colours = Look(light=light).of(surface, tone, normals)
    assert colours[0, 0] == pytest.approx(np.array((0.33, 0.335, 0.35)) / nominal)
    assert colours[1, 0] == pytest.approx(np.array((0.45, 0.40, 0.38)) * 0.5)
    assert colours[2, 0] == pytest.approx((0.30, 0.50, 0.80))
    set_up = Look(light=light, brightness=1.2, contrast=0.5).of(surface, tone, normals)
    assert set_up[2, 0] == pytest.approx([0.5 + 0.5 * (1.2 * part - 0.5) for part in (0.30, 0.50, 0.80)])


def test_families_of_surfaces() -> None:
    assert len(family("wall")) == 6
    assert len(family("leaves")) == 4
    assert next(NOMINAL_COLOURS[place] for place in family("paint")) == (0.75, 0.12, 0.12)


@pytest.mark.parametrize(
    ("mount", "row"),
    [
        # The horizon is in the middle of the image; looking down by p moves it up by f tan p.
        (Mount(), HEIGHT / 2.0),
        (Mount(pitch=math.radians(4.0)), HEIGHT / 2.0 - FOCAL * math.tan(math.radians(4.0))),
        (Mount(pitch=math.radians(-3.0)), HEIGHT / 2.0 + FOCAL * math.tan(math.radians(3.0))),
    ],
)
def test_the_horizon_moves_with_the_pitch(world: World, camera: Camera, mount: Mount, row: float) -> None:
    camera.dress(Appearance(mount=mount))
    road = np.abs(np.diff(shot(world, camera)[:, WIDTH // 2, 0].astype(int)))
    assert np.argmax(road) + 1.0 == pytest.approx(row, abs=3.5)


@pytest.mark.parametrize(
    "mount", [Mount(height=0.5), Mount(height=-0.5), Mount(lateral=0.6), Mount(lateral=-0.4), Mount(fov=15.0)]
)
def test_the_middle_line_is_where_the_moved_camera_sees_it(world: World, camera: Camera, mount: Mount) -> None:
    camera.dress(Appearance(mount=mount))
    image = shot(world, camera).astype(int)
    yellow = (image[..., 2] > 150) & (image[..., 0] < 110) & (image[..., 1] > 110)
    rows, columns = np.nonzero(yellow[HEIGHT // 2 + 15 :])
    rows += HEIGHT // 2 + 15
    assert len(rows) > 5
    # The line lies 1.75 m to the left of the lane centre. A focal length drops out of the quotient of both angles.
    aside = (1.75 - mount.lateral) / (FRONT.z + mount.height)
    expected = WIDTH / 2.0 - (rows + 0.5 - HEIGHT / 2.0) * aside
    assert np.abs((columns + 0.5 - expected).mean()) < 1.5
    nominal = WIDTH / 2.0 - (rows + 0.5 - HEIGHT / 2.0) * 1.75 / FRONT.z
    if mount.fov == 0.0:
        assert np.abs((columns + 0.5 - nominal).mean()) > 2.5, "the nominal camera would see it elsewhere"


def test_a_wider_view_makes_things_smaller(world: World, camera: Camera) -> None:
    def car_width() -> int:
        without = shot(world, camera).astype(int)
        number = world.park(1, world.car.x + 14.0, world.car.y, 0.0)
        changed = np.abs(shot(world, camera).astype(int) - without).max(axis=2) > 8
        world.parked.remove(number)
        return int(np.ptp(np.nonzero(changed)[1]))

    normal = car_width()
    camera.dress(Appearance(mount=Mount(fov=20.0)))
    assert car_width() / normal == pytest.approx(1.0 / math.tan(math.radians(55.0)), abs=0.06)
    assert Mount(fov=-100.0).fov_of(90.0) == 10.0
    assert Mount(fov=100.0).fov_of(90.0) == 150.0


def test_bright_skies_have_no_holes(world: World, camera: Camera) -> None:
    """Colours at the upper end run over in the software renderer: stray pixels without blue in a bright sky."""
    for brightness in (1.15, 1.3):
        camera.dress(Appearance(look=replace(NOMINAL_LOOK, brightness=brightness)))
        for yaw in np.arange(0.0, 2.0 * math.pi, 0.4):
            world.teleport(300.0, -1.75, float(yaw))
            sky = shot(world, camera)[: HEIGHT // 2 - 12]
            assert not ((sky[..., 0] < 60) & (sky[..., 2] > 120)).any(), yaw
    world.teleport(300.0, -1.75, 0.0)


def test_windows_have_the_colour_that_was_drawn_and_lose_it_again(world: World, camera: Camera) -> None:
    def red() -> int:
        image = shot(world, camera).astype(int)
        return int(((image[..., 2] > 100) & (image[..., 1] < 10) & (image[..., 0] < 10)).sum())

    assert red() == 0
    camera.dress(Appearance(replace(NOMINAL_LOOK, window=(1.0, 0.0, 0.0))))
    assert red() > 100
    camera.dress(NOMINAL)
    assert red() == 0


def test_cars_wear_the_paints_that_were_drawn(world: World, camera: Camera) -> None:
    colours = list(NOMINAL_COLOURS)
    for place in family("paint"):
        colours[place] = (0.0, 0.9, 0.0)
    without = shot(world, camera).astype(int)
    number = world.park(0, world.car.x + 9.0, world.car.y, 0.0)
    camera.dress(Appearance(replace(NOMINAL_LOOK, colours=tuple(colours))))
    image = shot(world, camera).astype(int)
    world.parked.remove(number)
    green = (image[..., 1] > 120) & (image[..., 0] < 20) & (image[..., 2] < 20)
    assert green.sum() > 200
    assert not ((without[..., 1] > 120) & (without[..., 0] < 20) & (without[..., 2] < 20)).any()

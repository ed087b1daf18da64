# SPDX-License-Identifier: Apache-2.0
"""The simulator node with drawn looks and drawn road networks, over real DDS."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("carla_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("derived_object_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("tf2_msgs", reason="the message packages are not built; run: make build")

from carla_msgs.msg import CarlaWorldInfo
from sensor_msgs.msg import CameraInfo
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos
from td3_driving.settings import Settings, from_flat
from td3_driving.sim.appearance import NOMINAL, training_appearance
from td3_driving.sim.camera import Camera
from td3_driving.sim.world import World

from ..bridge_harness import EGO, Client, end, start

IMAGE, INFO = f"{EGO}/rgb_front/image", f"{EGO}/rgb_front/camera_info"
MAP, VEHICLES, WIDTH, HEIGHT = "drawn:1-2", 3, 64, 36
LOOKS = {"appearance.randomise": True, "appearance.noisy": 1.0, "appearance.noise": 20.0}
SETTINGS: Settings = from_flat(
    {
        "simulator.map": MAP,
        "simulator.vehicles": VEHICLES,
        "simulator.camera_width": WIDTH,
        "simulator.camera_height": HEIGHT,
        **LOOKS,
    }
)


@pytest.fixture
def client(domain_id: int) -> Iterator[Client]:
    arguments = [word for name, value in LOOKS.items() for word in ("-p", f"{name}:={str(value).lower()}")]
    process = start(domain_id, tuple(arguments), map=MAP, route="auto", vehicles=VEHICLES)
    client = Client(domain_id)
    client.listen(INFO, CameraInfo)
    client.listen("carla/world_info", CarlaWorldInfo, qos.BRIDGE_LATCHED)
    client.first_frame()
    yield client
    client.close()
    end(process)


def expected(seed: int) -> np.ndarray:
    """The first image of an episode, made without ROS."""
    world = World(SETTINGS.simulator, 0)
    camera = Camera(world.roads, WIDTH, HEIGHT, SETTINGS.simulator.camera_fov)
    world.reset(0, seed)
    camera.enter(world.roads)
    appearance = training_appearance(SETTINGS, 0, seed)
    assert appearance != NOMINAL
    camera.dress(appearance, world.next_stamp_ns)
    frame = world.tick()
    return camera.render(frame.ego, frame.vehicles).copy()


def test_every_episode_has_its_network_and_its_look_and_the_camera_info_stays(client: Client) -> None:
    for seed in (3, 4, 3):
        answer = client.call(ResetEpisode, "td3/reset_episode", ResetEpisode.Request(scenario=0, seed=seed))
        assert answer.success, answer.message
        first = nanoseconds(answer.stamp)
        client.until(lambda first=first: first in client.stamps(IMAGE))
        image = client.heard[IMAGE][client.stamps(IMAGE).index(first)]
        assert np.array_equal(np.frombuffer(image.data, np.uint8).reshape(HEIGHT, WIDTH, 4), expected(seed)), seed
    client.until(lambda: len(client.heard["carla/world_info"]) == 4)
    names = [message.map_name.rpartition("/")[2] for message in client.heard["carla/world_info"]]
    assert names == ["drawn_1", "drawn_2", "drawn_1", "drawn_2"], "from the first episode on"
    client.until(lambda: client.heard[INFO])
    # The nominal camera of 90 degrees: a focal length of half the width.
    for message in client.heard[INFO]:
        assert message.k[:3] == pytest.approx((WIDTH / 2.0, 0.0, WIDTH / 2.0))

# SPDX-License-Identifier: Apache-2.0
"""The server in a process of its own, and the genuine client in this one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .carla_host import Ear, Host

pytest.importorskip("msgpack", reason="the library msgpack is not installed")
carla = pytest.importorskip("carla", reason="the CARLA client is not installed")


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A server with the town, the curves and the straight road."""
    running = Host("town", "curves", "straight")
    yield running
    running.close()


@pytest.fixture(scope="module")
def client(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The genuine client."""
    os.environ["CARLA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    made = carla.Client("127.0.0.1", host.port)
    made.set_timeout(60.0)
    return made


@pytest.fixture
def world(client: Any) -> Any:
    """A fresh world in synchronous mode, 0.05 s a step, on the town."""
    found = client.load_world("town")
    settings = found.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    found.apply_settings(settings)
    found.tick()
    return found


@pytest.fixture
def spawned(world: Any) -> Callable[..., Any]:
    """Spawns a blueprint at a spawn point or a transform, with attributes; visible after a tick."""

    def spawn(type_id: str, at: Any = 0, parent: Any = None, **attributes: Any) -> Any:
        blueprint = world.get_blueprint_library().find(type_id)
        for name, value in attributes.items():
            blueprint.set_attribute(name, str(value))
        pose = world.get_map().get_spawn_points()[at] if isinstance(at, int) else at
        actor = world.spawn_actor(blueprint, pose, attach_to=parent)
        world.tick()
        return actor

    return spawn


@pytest.fixture
def listen() -> Iterator[Callable[[Any], Ear]]:
    """Makes ears, and takes them away again."""
    ears: list[Ear] = []

    def make(sensor: Any) -> Ear:
        ears.append(Ear(sensor))
        return ears[-1]

    yield make
    for ear in ears:
        ear.close()

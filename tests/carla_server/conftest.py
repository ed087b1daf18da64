# SPDX-License-Identifier: Apache-2.0
"""The server in a process of its own, and the genuine client in this one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from .carla_host import Ear, Host
from .lit_town import lit_town

if TYPE_CHECKING:
    from .raw_client import Raw

pytest.importorskip("msgpack", reason="the library msgpack is not installed")
carla = pytest.importorskip("carla", reason="the CARLA client is not installed")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server with the town, the curves, the straight road, and the town with lights."""
    running = Host("town", "curves", "straight", str(lit_town(tmp_path_factory.mktemp("maps"))))
    yield running
    running.close()


@pytest.fixture(autouse=True)
def operations_are_carried_out(request: pytest.FixtureRequest) -> Iterator[None]:
    """The operations that a test is marked with, by their names on the wire, come to the server while it runs."""
    names = [str(name) for mark in request.node.iter_markers("operations") for name in mark.args]
    if not names:
        yield
        return
    host: Host = request.getfixturevalue("host")
    before = dict(host.ask("served"))
    yield
    after = dict(host.ask("served"))
    missing = [name for name in names if after.get(name, 0) <= before.get(name, 0)]
    assert not missing, f"the server was not asked for {', '.join(missing)}"


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
def car(spawned: Callable[..., Any]) -> Any:
    """A car at the origin that looks along x."""
    return spawned("vehicle.tesla.model3", carla.Transform())


@pytest.fixture
def raw(host: Host) -> Iterator[Raw]:
    """A client by hand, which behaves; for calls that the Python library has no function for."""
    from .raw_client import Raw  # It needs msgpack, without which the tests are skipped.

    made = Raw(host.port)
    yield made
    made.close()


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

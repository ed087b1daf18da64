# SPDX-License-Identifier: Apache-2.0
"""Spawning and removing through the services of the CARLA bridge: standing vehicles and pseudo objects."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field

from carla_msgs.srv import DestroyObject, GetBlueprints, SpawnObject
from geometry_msgs.msg import Pose

from td3_driving.nodes.bridge.messages import EGO_TYPE, SENSORS, yaw_of
from td3_driving.sim.traffic import CLASSES
from td3_driving.sim.world import World

FIRST_PSEUDO_ID = 10000
VEHICLES = tuple(name for name, *_ in CLASSES)
PSEUDO = (
    "actor.pseudo.control",
    "sensor.pseudo.actor_list",
    "sensor.pseudo.markers",
    "sensor.pseudo.objects",
    "sensor.pseudo.odom",
    "sensor.pseudo.opendrive_map",
    "sensor.pseudo.speedometer",
    "sensor.pseudo.tf",
    "sensor.pseudo.traffic_lights",
)


@dataclass
class Spawner:
    """Answers spawn_object, destroy_object and get_blueprints.

    The pseudo objects and sensors of the ego are always there, so spawning a pseudo object only hands out an id.
    """

    world: World
    pseudo: set[int] = field(default_factory=set)
    condemned: list[int] = field(default_factory=list)
    next_pseudo: int = FIRST_PSEUDO_ID

    def spawn(self, request: SpawnObject.Request, response: SpawnObject.Response) -> SpawnObject.Response:
        """Id of the new object, or -1 and the reason."""
        response.id, response.error_string = self._spawn(request.type, request.transform)
        return response

    def _spawn(self, kind: str, transform: Pose) -> tuple[int, str]:
        if "pseudo" in kind:
            if kind not in PSEUDO:
                return -1, f"no pseudo object {kind!r}"
            self.pseudo.add(self.next_pseudo)
            self.next_pseudo += 1
            return self.next_pseudo - 1, ""
        matches = fnmatch.filter(VEHICLES, kind)
        if not matches:
            return -1, f"no blueprint {kind!r} that can be spawned; there are {', '.join(VEHICLES)}"
        place = transform.position.x, transform.position.y, yaw_of(transform.orientation)
        actor = self.world.park(VEHICLES.index(matches[0]), *place)
        return actor, "" if actor >= 0 else f"a vehicle at ({place[0]:.1f}, {place[1]:.1f}) would touch another"

    def destroy(self, request: DestroyObject.Request, response: DestroyObject.Response) -> DestroyObject.Response:
        """Success means that the object goes before the next tick."""
        response.success = request.id in self.pseudo or request.id in self.world.parked.ids
        if response.success and request.id not in self.condemned:
            self.condemned.append(request.id)
        return response

    def blueprints(self, request: GetBlueprints.Request, response: GetBlueprints.Response) -> GetBlueprints.Response:
        """Sorted names that match the filter."""
        known = (EGO_TYPE, *VEHICLES, *(kind for kind, _ in SENSORS), *PSEUDO)
        response.blueprints = sorted(fnmatch.filter(known, request.filter or "*"))
        return response

    def before_tick(self) -> None:
        """Remove the objects destroyed since the last tick."""
        for actor in self.condemned:
            if actor in self.pseudo:
                self.pseudo.discard(actor)
            else:
                self.world.parked.remove(actor)
        self.condemned.clear()

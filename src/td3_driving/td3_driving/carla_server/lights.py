# SPDX-License-Identifier: Apache-2.0
"""Traffic lights: at each junction one after the other has green."""

from __future__ import annotations

import numpy as np

from td3_driving.carla_server.actors import TrafficLight, Vehicle

RED, YELLOW, GREEN, OFF, UNKNOWN = range(5)


class Group:
    """The lights of one junction; the first begins."""

    def __init__(self, lights: list[TrafficLight]) -> None:
        self.lights = lights
        self.restart()
        for light in lights:
            light.group = lights

    def restart(self) -> None:
        """Begin anew: the first light has green."""
        self._active = 0
        for index, light in enumerate(self.lights):
            light.state, light.elapsed = (GREEN if index == 0 else RED), 0.0

    def set(self, light: TrafficLight, state: int) -> None:
        """Give one light a state by hand; from green it goes on by itself."""
        light.state, light.elapsed = state, 0.0
        if state in (GREEN, YELLOW):
            self._active = self.lights.index(light)

    def step(self, dt: float) -> None:
        """Let ``dt`` [s] pass."""
        if self.lights[0].frozen:
            return
        for light in self.lights:
            light.elapsed += dt
        active = self.lights[self._active]
        if active.state == GREEN and active.elapsed >= active.green:
            self._turn(active, YELLOW)
        elif active.state == YELLOW and active.elapsed >= active.yellow:
            self._turn(active, RED)
        elif active.state == RED and active.elapsed >= active.red:
            self._active = (self._active + 1) % len(self.lights)
            self._turn(self.lights[self._active], GREEN)

    @staticmethod
    def _turn(light: TrafficLight, state: int) -> None:
        light.state, light.elapsed = state, 0.0


class Lights:
    """All lights of a map, and the vehicles in front of them."""

    def __init__(self, lights: list[TrafficLight], junctions: list[int]) -> None:
        members: dict[int, list[TrafficLight]] = {}
        for light, junction in zip(lights, junctions):
            members.setdefault(junction, []).append(light)
        self.groups = [Group(group) for group in members.values()]
        self._by_light = {light.id: group for group in self.groups for light in group.lights}
        rows = [(light, stop) for light in lights for stop in light.stops]
        self._owners = [light for light, _ in rows]
        self._boxes = np.array([stop for _, stop in rows]).reshape(-1, 5)

    def group(self, light: TrafficLight) -> Group:
        """The group that a light is in."""
        return self._by_light[light.id]

    def step(self, dt: float) -> None:
        """Let ``dt`` [s] pass."""
        for group in self.groups:
            group.step(dt)

    def restart(self) -> None:
        """Begin anew at all junctions."""
        for group in self.groups:
            group.restart()

    def watch(self, vehicles: list[Vehicle]) -> None:
        """Find the light that governs the place of each vehicle's front bumper."""
        if not self._owners or not vehicles:
            return
        poses = np.array([(v.car.x, v.car.y, v.car.yaw, v.body.length / 2.0) for v in vehicles])
        x = poses[:, 0] + poses[:, 3] * np.cos(poses[:, 2])
        y = poses[:, 1] + poses[:, 3] * np.sin(poses[:, 2])
        boxes = self._boxes
        cosine, sine = np.cos(boxes[:, 2]), np.sin(boxes[:, 2])
        dx, dy = x[:, None] - boxes[:, 0], y[:, None] - boxes[:, 1]
        inside = (np.abs(dx * cosine + dy * sine) < boxes[:, 3] / 2.0) & (
            np.abs(dy * cosine - dx * sine) < boxes[:, 4] / 2.0
        )
        inside &= np.cos(poses[:, 2][:, None] - boxes[:, 2]) > 0.5
        place = inside.argmax(axis=1).tolist()
        for row, (vehicle, within) in enumerate(zip(vehicles, inside.any(axis=1).tolist())):
            vehicle.light = self._owners[place[row]] if within else None

# SPDX-License-Identifier: Apache-2.0
"""A drive as its topics show it, and the steps that the driver made of it: the two sides of a bag."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from td3_driving.driving.action import to_command
from td3_driving.driving.decoding import vehicle_state
from td3_driving.driving.episode import ExitReason
from td3_driving.driving.experience import Experience
from td3_driving.driving.image_formats import picture
from td3_driving.driving.object_list import neighbours_of, without
from td3_driving.driving.observation import camera_frame
from td3_driving.driving.pilot import Pilot, TimeStep
from td3_driving.driving.route import Route
from td3_driving.driving.teacher import make_teacher
from td3_driving.settings import Settings, from_flat

FRAME_NS = 50_000_000
SMALL = {
    "observation.frame_height": 36,
    "observation.frame_width": 36,
    "observation.stack": 3,
    "observation.route_points": 4,
    "episode.max_steps": 12,
    "replay.capacity": 500,
    "run.steps": 1000,
}
POLICY = b"the policy.."
"""The policy's process."""
ROUTE = np.column_stack((np.arange(0.0, 300.0), np.zeros(300)))


def settings(**changes: Any) -> Settings:
    return from_flat(SMALL | {key.replace("__", "."): value for key, value in changes.items()})


def at(stamp_ns: int) -> Any:
    """A header."""
    return SimpleNamespace(stamp=SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id="")


def _object(x: float, y: float, speed: float) -> Any:
    turn, still = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0), SimpleNamespace(x=0.0, y=0.0, z=0.0)
    return SimpleNamespace(
        pose=SimpleNamespace(position=SimpleNamespace(x=x, y=y, z=0.0), orientation=turn),
        twist=SimpleNamespace(linear=SimpleNamespace(x=speed, y=0.0, z=0.0), angular=still),
        shape=SimpleNamespace(type=1, dimensions=[4.5, 1.9, 1.5]),
    )


@dataclass
class Drive:
    """Drives a car along the x axis, with random actions, and keeps what it publishes.

    Attributes:
        heard: (topic, message) in the order of publication; a message's ``process`` sent it.
        sent: the steps.
        lead_ns: by which an episode is said to start before its first frame [ns].
        life: counts the simulators; each has its own lane, so that no two frames are alike.
    """

    options: Settings = field(default_factory=settings)
    heard: list[tuple[str, Any]] = field(default_factory=list)
    sent: list[Experience] = field(default_factory=list)
    now_ns: int = 10**9
    lead_ns: int = 0
    life: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(3)
        teacher = make_teacher(self.options)
        self._pilot = Pilot(self.options, "actor_0", 77, lambda *_: (self._action, 0), teacher)
        self._start: Any = None
        self._x = 0.0

    def restart(self, now_ns: int) -> None:
        """The simulator is killed, and a new one begins its clock at ``now_ns``."""
        self._break_off()
        self.life += 1
        self.now_ns = now_ns

    def reset(self) -> None:
        """A new episode: the next frame is its first. The one before is broken off if it goes on."""
        self._break_off()
        self._x = 0.0
        record_id, sequence = self._pilot.episodes, self._pilot.steps
        self._pilot.start(Route(ROUTE), 1, 5)
        self._start_ns = self.now_ns + FRAME_NS - self.lead_ns
        self._start = SimpleNamespace(
            header=at(self._start_ns),
            actor_id="actor_0",
            session_id=77,
            episode_id=record_id,
            sequence=sequence,
            session_steps=self.options.run.steps,
            scenario=1,
            seed=5,
            route_x=ROUTE[:, 0],
            route_y=ROUTE[:, 1],
            simulator=np.zeros(12, np.uint8),
            process=POLICY,
        )

    def frame(self, lose: str = "", collide: bool = False) -> ExitReason | None:
        """One frame and the answer to it; ``lose`` names what never arrives or is of no use. How the episode ended."""
        self.now_ns += FRAME_NS
        self._x += 0.3
        image, odometry, objects = self._image(), self._odometry(), self._objects()
        if collide:
            self.hear("collision", SimpleNamespace(header=at(self.now_ns)))
        if lose == "odometry":
            odometry.twist.twist.linear.x = math.nan
        parts = {"image": image, "objects": objects, "odometry": odometry}
        for topic, message in parts.items():
            if lose != topic or topic == "odometry":
                self.hear(topic, message)
        if lose:
            self._break_off()
            return ExitReason.SIMULATOR_FAULT
        frame = camera_frame(*picture(image), self.options.observation)
        vehicle = vehicle_state(odometry)
        time_step = self._pilot.see(frame, vehicle, without(vehicle, neighbours_of(objects)))
        scored = self._pilot.score(time_step, collide, last=self._pilot.steps + 1 >= self.options.run.steps)
        if scored is not None:
            self._send(scored.experience)
            if scored.exit_reason is not None:
                self._summarise()
                return scored.exit_reason
        self._answer(time_step)
        return None

    def _answer(self, time_step: TimeStep) -> None:
        self._action = self._rng.uniform(-1.0, 1.0, 2).astype(np.float32)
        command = to_command(self._pilot.act(time_step))
        if self._start is not None:
            self._start.simulator = np.frombuffer(self.simulator, np.uint8)
            self.heard.append(("start", self._start))
            self._start = None
        fields = {"throttle": command.throttle, "brake": command.brake, "steer": command.steer}
        self.heard.append(("command", SimpleNamespace(header=at(self.now_ns), process=POLICY, **fields)))

    def _send(self, step: Experience) -> None:
        self.sent.append(step)
        names = {"actor_id": step.actor_id, "session_id": step.session_id, "episode_id": step.episode_id}
        names |= {"step_index": step.step_index, "process": POLICY}
        self.heard.append(("reward", SimpleNamespace(header=at(self.now_ns), action=step.action, **names)))
        self.heard.append(("replay", step))

    def _break_off(self) -> None:
        record = self._pilot.record
        if record is not None and record.exit_reason is None:
            self._pilot.abandon(ExitReason.SIMULATOR_FAULT)
            if record.length:
                self._summarise()

    def _summarise(self) -> None:
        record = self._pilot.record
        assert record is not None and record.exit_reason is not None
        names = {"actor_id": "actor_0", "session_id": 77, "episode_id": record.episode_id, "process": POLICY}
        told = {"length": record.length, "exit_reason": int(record.exit_reason)}
        self.heard.append(("summary", SimpleNamespace(**names, **told)))

    @property
    def simulator(self) -> bytes:
        """The process of the simulator, as the begin of its publishers' GUIDs."""
        return f"simulator{self.life:3d}".encode()

    def hear(self, topic: str, message: Any) -> None:
        """The simulator publishes ``message``."""
        message.process = self.simulator
        self.heard.append((topic, message))

    def idle(self) -> None:
        """A frame between two episodes, which belongs to none."""
        self.now_ns += FRAME_NS
        for topic, message in (("image", self._image()), ("objects", self._objects()), ("odometry", self._odometry())):
            self.hear(topic, message)

    def episode(self) -> ExitReason:
        """A whole episode."""
        self.reset()
        while (reason := self.frame()) is None:
            pass
        return reason

    @property
    def _y(self) -> float:
        return 0.1 * math.sin(self._x) + 0.05 * self.life

    def _image(self) -> Any:
        pixels = self._rng.integers(0, 256, (36, 36, 4), dtype=np.uint8)
        values = {"width": 36, "height": 36, "step": 144, "encoding": "bgra8", "data": pixels.ravel()}
        return SimpleNamespace(header=at(self.now_ns), **values)

    def _objects(self) -> Any:
        """The car itself, one that stays ahead of it, and one that comes towards it."""
        ahead = self._x + 15.0 + math.sin(self._x)
        places = ((self._x, self._y, 0.0), (ahead, 0.2, 6.0), (280.0 - self._x, 3.0, -6.0))
        return SimpleNamespace(header=at(self.now_ns), objects=[_object(*place) for place in places])

    def _odometry(self) -> Any:
        point = SimpleNamespace(x=self._x, y=self._y, z=0.0)
        rotation = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
        linear, angular = SimpleNamespace(x=6.0, y=0.0, z=0.0), SimpleNamespace(x=0.0, y=0.0, z=0.01)
        return SimpleNamespace(
            header=at(self.now_ns),
            pose=SimpleNamespace(pose=SimpleNamespace(position=point, orientation=rotation)),
            twist=SimpleNamespace(twist=SimpleNamespace(linear=linear, angular=angular)),
        )

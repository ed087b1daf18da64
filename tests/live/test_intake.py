# SPDX-License-Identifier: Apache-2.0
"""What messages become on the live page, entity by entity, without a browser."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rerun", reason="the live page needs rerun-sdk, an extra that is not installed")

from td3_driving.driving import topics
from td3_driving.live import entities
from td3_driving.live.intake import MARKERS, Intake
from td3_driving.live.page import STEP, TIME, Page

WIDTH, HEIGHT, FOCAL = 64, 36, 32.0


class Tape:
    """A sink that keeps what it is given, with its moment."""

    def __init__(self) -> None:
        self.moment: dict[str, float] = {}
        self.kept: list[tuple[str, dict[str, float], Any, bool]] = []

    def set_time(self, timeline: str, *, duration: float | None = None, sequence: int | None = None) -> None:
        self.moment[timeline] = float(duration if duration is not None else sequence or 0)

    def log(self, entity_path: str, entity: object, *, static: bool = False) -> None:
        self.kept.append((entity_path, dict(self.moment), entity, static))

    def of(self, path: str, static: bool = False) -> list[Any]:
        """Everything that an entity was given."""
        return [entity for name, _, entity, fixed in self.kept if name == path and fixed == static]

    def moments(self, path: str) -> list[dict[str, float]]:
        """When."""
        return [moment for name, moment, _, fixed in self.kept if name == path and not fixed]


@pytest.fixture
def tape() -> Tape:
    return Tape()


@pytest.fixture
def intake(tape: Tape) -> Intake:
    return Intake(Page(tape), rate=5.0, actor_id="actor_0")


def column(entity: Any, name: str) -> Any:
    """The values of one component of an entity."""
    return getattr(entity, name).as_arrow_array().to_pylist()


def stamp(seconds: float) -> SimpleNamespace:
    return SimpleNamespace(sec=int(seconds), nanosec=round((seconds % 1.0) * 1e9))


def header(seconds: float = 0.0, frame: str = "map") -> SimpleNamespace:
    return SimpleNamespace(stamp=stamp(seconds), frame_id=frame)


def vector(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(x=x, y=y, z=z)


def turn(yaw: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(x=0.0, y=0.0, z=math.sin(yaw / 2.0), w=math.cos(yaw / 2.0))


def odometry(seconds: float, x: float = 0.0, y: float = 0.0, speed: float = 10.0) -> SimpleNamespace:
    pose = SimpleNamespace(position=vector(x, y), orientation=turn())
    twist = SimpleNamespace(linear=vector(speed), angular=vector())
    return SimpleNamespace(header=header(seconds), pose=SimpleNamespace(pose=pose), twist=SimpleNamespace(twist=twist))


def image(seconds: float) -> SimpleNamespace:
    data = np.full((HEIGHT, WIDTH, 4), 90, dtype=np.uint8)
    return SimpleNamespace(
        header=header(seconds, "ego_vehicle/rgb_front"),
        height=HEIGHT,
        width=WIDTH,
        encoding="bgra8",
        is_bigendian=0,
        step=4 * WIDTH,
        data=data.tobytes(),
    )


def route(*places: tuple[float, float]) -> SimpleNamespace:
    poses = [SimpleNamespace(pose=SimpleNamespace(position=vector(*place))) for place in places]
    return SimpleNamespace(poses=poses)


def reward(step: int, actor: str = "actor_0") -> SimpleNamespace:
    return SimpleNamespace(actor_id=actor, step=step, total=0.75, names=["efficiency", "comfort"], values=[1.0, -0.25])


def test_every_topic_leads_to_entities_of_the_table_alone(tape: Tape, intake: Intake) -> None:
    """And to all of them."""
    objects = SimpleNamespace(
        objects=[
            SimpleNamespace(
                id=7,
                pose=SimpleNamespace(position=vector(20.0, 3.0), orientation=turn()),
                shape=SimpleNamespace(type=1, dimensions=[4.0, 2.0, 1.5]),
            )
        ]
    )
    line = SimpleNamespace(markers=[SimpleNamespace(points=[vector(0.0, 2.0), vector(9.0, 2.0)])])
    command = SimpleNamespace(steer=0.5, throttle=0.25, brake=0.0)
    learner = SimpleNamespace(
        state=2,
        reason="",
        updates=4,
        inserted=50,
        log_point=True,
        tags=["train/q1_value", "train/actor_loss"],
        values=[1.5, 9.0],
    )
    for name, message in (
        (MARKERS, line),
        (topics.ROUTE, route((0.0, 0.0), (50.0, 0.0))),
        (topics.COMMAND, command),
        (topics.OBJECTS, objects),
        (topics.REWARD, reward(3)),
        (topics.LEARNER_STATUS, learner),
        (topics.ODOMETRY, odometry(0.0)),
    ):
        intake.take(name, message, 100.0)
    intake.take(topics.IMAGE, image(0.1), 100.3)
    intake.take(topics.ODOMETRY, odometry(0.1, x=1.0), 100.3)
    assert {path for path, *_ in tape.kept} == set(entities.ENTITIES)
    assert column(tape.of(entities.SPEED)[-1], "scalars") == [36.0]
    assert column(tape.of(entities.ACTION)[-1], "scalars") == [0.5, 0.25]
    assert column(tape.of(entities.REWARD_TERMS)[-1], "scalars") == [1.0, -0.25]
    assert column(tape.of(entities.REWARD_TERMS, static=True)[-1], "names") == ["efficiency", "comfort"]
    assert column(tape.of(entities.Q_VALUES)[-1], "scalars") == [1.5]
    assert column(tape.of(entities.Q_VALUES, static=True)[-1], "names") == ["Q1 on the replay"]
    assert tape.moments(entities.Q_VALUES) == [{TIME: 0.0, STEP: 50.0}]
    assert np.allclose(column(tape.of(entities.TRAFFIC)[-1], "centers"), [[20.0, 3.0, 0.75]])


def test_other_actors_are_left_out(tape: Tape, intake: Intake) -> None:
    intake.take(topics.REWARD, reward(3, "actor_1"), 0.0)
    assert tape.of(entities.REWARD_TOTAL) == []


def test_scenes_and_images_keep_the_rate_and_rewards_all_come(tape: Tape, intake: Intake) -> None:
    """100 frames in 5 s: 5 scenes and images a second; every reward."""
    for frame in range(100):
        now = 1000.0 + 0.05 * frame
        intake.take(topics.ODOMETRY, odometry(0.05 * frame, x=0.5 * frame), now)
        intake.take(topics.IMAGE, image(0.05 * frame), now)
        intake.take(topics.REWARD, reward(frame), now)
    assert 20 <= len(tape.of(entities.CAR)) <= 26
    assert 20 <= len(tape.of(entities.CAMERA)) <= 26
    assert len(tape.of(entities.REWARD_TOTAL)) == 100
    assert tape.moments(entities.REWARD_TOTAL)[-1] == {TIME: pytest.approx(4.95), STEP: 99.0}


def test_an_image_waits_for_the_odometry_of_its_frame(tape: Tape, intake: Intake) -> None:
    intake.take(topics.ODOMETRY, odometry(0.0), 0.0)
    intake.take(topics.IMAGE, image(0.1), 0.5)
    assert tape.of(entities.CAMERA) == []
    intake.take(topics.ODOMETRY, odometry(0.1), 0.6)
    assert len(tape.of(entities.CAMERA)) == 1


def test_an_image_without_odometry_is_shown_as_it_is(tape: Tape, intake: Intake) -> None:
    intake.take(topics.IMAGE, image(0.1), 5.0)
    assert len(tape.of(entities.CAMERA)) == 1


def test_a_new_route_begins_a_new_driven_way(tape: Tape, intake: Intake) -> None:
    for number in range(5):
        intake.take(topics.ODOMETRY, odometry(0.1 * number, x=float(number)), 0.3 * number)
    assert len(column(tape.of(entities.DRIVEN)[-1], "strips")[0]) == 5
    intake.take(topics.ROUTE, route((0.0, 90.0), (50.0, 90.0)), 1.5)
    intake.take(topics.ODOMETRY, odometry(0.6, x=0.0, y=90.0), 1.8)
    assert column(tape.of(entities.DRIVEN)[-1], "strips") == []
    assert np.allclose(column(tape.of(entities.ROUTE)[-1], "strips")[0], [[0.0, 90.0, 0.0], [50.0, 90.0, 0.0]])


def test_changes_are_told_once_and_stand_in_the_state(tape: Tape, intake: Intake) -> None:
    def say(level: int, text: str, now: float) -> None:
        status = SimpleNamespace(name="learner: q health", level=bytes([level]), message=text)
        intake.take("diagnostics", SimpleNamespace(status=[status]), now)

    for now, level in enumerate((0, 0, 2, 2, 2, 0)):
        say(level, "Q grows" if level else "as it should be", float(now))
    lines = [column(line, "text")[0] for line in tape.of(entities.ALARMS)]
    assert lines == ["learner: q health: Q grows", "learner: q health: as it should be"]
    states = [column(text, "text")[0] for text in tape.of(entities.STATUS)]
    assert "- learner: q health: Q grows" in states[-2] and "**No alarm in force**" in states[-1]


def test_a_gate_that_falls_silent_is_an_alarm(tape: Tape, intake: Intake) -> None:
    status = SimpleNamespace(
        mode=1,
        filters=[],
        filtered_share=0.0,
        age_ms=12.0,
        latched=False,
        reason="",
        steer=0.1,
        throttle=0.5,
        brake=0.0,
    )
    intake.take(topics.GATE_STATUS, status, 0.0)
    intake.take(topics.ODOMETRY, odometry(0.1), 0.5)
    assert "active, 0% filtered, 12 ms" in column(tape.of(entities.STATUS)[-1], "text")[0]
    intake.take(topics.GATE_STATUS, SimpleNamespace(**vars(status) | {"age_ms": 13.0}), 0.6)
    assert len(tape.of(entities.ALARMS)) == 1, "a new age is no news"
    intake.take(topics.ODOMETRY, odometry(3.0), 4.6)
    assert column(tape.of(entities.ALARMS)[-1], "text") == ["gate: silent"]
    assert "silent for 4 s" in column(tape.of(entities.STATUS)[-1], "text")[0]

# SPDX-License-Identifier: Apache-2.0
"""A second camera from a module outside the package: rendered, learned from, evaluated, and refused where it ends."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from td3_driving.bounded import SettingsError
from td3_driving.deploy.contract import ContractError, contract_of
from td3_driving.driving.cameras import FRONT, MountedCamera, cameras
from td3_driving.driving.observation import camera_frame, frame_shape, one_frame, stack_shape
from td3_driving.driving.sensors import sensors
from td3_driving.settings import Settings, from_flat
from td3_driving.sim.camera import Camera
from td3_driving.sim.camera_rig import CameraRig
from td3_driving.sim.world import World
from tests.shared import tiny

PATH = "my_sensors:REAR_CAMERA"
SMALL = {**tiny.LEARNER, **tiny.CAMERA, "simulator.map": "curves", "simulator.vehicles": 0, "run.steps": 150}
PACING = {"exploration.random_steps": 60, "pacing.learning_starts": 50, "pacing.gradient_steps": 2}


def own(**changes: Any) -> Settings:
    values = {key.replace("__", "."): value for key, value in changes.items()}
    return from_flat({**SMALL, **PACING, "observation.cameras": PATH, "episode.max_steps": 50, **values})


@pytest.mark.parametrize(("colour", "planes"), [("grey", 1), ("colour", 3)])
@pytest.mark.usefixtures("examples")
def test_its_planes_follow_those_of_the_front_camera(colour: str, planes: int) -> None:
    observation = own(observation__colour=colour).observation
    assert frame_shape(observation) == (2 * planes, 36, 36)
    assert stack_shape(observation) == (4 * 2 * planes, 36, 36)
    assert [camera.name for camera in cameras(observation)] == ["rgb_front", "rgb_rear"]
    assert [sensor.name for sensor in sensors(own())] == ["front camera", "rgb_rear"]
    images = [np.full((36, 64, 4), value, dtype=np.uint8) for value in (10, 200)]
    frame = one_frame([camera_frame(image, "bgra8", observation) for image in images])
    assert frame.shape == frame_shape(observation)
    assert set(frame[:planes].ravel()) == {10} and set(frame[planes:].ravel()) == {200}


@pytest.mark.usefixtures("examples")
def test_it_looks_back_where_the_front_camera_would_after_a_turn() -> None:
    """From one place, the camera turned by pi shows what a camera without a turn shows of the car turned by pi."""
    settings = own()
    world = World(settings.simulator, 0)
    world.reset(0, 3)
    frame = world.tick()
    size = settings.simulator.camera_width, settings.simulator.camera_height, settings.simulator.camera_fov
    back = Camera(world.roads, *size, place=MountedCamera("back", 0.0, 0.0, 2.0, yaw=math.pi))
    ahead = Camera(world.roads, *size, place=MountedCamera("ahead", 0.0, 0.0, 2.0))
    turned = replace(frame.ego, yaw=frame.ego.yaw + math.pi)
    seen = back.render(frame.ego, frame.vehicles).copy()
    assert np.abs(seen.astype(int) - ahead.render(turned, frame.vehicles)).mean() < 0.5
    assert np.abs(seen.astype(int) - ahead.render(frame.ego, frame.vehicles)).mean() > 5.0
    back.close()
    ahead.close()


@pytest.mark.usefixtures("examples")
def test_the_rig_leaves_the_front_camera_as_it_is() -> None:
    settings = own()
    world = World(settings.simulator, 0)
    world.reset(0, 3)
    frame = world.tick()
    alone = CameraRig(world.roads, settings.simulator, from_flat(SMALL).observation)
    both = CameraRig(world.roads, settings.simulator, settings.observation)
    front, pair = alone.frame(frame.ego, frame.vehicles).copy(), both.frame(frame.ego, frame.vehicles)
    np.testing.assert_array_equal(pair[0], front)
    assert (pair[1] != front).mean() > 0.2
    alone.close()
    both.close()


@pytest.mark.usefixtures("examples", "one_thread")
def test_training_and_evaluation_see_through_it(tmp_path: Path) -> None:
    from td3_driving.evaluation.drive import EvaluationPlan, evaluate
    from td3_driving.evaluation.learned import LearnedAgent
    from td3_driving.in_process.run import InProcessRun

    settings = own()
    run = InProcessRun(settings, tmp_path)
    frames = np.array([stepped.scored.experience.frame for stepped in run.steps()])
    run.scene.camera.close()
    assert frames.shape == (150, 2, 36, 36) and run.trainer.updates > 0
    assert frames[:, 0].std() > 0.0 and frames[:, 1].std() > 0.0 and (frames[:, 0] != frames[:, 1]).any()
    batch = run.trainer.memory.gather(run.trainer.memory.sampleable_slots()[:4])
    assert batch.window.shape == (4, 8 + 2 * settings.learning.n_step, 36, 36)
    agent = LearnedAgent("own", settings, run.trainer.weights().data)
    seen: list[np.ndarray] = []
    act = agent.act
    agent.act = lambda stack, state: (seen.append(stack), act(stack, state))[1]  # type: ignore[func-returns-value]
    (result,) = evaluate(settings, agent, EvaluationPlan(routes=1, ending="violation"))
    assert len(result.log.actions) > 0 and seen[0].shape == (8, 36, 36)


@pytest.mark.usefixtures("examples")
def test_a_vehicle_says_that_it_drives_by_one_camera() -> None:
    assert own().digest() != from_flat({**SMALL, **PACING, "episode.max_steps": 50}).digest()
    with pytest.raises(ContractError, match=r"by the front camera alone, and observation\.cameras has my_sensors:REAR"):
        contract_of(own())


def test_what_is_no_camera_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"cameras_of_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(
        "from td3_driving.driving.cameras import FRONT, MountedCamera\n"
        "SAME = FRONT\nFAR = MountedCamera('far', 0.0, 0.0, 50.0)\nBAD = MountedCamera('Rear View', 0.0, 0.0, 1.0)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert FRONT.usable
    for camera, says in (("SAME", "a camera rgb_front already"), ("FAR", "within 10 m"), ("BAD", "a lower-case name")):
        with pytest.raises(SettingsError, match=says):
            from_flat({"observation.cameras": f"{name}:{camera}"})

# SPDX-License-Identifier: Apache-2.0
"""A policy that was trained, from its run folder to the road: by hand, for it needs a run.

``TD3_DRIVING_RUN=runs/latest tools/env.sh python -m pytest -s tests/nodes/vehicle/test_deploy_run.py`` exports the run,
drives one episode of its map with the bundle over DDS, through odometry with the error that ``localisation.*`` sets,
and prints what came of it. ``TD3_DRIVING_RUN_SET='localisation.position_bias=0'`` changes settings,
``TD3_DRIVING_RUN_SEED`` the episode.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving.deploy.driver import STOP_ACTION
from td3_driving.driving.decoding import vehicle_state
from td3_driving.driving.episode import GOAL_DISTANCE
from td3_driving.driving.route import Route
from td3_driving.evaluation.learned import run_settings, weights_of
from td3_driving.export.to_bundle import export_policy
from td3_driving.nodes.ros.conversions import route_points
from td3_driving.runs.profiles import override

from ..episode_harness import ODOMETRY, ROUTE, Episode, training_acts_on, training_policy_drives

RUN = os.environ.get("TD3_DRIVING_RUN", "")
LONGEST = 3000
"""Frames after which an episode is cut."""


@pytest.mark.skipif(not RUN, reason="no trained policy; name a run folder with TD3_DRIVING_RUN")
def test_trained_policy_drives_to_the_goal_as_training_does(tmp_path: Path, domain_id: int) -> None:
    seed = int(os.environ.get("TD3_DRIVING_RUN_SEED", "0"))
    settings = override(run_settings(Path(RUN)), os.environ.get("TD3_DRIVING_RUN_SET", "").split())
    weights, origin = weights_of(Path(RUN), settings)
    bundle = tmp_path / "policy.zip"
    bundle.write_bytes(export_policy(settings, weights, {"doctor": None})[0])
    wanted, record = training_policy_drives(settings, weights, seed, LONGEST)
    drive = Episode(domain_id, settings, bundle, seed, len(wanted)).drive()
    actions = np.array([(tick.steer, tick.drive) for tick in drive.ticks])
    arrived = (actions == STOP_ACTION).all(axis=1)
    until = int(arrived.argmax()) if arrived.any() else len(actions)
    route = Route(route_points(drive.messages[ROUTE][-1]))
    places = []
    for message in drive.of_episode(ODOMETRY):
        places.append(route.locate(vehicle_state(message), places[-1].s if places else None))
    believed = [vehicle_state(message) for message in drive.of_episode(drive.odometry)]
    errors = [
        (b.x - vehicle_state(e).x, b.y - vehicle_state(e).y) for b, e in zip(believed, drive.of_episode(ODOMETRY))
    ]
    _, answers = training_acts_on(drive, settings, weights, seed)
    difference = float(np.abs(actions[:until] - answers[:until]).max())
    apart = np.abs(actions[:until] - wanted[:until]).max(axis=1)
    lateral = max(abs(place.lateral) for place in places)
    print(f"\n{origin}, seed {seed}: {places[-1].s:.0f} of {route.length:.0f} m in {until} frames")
    print(f"training's episode: {len(wanted)} frames, {record.exit_reason}")
    print(f"positions wrong by {np.mean(errors, axis=0)} +- {np.std(errors, axis=0)} m")
    print(f"farthest from the lane centre {lateral:.2f} m; training's {record.max_lateral:.2f} m")
    print(f"actions differ from training's on the same frames by at most {difference:.1e}")
    course = " ".join(f"{apart[n]:.0e}" for n in range(0, until, max(until // 16, 1)))
    print(f"from those of training's own drive, in its course: {course}")
    assert difference <= 1e-4
    assert lateral < settings.episode.off_lane_distance
    # Where a vehicle believes to be at its goal, it stops; its positions may put that before the goal.
    reach = GOAL_DISTANCE + float(np.hypot(*np.array(errors).T).max())
    assert places[-1].s > route.length - reach, "it did not get to the end of its route"

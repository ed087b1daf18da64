# SPDX-License-Identifier: Apache-2.0
"""Episodes of a reference driver in the embedded world, in this process and without a camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from td3_driving.driving.action import to_command
from td3_driving.driving.drivers import Driver, Situation, reference_driver
from td3_driving.driving.episode import EpisodeMonitor, EpisodeRecord, ExitReason
from td3_driving.driving.pilot import VIOLATIONS
from td3_driving.driving.reward import DrivenStep, RewardModel
from td3_driving.driving.route import Route
from td3_driving.settings import Settings
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World

RANKING_STEPS = 200
"""Enough for the lane keeper to pick up speed, a parked car to be detected, an escaping one to reach the grass."""

RANKED = {"lane keeper": "lane_keeper", "parked": "parked", "off the road": "off_road"}
"""Name in the ranking -> reference driver."""


def drive_episode(world: World, driver: Driver, settings: Settings, seed: int, steps: int) -> EpisodeRecord:
    """One episode of at most ``steps`` steps, scored as in training."""
    route = Route(world.reset(settings.simulator.scenario, seed))
    monitor, reward = EpisodeMonitor(settings.episode), RewardModel(settings.reward, settings.simulator.fixed_delta)
    vehicle = world.tick().ego
    place = route.locate(vehicle)
    record = EpisodeRecord(0, settings.simulator.scenario, seed, route.length, place.s, last_s=place.s)
    last_action = np.zeros(2, dtype=np.float32)
    while record.exit_reason is None and record.length < steps:
        action = driver.act(Situation(vehicle, place, route))
        command = to_command(action)
        world.apply(Control(throttle=command.throttle, steer=command.steer, brake=command.brake))
        frame = world.tick()
        before, vehicle = place, frame.ego
        place = route.locate(vehicle, before.s)
        record.exit_reason = monitor.step(vehicle, place, route, bool(frame.collisions))
        violation = record.exit_reason in VIOLATIONS
        others = frame.vehicles.neighbours()
        step = DrivenStep(vehicle, before, place, action, last_action, violation, route, others)
        record.add(reward.score(step), vehicle, place)
        last_action = action
    if record.exit_reason is None:
        record.exit_reason = ExitReason.RUN_END
    return record


def reward_ranking(settings: Settings) -> dict[str, float]:
    """Return of the lane keeper, the parked car and the one that leaves the road, on the same empty road."""
    empty = replace(settings, simulator=replace(settings.simulator, map="curves", route="auto", vehicles=0))
    world = World(empty.simulator, settings.run.seed)
    speed, frame_time = settings.reward.target_speed, settings.simulator.fixed_delta
    returns = {}
    for name, driver in RANKED.items():
        made = reference_driver(driver).make(speed, frame_time, 0)
        returns[name] = drive_episode(world, made, empty, settings.run.seed, RANKING_STEPS).episode_return
    return returns

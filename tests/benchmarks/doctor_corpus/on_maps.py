# SPDX-License-Identifier: Apache-2.0
"""Our own learner on our own maps, in one process, logged as the diagnostics node logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from td3_driving.doctor.steps import Step, StepWindow
from td3_driving.driving.episode import EpisodeRecord
from td3_driving.in_process.run import InProcessRun, Stepped
from td3_driving.monitor.event_log import EventLog
from td3_driving.runs.profiles import load_profile, profile_path
from td3_driving.settings import Settings


def settings_of(profile: str, seed: int) -> Settings:
    """The profile as it is, with its own seed and the replay memory out of the way of the disk."""
    base = load_profile(profile_path(profile))
    return replace(base, run=replace(base.run, seed=seed), replay=replace(base.replay, on_disk=False))


def train(folder: Path, profile: str, seed: int) -> None:
    """One training from its first to its last step."""
    settings = settings_of(profile, seed)
    log = EventLog(folder)
    log.text("config", "\n".join(f"    {key}: {value}" for key, value in settings.flat().items()))
    run, window = InProcessRun(settings, folder), StepWindow(settings.run.log_period)
    for step, stepped in enumerate(run.steps(), 1):
        series = window.add(_step(stepped, step), step)
        if series is not None:
            log.scalars(series | {"reward/ledger_breaks": float(window.ledger_breaks)}, step)
        while (point := run.trainer.pop_log_point()) is not None:
            log.scalars(point.values, point.step)
        if stepped.ended is not None:
            log.scalars(_of_episode(stepped.ended), step)
    log.scalars({"run/finished": 1.0}, settings.run.steps)
    log.close()
    run.scene.camera.close()


def _step(stepped: Stepped, step: int) -> Step:
    experience = stepped.scored.experience
    speed = stepped.scored.time_step.vehicle.speed
    terms = dict(zip(stepped.scored.terms.names, stepped.scored.terms.values.tolist()))
    return Step("actor_0", step, experience.step_index + 1, terms, experience.reward, speed)


def _of_episode(record: EpisodeRecord) -> dict[str, float]:
    return {
        "train/episode_reward": record.episode_return,
        "train/episode_length": float(record.length),
        "train/lane_invasions_per_episode": float(record.lane_invasions),
        "train/collisions_per_episode": float(record.collisions),
        "episode/mean_speed": record.mean_speed,
        "episode/route_completion": record.route_completion,
    }

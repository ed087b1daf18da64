"""What the observer of a run writes, feeds and says."""

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from td3_driving.doctor.live import LiveDoctor
from td3_driving.monitor.account import Account
from td3_driving.monitor.event_log import EventLog
from td3_driving.monitor.observer import EpisodePoint, RunObserver
from td3_driving.monitor.steps import Step
from td3_driving.settings import RunSettings, Settings

SETTINGS = Settings(run=RunSettings(steps=10, log_period=5))
ACCOUNT = Account(3, "", 10, 10, 0, 0, 0, "", 9, 100, 4, 4)


def observe(folder: Path, totals: list[float]) -> RunObserver:
    observer = RunObserver(SETTINGS, LiveDoctor.for_settings(SETTINGS), EventLog(folder))
    for number, total in enumerate(totals, start=1):
        parts = np.array([1.0, 0.5, 0.0, 0.0, 0.0])
        observer.on_step(Step("actor_0", number, number, parts, total, speed=5.0), now=0.1 * number)
    return observer


def test_every_series_reaches_the_event_file_at_its_step(tmp_path: Path) -> None:
    observer = observe(tmp_path, [1.5] * 10)
    observer.on_log_point(5, {"train/q1_value": 2.0, "debug/q1_for_actor_mean": 2.2})
    observer.on_episode(EpisodePoint("actor_0", 7, 10.5, {"train/episode_length": 7.0}))
    observer.on_account(ACCOUNT, now=1.0)
    observer.finish()
    observer.finish()
    progress = observer.progress(now=1.0)
    observer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [e.step for e in events.Scalars("reward/total")] == [5, 10]
    assert [e.step for e in events.Scalars("train/q1_value")] == [5]
    assert [e.step for e in events.Scalars("train/episode_length")] == [7]
    assert [e.step for e in events.Scalars("run/finished")] == [10]
    alerts = [tag for tag in events.Tags()["scalars"] if tag.startswith("alerts/")]
    assert alerts and all(len(events.Scalars(tag)) == 2 for tag in alerts)
    assert progress["step"] == 10 and progress["episode"] == 1 and progress["return"] == 10.5
    assert progress["q_ratio"] == pytest.approx(1.1)


def test_a_single_step_that_does_not_add_up_is_an_error(tmp_path: Path) -> None:
    levels = []
    for totals in ([1.5] * 10, [1.5] * 9 + [1.6]):
        observer = observe(tmp_path, totals)
        levels.append({status.name: status.level for status in observer.statuses(now=1.0)}["reward: ledger"])
        observer.close()
    assert levels[0] != "ERROR" and levels[1] == "ERROR"

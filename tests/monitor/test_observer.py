# SPDX-License-Identifier: Apache-2.0
"""What the observer of a run writes, feeds and says."""

from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from td3_driving.doctor.live import LiveDoctor
from td3_driving.doctor.run import find_run
from td3_driving.doctor.status import Status
from td3_driving.doctor.steps import Step
from td3_driving.monitor.account import Account
from td3_driving.monitor.event_log import EventLog
from td3_driving.monitor.observer import EpisodePoint, RunObserver
from td3_driving.monitor.writers import Writers
from td3_driving.settings import RunSettings, Settings

SETTINGS = Settings(run=RunSettings(steps=10, log_period=5))
TERMS = {"efficiency": 1.0, "own_term": 0.5}
ACCOUNT = Account(3, "", 10, 10, 0, 0, 0, "", 9, 100, 4, 4)


def observe(folder: Path, totals: list[float]) -> RunObserver:
    observer = RunObserver(SETTINGS, LiveDoctor(SETTINGS.flat()), EventLog(folder))
    for number, total in enumerate(totals, start=1):
        observer.on_step(Step("actor_0", number, number, TERMS, total, speed=5.0), now=0.1 * number)
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
    assert [e.value for e in events.Scalars("reward/own_term")] == [0.5, 0.5]
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


def ledger(steps: list[tuple[str, int]], folder: Path) -> Status:
    observer = RunObserver(SETTINGS, LiveDoctor(SETTINGS.flat()), EventLog(folder))
    for actor, number in steps:
        observer.on_step(Step(actor, number, number, TERMS, 1.5, speed=5.0), now=0.1 * number)
    (status,) = [status for status in observer.statuses(now=1.0) if status.name == "reward: ledger"]
    observer.close()
    return status


def test_steps_that_were_not_heard_are_counted_and_said(tmp_path: Path) -> None:
    whole = ledger([("actor_0", number) for number in range(1, 11)], tmp_path / "whole")
    holed = ledger([("actor_0", 3), ("actor_1", 7), ("actor_0", 4), ("actor_0", 7), ("actor_1", 8)], tmp_path / "holed")
    assert whole.values["steps not heard (count)"] == "0" and "not heard" not in whole.message
    assert holed.values["steps not heard (count)"] == "2"
    assert holed.values["first step heard"] == "actor_0: 3, actor_1: 7"
    assert (whole.level, holed.level) == ("OK", "WARN")


def stale(observer: RunObserver, now: float) -> set[str]:
    return {status.name for status in observer.statuses(now) if status.level == "STALE"}


def test_the_time_of_an_evaluation_makes_nothing_stale(tmp_path: Path) -> None:
    """Of two observers without news from 1 s on, one hears every second until 20 s that an evaluation goes on."""
    told, untold = observe(tmp_path / "told", [1.5] * 10), observe(tmp_path / "untold", [1.5] * 10)
    name = "environment: liveness"
    assert name not in stale(told, 1.0) | stale(untold, 1.0)
    for second in range(1, 21):
        told.on_evaluating(float(second))
        assert name not in stale(told, float(second))
    assert name in stale(untold, 20.0)
    told.on_evaluation("actor_0", 10, {"eval/driving_score": 50.0}, now=20.5)
    assert name not in stale(told, 21.0)
    assert name in stale(told, 30.0), "the training did not go on after it"
    told.close()
    untold.close()


def test_an_evaluation_that_falls_silent_is_stale_and_the_next_does_not_excuse_it(tmp_path: Path) -> None:
    observer = observe(tmp_path, [1.5] * 10)
    observer.statuses(1.0)
    observer.on_evaluating(1.0)
    assert "environment: liveness" in stale(observer, 10.0)
    observer.on_evaluating(40.0)
    assert "environment: liveness" in stale(observer, 40.0)
    observer.close()


def test_an_evaluation_is_written_at_the_step_it_began_at(tmp_path: Path) -> None:
    observer = observe(tmp_path, [1.5] * 10)
    observer.on_evaluating(1.0)
    observer.on_evaluation("actor_0", 8, {"eval/driving_score": 50.0, "eval/best": 1.0}, now=2.0)
    observer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("eval/driving_score")] == [(8, 50.0)]
    assert [event.value for event in events.Scalars("eval/best")] == [1.0]


def test_who_was_refused_and_what_is_lost_for_good_stand_in_progress_statuses_and_file(tmp_path: Path) -> None:
    writers = Writers({"/carla/control": ()})
    observer = RunObserver(SETTINGS, LiveDoctor(SETTINGS.flat()), EventLog(tmp_path), writers)
    assert not observer.on_graph(0, "")
    assert writers.note("/carla/control", "/x (GUID 01)")
    assert observer.on_graph(7, "/y (GUID 02)") and not observer.on_graph(7, "/y (GUID 02)"), "news once"
    observer.on_account(replace(ACCOUNT, strangers=3, stranger="/z (GUID 03)", gone=2), now=1.0)
    assert observer.refused == (10, "/y (GUID 02)")
    alarms = observer.progress(1.0)["alarms"]
    assert isinstance(alarms, list) and alarms[-3:] == [
        "10 messages of strangers refused (/y (GUID 02))",
        "2 steps lost for good",
        "/x (GUID 01) published on /carla/control",
    ]
    levels = {status.name: status.level for status in observer.statuses(1.0)}
    assert levels["graph: strangers"] == levels["graph: writers"] == "ERROR"
    observer.close()
    report = find_run(tmp_path)
    list(report.samples())
    (text,) = [texts["graph/who"] for texts in (part.texts for part in report.reports)]
    assert text.startswith("/x (GUID 01) published on /carla/control; messages without the seal")


def test_whatever_a_run_waits_for_stands_in_its_progress_while_no_step_comes(tmp_path: Path) -> None:
    """A node that was killed says nothing of itself; an observer that was started anew has heard of no step."""
    observer = RunObserver(SETTINGS, LiveDoctor(SETTINGS.flat()), None)
    assert observer.progress(now=0.0)["waits"] == "the learner's first status"
    learning = replace(ACCOUNT, state=2, reason="experience")
    observer.on_account(learning, now=1.0)
    assert observer.progress(now=2.0)["waits"] == "experience", "no step was heard"
    observer.on_step(Step("actor_0", 1, 1, TERMS, 1.5, speed=5.0), now=2.5)
    assert observer.progress(now=3.0)["waits"] == ""
    observer.on_account(replace(learning, reason="", updates_due=7), now=4.0)
    assert observer.progress(now=5.0)["waits"] == "3 updates of the learner"
    silent = 4.0 + SETTINGS.diagnostics.stale_after
    assert observer.progress(now=silent + 20.0)["waits"] == "the learner, which has said nothing for 25 s"
    observer.on_account(replace(learning, reason=""), now=100.0)
    observer.finish()
    assert observer.progress(now=200.0)["waits"] == ""

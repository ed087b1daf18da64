# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from td3_driving.doctor.live import LiveDoctor
from td3_driving.doctor.rulebook import standard_rules
from td3_driving.doctor.watches import CONFIG, FILES, GRADIENTS, LEDGER, LIVENESS
from td3_driving.doctor.watches import Q_HEALTH as Q
from td3_driving.settings import Settings


def replay(doctor, stream, until=None):
    """Feed a stream; statuses are asked for after every step, one step a tenth of a second."""
    levels, step = {}, None
    for sample in stream:
        if step is not None and sample.step != step:
            levels = {status.name: status.level for status in doctor.statuses(step * 0.1)}
            if until and until(levels):
                return levels, step
        step = sample.step
        doctor.feed(sample.tag, sample.step, sample.value)
    return {status.name: status.level for status in doctor.statuses(step * 0.1)}, step


@pytest.fixture
def doctor():
    return LiveDoctor({"train_freq": 4, "gradient_steps": 1, "gamma": 0.99}, stale_after=20.0)


def test_nothing_known_is_stale_and_not_healthy(doctor):
    assert {status.level for status in doctor.statuses(0.0)} == {"STALE"}


def test_a_healthy_run_raises_nothing(doctor, healthy, samples):
    columns = healthy()
    columns["replay/left_out"] = [(step, 0.0) for step, _ in columns["agent/total_iterations"]]
    levels, _ = replay(doctor, samples(columns), until=lambda levels: "ERROR" in levels.values())
    assert levels == dict.fromkeys((Q, GRADIENTS, LEDGER, LIVENESS, CONFIG, FILES), "OK")
    assert not doctor.critical
    assert set(doctor.alerts().values()) == {0}


@pytest.mark.parametrize("updates_per_point", [2, 25, 50, 100])
@pytest.mark.parametrize("start", [100, 1000])
def test_an_explosion_is_an_error_within_200_updates(updates_per_point, start):
    doctor = LiveDoctor({})
    for point in range(1, 2000):
        updates = point * updates_per_point
        exploded = updates >= start
        aq = 20.0 * 1.5 ** min((updates - start) / 10, 60) + 1000.0 if exploded else 20.0
        for tag, value in (
            ("train/actor_loss", -aq),
            ("train/q1_value", 20.0),
            ("agent/total_iterations", float(updates)),
        ):
            doctor.feed(tag, point * 100, value)
        if updates_per_point < 10 and point % 10:
            continue
        level = next(status.level for status in doctor.statuses(float(point)) if status.name == Q)
        if level == "ERROR":
            assert start < updates <= start + 200
            return
    pytest.fail("no alarm")


def test_alarms_latch_until_reset(doctor, healthy, samples):
    columns = healthy()
    dead = [(step, 0.0 if 2000 <= step < 2500 else value) for step, value in columns["progress/speed_kmh"]]
    rewards = [(step, 0.5 if 2000 <= step < 2500 else value) for step, value in columns["progress/current_reward"]]
    levels, _ = replay(doctor, samples({**columns, "progress/speed_kmh": dead, "progress/current_reward": rewards}))
    assert levels[LIVENESS] == "ERROR"
    assert doctor.critical
    assert doctor.alerts()["alerts/environment_dead"] == 1
    doctor.reset()
    assert not doctor.critical
    assert set(doctor.alerts().values()) == {0}


def test_a_fault_that_persists_alarms_again(doctor):
    for _ in range(2):
        doctor.feed("train/critic_loss", 1, float("nan"))
        assert doctor.critical
        doctor.reset()


def test_every_alert_series_is_written_every_time(doctor, healthy, samples):
    before = doctor.alerts()
    replay(doctor, samples(healthy()))
    assert set(before) == set(doctor.alerts()) == set(standard_rules().alerts())


def test_silence_is_stale(doctor, healthy, samples):
    _, step = replay(doctor, samples(healthy()))
    levels = {status.name: status.level for status in doctor.statuses(step * 0.1 + 100.0)}
    assert set(levels.values()) == {"STALE"}


def test_a_source_that_speaks_seldom_is_not_stale_between_its_points():
    doctor = LiveDoctor({}, stale_after=5.0)
    for point in range(1, 6):
        doctor.feed("train/q1_value", point, 1.0 + point)
        doctor.statuses(60.0 * point)
    assert next(status.level for status in doctor.statuses(60.0 * 5 + 90.0) if status.name == Q) == "OK"
    assert next(status.level for status in doctor.statuses(60.0 * 5 + 300.0) if status.name == Q) == "STALE"


def test_values_are_texts_with_units(doctor, healthy, samples):
    replay(doctor, samples(healthy()))
    values = {status.name: status.values for status in doctor.statuses(600.0)}
    assert 0.9 <= float(values[Q]["aq / q (ratio)"]) <= 1.15
    assert values[CONFIG]["updates per step (measured)"] == "0.2500"
    assert values[CONFIG]["updates per step (asked)"] == "0.2500"
    assert "speed (km/h)" in values[LIVENESS]


def test_the_doctor_of_our_own_settings():
    doctor = LiveDoctor(Settings().flat())
    for step in range(1100, 2100, 100):
        doctor.feed("agent/total_iterations", step, float(step - 1000))
    assert next(status for status in doctor.statuses(1.0) if status.name == CONFIG).level == "ERROR"


def test_a_continued_run_gets_time_for_its_first_loss():
    doctor = LiveDoctor({"learning_starts": 100, "train_freq": 4, "log_period": 10})
    for step in range(401, 2000):
        doctor.feed("progress/speed_kmh", step, 20.0)
        if step < 401 + 4 * 10 + 2 * 10:
            assert not doctor.critical, f"alarm {step - 400} steps after the start"
    assert doctor.alerts()["alerts/learning_not_started"] == 1

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.expectations import Expectations, parse_config, parse_expect, read_config
from td3_driving.settings import Settings


def test_our_own_settings_are_understood():
    asked = Expectations(Settings().flat())
    settings = Settings()
    assert asked.number("gamma") == settings.learning.gamma
    assert asked.number("actor_lr") == settings.learning.actor_mlp_lr
    assert asked.number("steps") == settings.run.steps
    assert asked.updates_per_step == settings.pacing.gradient_steps / settings.pacing.train_freq


@pytest.mark.parametrize(
    "text",
    [
        "/**:\n  ros__parameters:\n    pacing:\n      train_freq: 50\n      gradient_steps: 1\n",
        "/**:\n  ros__parameters:\n    pacing.train_freq: 50\n    pacing.gradient_steps: 1\n",
        '{"train_freq": 50, "gradient_steps": 1}',
        "    pacing.train_freq: 50\n    pacing.gradient_steps: 1\n",
        "|param|value|\n|-|-|\n|train_freq|50|\n|gradient_steps|1|\n",
    ],
)
def test_configurations_of_every_form(text):
    assert Expectations(parse_config(text)).updates_per_step == pytest.approx(0.02)


def test_names_of_other_libraries():
    asked = Expectations({"policy_freq": 3, "learning_rate": "1e-3", "max_timesteps": 5000})
    assert (
        asked.number("policy_delay"),
        asked.number("actor_lr"),
        asked.number("critic_lr"),
        asked.number("steps"),
    ) == (3, 1e-3, 1e-3, 5000)


def test_a_network_s_own_learning_rate():
    asked = Expectations(
        parse_config(
            "networks: {actor: {learning_rate: 0.1}, critic: {learning_rate: 0.2}, actor_cnn: {learning_rate: 9}}"
        )
    )
    assert (asked.number("actor_lr"), asked.number("critic_lr")) == (0.1, 0.2)


def test_what_is_known_wins_over_a_weak_source():
    asked = Expectations({"gamma": 0.9})
    asked.merge({"gamma": 0.5, "tau": 0.1}, "text", weak=True)
    assert (asked.number("gamma"), asked.number("tau")) == (0.9, 0.1)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("train_freq", "not of the form"),
        ("train_frek=3", "did you mean 'train_freq'"),
        ("train_freq=often", "'often' is not a number"),
    ],
)
def test_a_slip_in_expect_is_refused(pair, message):
    with pytest.raises(Unusable, match=message):
        parse_expect([pair])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"- a\n- b\n", b"{: :", b""])
def test_what_is_no_configuration_is_refused(tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(Unusable, match="is not a configuration"):
        read_config(path)

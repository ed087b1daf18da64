# SPDX-License-Identifier: Apache-2.0
"""Messages with the extremes of every field, through the callbacks of the nodes that take them.

``TD3_DRIVING_CASES`` says how many of each kind.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from td3_driving_msgs.msg import EpisodeSummary, EvaluationSummary, Guard, LearnerStatus, PolicyWeights, RewardTerms

from td3_driving.driving import decoding
from td3_driving.driving.reward import term_names
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.acting import LearnedActionSource
from td3_driving.learning.bounds import ExperienceBounds
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.trainer import Trainer
from td3_driving.monitor.bounds import RunBounds
from td3_driving.nodes.ros.conversions import experience_message
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.training.diagnostics import DiagnosticsNode
from td3_driving.nodes.training.orders import Orders
from td3_driving.nodes.training.weights_intake import WeightsIntake
from td3_driving.nodes.training.weights_messages import weights_message
from td3_driving.settings import Settings

from ...shared.tiny import small_settings
from ..extremes import Extremes

CASES = int(os.environ.get("TD3_DRIVING_CASES", "400"))
QUIET = SimpleNamespace(error=lambda *_, **__: None, warning=lambda *_, **__: None)
NODE: Any = SimpleNamespace(get_logger=lambda: QUIET)


@pytest.fixture
def diagnostics(tmp_path: Path, domain_id: int) -> Iterator[DiagnosticsNode]:
    rclpy.init(args=["--ros-args", "-p", f"run_dir:={tmp_path}"], domain_id=domain_id)
    node = DiagnosticsNode()
    yield node
    node.close()
    node.destroy_node()
    rclpy.shutdown()


def hurl(genuine: Any, seed: int, *callbacks: Callable[[Any], None]) -> None:
    """Pass messages to the callbacks, which may end the run and must not fail."""
    extremes = Extremes(np.random.default_rng(seed))
    for _ in range(CASES):
        message = extremes.of(genuine)
        for callback in callbacks:
            with contextlib.suppress(RunEnd):
                callback(message)


@pytest.mark.parametrize("heal", [False, True])
def test_the_learner_takes_nothing_that_is_out_of_range(heal: bool) -> None:
    settings = small_settings(run__steps=400, replay__capacity=10_000)
    dimension = state_dim(settings.observation)
    memory = ReplayMemory(settings, dimension, None)
    intake, bounds = ExperienceIntake(settings, dimension, memory, heal), ExperienceBounds(settings, dimension)
    extremes, inserted = Extremes(np.random.default_rng(0)), 0
    genuine = [experience_message(step, 0) for step in made_up_experience(settings, dimension, 300)]
    for number in range(CASES):
        # Two of three messages are genuine ones in their order, so that some extremes meet an open episode.
        message = genuine[min(inserted, 299)]
        message = extremes.of(message) if number % 3 == 0 else message
        step = decoding.experience(message)
        outcome = intake.accept(step)
        inserted += outcome.inserted
        assert not outcome.inserted or (bounds.foreign(step) or bounds.fault(step)) == ""
        counters = intake.counters
        assert counters.received == number + 1 == counters.inserted + counters.duplicate + counters.rejected
        assert 0 <= counters.lost <= 400 and counters.inserted == memory.inserted == inserted
    assert inserted > min(CASES // 2, 100)


def test_the_diagnostics_bear_every_message(diagnostics: DiagnosticsNode) -> None:
    terms = term_names(Settings().reward)
    values = [0.1] * len(terms)
    place = {"actor_id": "actor_0", "step": 7}
    reward = RewardTerms(**place, names=terms, values=values, total=0.1 * len(terms))
    hurl(reward, 1, diagnostics._on_reward)
    hurl(EpisodeSummary(**place, term_names=terms, term_returns=values), 2, diagnostics._on_episode)
    hurl(EvaluationSummary(**place, tags=["eval/score"], values=[1.0]), 3, diagnostics._on_evaluation)
    hurl(LearnerStatus(log_point=True, tags=["train/q1_value"], values=[1.0]), 4, diagnostics._on_learner_status)
    with contextlib.suppress(RunEnd):  # A status said that all is done.
        diagnostics._publish_diagnostics()
    diagnostics._print_progress()


def test_the_policy_bears_every_order_and_status() -> None:
    heard: list[LearnerStatus] = []
    orders = Orders(NODE, RunBounds(Settings()), lambda: None, heard.append)
    hurl(LearnerStatus(), 5, orders.status)
    hurl(Guard(), 6, orders.guard)
    assert orders.learner_updates <= 2**53 and all(message.inserted <= 5000 for message in heard)


def test_the_policy_takes_no_weights_out_of_range(tmp_path: Path) -> None:
    settings = small_settings()
    trainer = Trainer(settings, tmp_path, state_dim(settings.observation))
    source = LearnedActionSource(settings, 0)
    trust: Any = SimpleNamespace(sealed_subscription=lambda *_: None)
    intake = WeightsIntake(NODE, trust, source, settings.digest(), lambda: None)
    genuine: PolicyWeights = weights_message(trainer.trained_weights(), 1)
    hurl(genuine, 7, intake._take_trained)
    assert source.version == source.newest_version == 0 and source.steps == 60

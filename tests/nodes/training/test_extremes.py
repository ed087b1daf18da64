# SPDX-License-Identifier: Apache-2.0
"""Messages with the extremes of every field, through the callbacks of learner, diagnostics and parts of a policy."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from nav_msgs.msg import Odometry
from td3_driving_msgs.msg import (
    EpisodeSummary,
    EvaluationSummary,
    Guard,
    LearnerStatus,
    PolicyWeights,
    Refusals,
    RewardTerms,
)

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
from td3_driving.nodes.bridge.messages import path
from td3_driving.nodes.ros.conversions import experience_message
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.training.diagnostics import DiagnosticsNode
from td3_driving.nodes.training.orders import Orders
from td3_driving.nodes.training.weights_intake import WeightsIntake
from td3_driving.nodes.training.weights_messages import weights_message
from td3_driving.settings import Settings

from ...shared.tiny import small_settings
from ..extremes import CASES, FEW, Extremes, QuietLogger, hurl, quieten, say

NODE: Any = SimpleNamespace(get_logger=QuietLogger)


@pytest.fixture
def diagnostics(tmp_path: Path, domain_id: int) -> Iterator[DiagnosticsNode]:
    rclpy.init(args=["--ros-args", "-p", f"run_dir:={tmp_path}"], domain_id=domain_id)
    node = DiagnosticsNode()
    quieten(node)
    yield node
    node.close()
    node.destroy_node()
    rclpy.shutdown()


BLOCK = 40
"""Cases of one memory: a step of a later session closes the one before for ever."""


@pytest.mark.parametrize("heal", [False, True])
def test_the_learner_takes_nothing_that_is_out_of_range(heal: bool) -> None:
    """Two of three messages are genuine ones in their order, so that most extremes meet an open episode."""
    settings = small_settings(run__steps=400, replay__capacity=200)
    dimension = state_dim(settings.observation)
    bounds, extremes, start = ExperienceBounds(settings, dimension), Extremes(0), time.monotonic()
    genuine = [experience_message(step, 0) for step in made_up_experience(settings, dimension, BLOCK)]
    taken = 0
    for number in range(CASES):
        if number % BLOCK == 0:
            memory = ReplayMemory(settings, dimension, None)
            intake, inserted = ExperienceIntake(settings, dimension, memory, heal), 0
        extremes.put_right()
        message = genuine[min(inserted, BLOCK - 1)]
        step = decoding.experience(extremes.of(message) if number % 3 == 0 else message)
        outcome = intake.accept(step)
        inserted, taken = inserted + outcome.inserted, taken + outcome.inserted
        assert not outcome.inserted or (bounds.foreign(step) or bounds.fault(step)) == ""
        counters = intake.counters
        assert counters.received == number % BLOCK + 1 == counters.inserted + counters.duplicate + counters.rejected
        assert 0 <= counters.lost <= 400 and counters.inserted == memory.inserted == inserted
    assert taken > CASES // 3
    say("Experience", (CASES + 2) // 3, 0, time.monotonic() - start)


def test_the_diagnostics_bear_every_message(diagnostics: DiagnosticsNode) -> None:
    terms = term_names(Settings().reward)
    values = [0.1] * len(terms)
    place = {"actor_id": "actor_0", "step": 7}
    reward = RewardTerms(**place, names=terms, values=values, total=0.1 * len(terms))
    hurl(reward, 1, diagnostics._on_reward)
    hurl(EpisodeSummary(**place, term_names=terms, term_returns=values), 2, diagnostics._on_episode)
    hurl(EvaluationSummary(**place, tags=["eval/score"], values=[1.0]), 3, diagnostics._on_evaluation)
    hurl(
        LearnerStatus(log_point=True, tags=["train/q1_value"], values=[1.0]),
        4,
        diagnostics._on_learner_status,
        cases=FEW,
    )
    refusals = Refusals(node="/policy", strangers=1, stranger="/x", topics=["/td3/guard"], writers=["/x (GUID 01)"])
    hurl(refusals, 15, diagnostics._on_refusals, cases=FEW)
    hurl(path(np.column_stack((np.arange(30.0), np.zeros((30, 2)))), 0), 16, diagnostics._on_route, cases=FEW)
    hurl(Odometry(), 17, diagnostics._on_odometry)
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


def test_weights_that_were_read_late_do_not_replace_newer_ones(tmp_path: Path) -> None:
    """A repeated message passes the first look while a newer one is read aside, and is offered after it."""
    settings = small_settings()
    trainer, source = Trainer(settings, tmp_path, state_dim(settings.observation)), LearnedActionSource(settings, 0)
    read: list[tuple[Any, Any]] = []
    aside: Any = SimpleNamespace(do=lambda work, then: read.append((work, then)))
    trust: Any = SimpleNamespace(sealed_subscription=lambda *_: None)
    intake = WeightsIntake(NODE, trust, source, settings.digest(), lambda: None, aside)
    old = weights_message(trainer.trained_weights(), 1)
    for experience in made_up_experience(settings, state_dim(settings.observation), 60):
        trainer.receive(experience)
    new = weights_message(trainer.trained_weights(), 2)
    assert old.version < new.version
    for message in (new, old):
        intake._take_trained(message)
    for work, then in read:
        then(work)
    assert source.newest_version == new.version

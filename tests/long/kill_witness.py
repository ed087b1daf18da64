# SPDX-License-Identifier: Apache-2.0
"""Listens to a run whose processes are killed, and draws whom to kill when."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile
from td3_driving_msgs.msg import Experience, LearnerStatus, PolicyWeights

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos

from ..nodes.kill_harness import StepEar
from .kill_checks import Sent, weights_digest

CYCLE = ("simulator",) * 4 + ("learner",) * 3 + ("diagnostics",) * 2
"""Kills that a run survives; the tenth ends it. A process may die five times within a minute."""
LAST = ("policy", "starter")
AIM_TIME = 5.0
"""Longest wait for the moment that a kill is aimed at [s]."""
NAMED = ("waiting for ", "waits for ", "paused until ", "gave up ", "no complete frame", "no command for frame")
"""Beginnings of the texts by which a run says why it stands still."""


@dataclass(frozen=True)
class Kill:
    """Who is killed, and when: ``random``, ``volley`` (before the run goes on), ``checkpoint``, ``replay``."""

    target: str
    moment: str
    pause: float


def draw_cycle(seed: int, number: int) -> list[Kill]:
    """Ten kills; the same for the same numbers."""
    rng = np.random.default_rng([seed, number])
    targets = [*rng.permutation(CYCLE).tolist(), str(rng.choice(LAST))]
    return [_draw(target, rng) for target in targets]


def _draw(target: str, rng: np.random.Generator) -> Kill:
    aims = ["random", "volley"] if target in ("simulator", "diagnostics", "policy") else ["checkpoint", "replay"]
    moments = aims if target != "starter" else ["random", *aims]
    moments = ["random", "volley", *aims] if target == "learner" else moments
    return Kill(target, str(rng.choice(moments)), float(rng.uniform(0.0, 1.5)))


class Witness(StepEar):
    """Keeps what a run sends, and what is wrong with its accounts.

    Attributes:
        step_at, status_at: wall time at which the newest step and the newest status were heard [s].
        sent: steps heard in this run.
        weights: stamp and digest of the weights heard in this run, by version.
        equal, unequal: versions that a learner started anew came to a second time, with the same weights or others.
    """

    def __init__(self, domain: int) -> None:
        super().__init__(domain)
        self.step_at = self.status_at = time.monotonic()
        self.sent: set[Sent] = set()
        self.weights: dict[int, tuple[int, str]] = {}
        self.equal: list[int] = []
        self.unequal: list[int] = []
        deep = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(PolicyWeights, "/td3/policy_weights", self._on_weights, deep)
        self.node.create_subscription(LearnerStatus, "/td3/learner_status", self._on_status, qos.STATUS)

    def _on_step(self, message: Experience) -> None:
        super()._on_step(message)
        self.step_at = time.monotonic()
        self.sent.add((message.session_id, message.sequence))

    def _on_status(self, _: LearnerStatus) -> None:
        self.status_at = time.monotonic()

    def _on_weights(self, message: PolicyWeights) -> None:
        stamp, digest = nanoseconds(message.header.stamp), weights_digest(bytes(message.data))
        before, self.weights[message.version] = self.weights.get(message.version, (stamp, digest)), (stamp, digest)
        # A learner repeats its last message; one that was started anew makes another.
        if before[0] != stamp:
            (self.equal if before[1] == digest else self.unequal).append(message.version)

    def new_run(self) -> None:
        """Forget the run before."""
        # What it sent last may still wait to be heard.
        self.listen(1.0)
        for heard in (self.sent, self.weights, self.equal, self.unequal):
            heard.clear()
        self.forget()

    def forget(self) -> None:
        """Forget what only the attempt before was about."""
        for heard in (self.rewards, self.accounts, self.steps, self.errors):
            heard.clear()

    def account_faults(self) -> list[str]:
        """What is wrong with the accounts heard since the last call."""
        faults = []
        for account in self.accounts:
            if account.received != account.inserted + account.duplicate + account.rejected and not account.log_point:
                faults.append(f"unbalanced: {account.received} received")
            if account.rejected or account.strangers:
                faults.append(f"{account.rejected} rejected, {account.strangers} of strangers: {account.reason}")
        self.accounts.clear()
        return sorted(set(faults))


def aim(moment: str, folder: Path) -> bool:
    """Wait until a checkpoint, or a step, is being written; whether that was seen."""
    if moment == "checkpoint":
        return _spin(lambda: any(entry.name.startswith(".b") for entry in os.scandir(folder / "checkpoints")))
    counts = np.memmap(folder / "replay" / "counters.i64", np.int64, "r")
    return _spin(lambda: bool(counts[0] != counts[1]))


def _spin(seen: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + AIM_TIME
    try:
        while not seen():
            if time.monotonic() > deadline:
                return False
    except OSError:
        return False
    return True


def named_reason(text: str) -> str:
    """Why a run stood still, by its own words; "" where it said nothing."""
    return next((line.strip()[:160] for line in text.splitlines() if any(word in line for word in NAMED)), "")

# SPDX-License-Identifier: Apache-2.0
"""Counts where the time of a process goes, by wrappers around the calls of :data:`PLACES`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from td3_driving.launching.child import MODULES

WARM_UP = 500
"""Steps before the account begins."""
ROOT = "td3_driving."
STEP = {
    "simulator": "sim.world:World.tick",
    "policy": "driving.pilot:Pilot.act",
    "learner": "learning.trainer:Trainer.receive",
}
"""What each process does once in a step."""
PLACES = {
    "sim.world:World.tick": "world step",
    "sim.world:World.prepare": "traffic, while the policy computes",
    "sim.camera:Camera.expose": "render",
    "sim.camera:Camera.frame": "crop, scale, grey",
    "nodes.training.frame_intake:camera_frame": "crop, scale, grey",
    "nodes.bridge.frame_publisher:FramePublisher.publish": "fill messages",
    "nodes.bridge.frame_publisher:FramePublisher._send": "convert, serialise, send",
    "nodes.bridge.inputs:BridgeInputs._command": "apply command",
    "nodes.bridge.simulator:SimulatorNode._keep_house": "housekeeping",
    "nodes.ros.fast_wait:FastWait.once": "wait set",
    "nodes.ros.fast_wait:take_message": "take, deserialise",
    "nodes.training.frame_intake:take_message": "take, deserialise",
    "nodes.training.frame_intake:FrameIntake._on_image": "frame intake",
    "nodes.training.frame_intake:FrameIntake._on_odometry": "frame intake",
    "nodes.training.frame_intake:FrameIntake._on_objects": "frame intake",
    "nodes.training.frame_intake:FrameIntake._on_whole": "frame intake",
    "nodes.training.sole_senders:SoleSenders.takes": "whose message",
    "nodes.training.other_writers:OtherWriters.touched": "others who command",
    "driving.pilot:Pilot.see": "observe",
    "driving.pilot:Pilot.score": "score",
    "driving.pilot:Pilot.act": "exploration",
    "driving.pilot:Pilot.prepare": "for the learner: critic's vector, teacher",
    "learning.inference:ActorPolicy.act": "inference",
    "learning.weights:fit": "weights in",
    "nodes.training.policy_outputs:PolicyOutputs.command": "send command",
    "nodes.training.policy_outputs:PolicyOutputs.step": "fill and send experience",
    "trust.seal:Seal.sealed": "seal",
    "trust.seal:Seal.judge": "seal",
    "learning.trainer:Trainer.receive": "insert experience",
    "learning.trainer:Trainer.run_due": "update",
    "rclpy.executors:SingleThreadedExecutor.spin_once": "executor",
    "driving.decoding:experience": "decode experience",
}
"""Call -> what its own time is called."""
WAITING = "waiting"


class Ledger:
    """Times of nested calls, each less that of the calls within it.

    Attributes:
        spent: label -> [s] since the warm-up; steps: since then.
        answers: from the end of a wait to the command, one for each [s].
    """

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.steps = -WARM_UP
        self.answers: list[float] = []
        self.woken = 0.0
        self._labels = ["else"]
        self._since = self._began = time.perf_counter()
        self._cpu = time.process_time()

    def enter(self, label: str) -> None:
        """A call begins."""
        now = time.perf_counter()
        self.spent[self._labels[-1]] += now - self._since
        self._since = now
        self._labels.append(label)

    def leave(self) -> None:
        """It ends."""
        now = time.perf_counter()
        self.spent[self._labels.pop()] += now - self._since
        self._since = now

    def step(self) -> None:
        """A step begins; the first after the warm-up begins the account."""
        self.steps += 1
        if self.steps == 0:
            self.spent.clear()
            self.answers.clear()
            self._since = self._began = time.perf_counter()
            self._cpu = time.process_time()

    def result(self) -> dict[str, Any]:
        """All of it, for one step [ms]."""
        steps = max(self.steps, 1)
        return {
            "steps": self.steps,
            "wall": (time.perf_counter() - self._began) * 1e3 / steps,
            "cpu": (time.process_time() - self._cpu) * 1e3 / steps,
            "answer": float(np.mean(self.answers)) * 1e3 if self.answers else 0.0,
            "spent": {label: spent * 1e3 / steps for label, spent in self.spent.items()},
        }


def wrap(place: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace the function or method ``module:name`` where there is one."""
    module, _, name = place.partition(":")
    try:
        owner: Any = import_module(module if module.startswith("rclpy") else ROOT + module)
    except ModuleNotFoundError:
        return
    *outer, name = name.split(".")
    for part in outer:
        owner = getattr(owner, part, None)
    if hasattr(owner, name):
        setattr(owner, name, make(getattr(owner, name)))


def timed(ledger: Ledger, label: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A wrapper that puts a call under ``label``."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)  # rclpy looks at the parameters of callbacks.
        def call(*given: Any, **named: Any) -> Any:
            ledger.enter(label)
            try:
                return inner(*given, **named)
            finally:
                ledger.leave()

        return call

    return make


def stepping(ledger: Ledger) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A wrapper that counts steps."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)  # rclpy looks at the parameters of callbacks.
        def call(*given: Any, **named: Any) -> Any:
            ledger.step()
            return inner(*given, **named)

        return call

    return make


def answering(ledger: Ledger) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A wrapper that notes how long after its waking a process answers."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)  # rclpy looks at the parameters of callbacks.
        def call(*given: Any, **named: Any) -> Any:
            result = inner(*given, **named)
            ledger.answers.append(time.perf_counter() - ledger.woken)
            return result

        return call

    return make


class TimedWaitSet:
    """A wait set that counts its waiting."""

    def __init__(self, inner: Any, ledger: Ledger) -> None:
        self._inner, self._ledger = inner, ledger

    def wait(self, nanoseconds: int) -> None:
        """As the wait set."""
        self._ledger.enter(WAITING)
        self._inner.wait(nanoseconds)
        self._ledger.leave()
        self._ledger.woken = time.perf_counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class TimedRclpy:
    """rclpy's compiled part with timed wait sets."""

    def __init__(self, inner: Any, ledger: Ledger) -> None:
        self._inner, self._ledger = inner, ledger

    def WaitSet(self, *given: Any) -> TimedWaitSet:
        """A timed one."""
        return TimedWaitSet(self._inner.WaitSet(*given), self._ledger)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def instrument(executable: str) -> Ledger:
    """Put the wrappers of :data:`PLACES` into this process."""
    ledger = Ledger()
    import_module(MODULES[executable])
    for place, label in PLACES.items():
        wrap(place, timed(ledger, label))
    wrap("nodes.training.policy_outputs:PolicyOutputs.command", answering(ledger))
    wrap(STEP[executable], stepping(ledger))
    fast_wait: Any = import_module(f"{ROOT}nodes.ros.fast_wait")
    fast_wait._rclpy = TimedRclpy(fast_wait._rclpy, ledger)
    return ledger

# SPDX-License-Identifier: Apache-2.0
"""Starts real training runs for tests: the real processes, over real DDS, with small numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from td3_driving_msgs.msg import LearnerStatus, RewardTerms
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.replay import ReplayMemory
from td3_driving.nodes.ros import qos
from td3_driving.runs.profiles import load_profile

from ..shared import tiny
from ..shared.patience import HANG

SMALL = {
    "run.steps": 300,
    "run.log_period": 50,
    "simulator.map": "straight",
    "simulator.vehicles": 3,
    **tiny.CAMERA,
    **tiny.LEARNER,
    "exploration.random_steps": 60,
    "episode.max_steps": 60,
    "replay.on_disk": None,  # A run keeps it there.
    "replay.capacity": 1000,
    "pacing.learning_starts": 100,
    "pacing.train_freq": 10,
    "pacing.gradient_steps": 5,
    "pacing.checkpoint_period": 20,
    "pacing.stall_timeout": 600,
    "simulator.control_timeout": 600,
    "evaluation.final_routes": 0,
}
"""Settings of a run that takes seconds, beside the defaults; each test says what it changes."""


class Ear:
    """A plain ROS 2 node beside the run that keeps what it hears."""

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self.node = Node("ear", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.rewards: list[RewardTerms] = []
        self.accounts: list[LearnerStatus] = []
        self.statuses: dict[str, DiagnosticStatus] = {}
        self.errors: list[DiagnosticStatus] = []
        self._spoke: set[str] = set()
        # Made in this order: whoever knows the last of them, by whose topic all are heard to speak, knows the others.
        self.node.create_subscription(RewardTerms, "/td3/reward", self.rewards.append, qos.REWARD)
        self.node.create_subscription(LearnerStatus, "/td3/learner_status", self._on_account, qos.STATUS)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.DIAGNOSTICS)

    def _on_account(self, message: LearnerStatus) -> None:
        self._spoke.add("learner")
        self.accounts.append(message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._spoke.update(status.hardware_id for status in message.status)
        self.statuses.update({status.name: status for status in message.status})
        self.errors += [status for status in message.status if status.level == DiagnosticStatus.ERROR]

    @property
    def step(self) -> int:
        """The newest environment step heard of."""
        return max((reward.step for reward in self.rewards), default=0)

    def finds(self) -> bool:
        """Whether the graph has policy, learner and diagnostics of a run."""
        topics = ("/td3/reward", "/td3/learner_status", "/diagnostics")
        return all(self.node.count_publishers(topic) for topic in topics)

    def acquainted(self, actors: int = 1) -> bool:
        """Whether this node hears the diagnostics, the learner and as many policies of a run, and knows them all.

        What one has heard tells that the other has found it, which no look at the graph does.
        """
        policies = {f"actor_{index}" for index in range(actors)}
        return self.finds() and {"td3_driving", "learner", *policies} <= self._spoke

    def listen(self, seconds: float) -> None:
        """Handle messages for ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def __enter__(self) -> Ear:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


class Run:
    """One ``td3-driving train`` in a process of its own.

    Args:
        home: working directory; the run is in ``home/runs/run``.
        domain: ROS domain id of the run.
        changes: settings that differ from :data:`SMALL`; None leaves the default.
        options: further command-line words.
        before: words before the command, such as those that lead it into another network.
    """

    def __init__(
        self,
        home: Path,
        domain: int | None,
        changes: dict[str, object] | None = None,
        *options: str,
        before: Sequence[str] = (),
    ) -> None:
        self.folder = home / "runs" / "run"
        settings = SMALL | (changes or {})
        self._actors = int(str(settings.get("run.num_actors") or 1))
        given = {name: value for name, value in settings.items() if value is not None}
        words = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
        environment = {key: value for key, value in os.environ.items() if key != "ROS_DOMAIN_ID"}
        environment |= {"OMP_NUM_THREADS": "1", **({} if domain is None else {"ROS_DOMAIN_ID": str(domain)})}
        base = home / "defaults.yaml"
        base.write_text("/**:\n  ros__parameters:\n    run:\n      seed: 0\n")
        self._log = (home / f"output-{time.time_ns()}.txt").open("w+b")
        self.process = subprocess.Popen(
            [
                *before,
                sys.executable,
                "-m",
                "td3_driving.cli",
                "train",
                *([] if "--resume" in options else ["--profile", str(base)]),
                "--run",
                str(self.folder),
                *words,
                *options,
            ],
            cwd=home,
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What the run has printed so far."""
        return Path(self._log.name).read_text(errors="replace")

    def wait(self, ear: Ear | None = None, timeout: float = HANG) -> int:
        """The exit code of the run, while ``ear`` goes on listening; fails with its output when it does not end."""
        deadline = time.monotonic() + timeout
        while (code := self.process.poll()) is None:
            assert time.monotonic() < deadline, f"the run did not end within {timeout:.0f} s:\n{self.output[-4000:]}"
            if ear is None:
                self.expect_end(0.1)
            else:
                ear.listen(0.05)
        return code

    def expect_end(self, seconds: float) -> None:
        """Give the run ``seconds`` to end."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def until(self, condition: Callable[[], bool], what: str, ear: Ear, timeout: float = HANG) -> None:
        """Handle what ``ear`` hears until ``condition`` holds, which must be before the run ends."""
        deadline = time.monotonic() + timeout
        while not condition():
            ear.listen(0.05)
            ended = self.process.poll()
            assert ended is None, f"the run ended ({ended}) before {what}; it printed:\n{self.output[-4000:]}"
            assert time.monotonic() < deadline, f"no {what} within {timeout:.0f} s; it printed:\n{self.output[-4000:]}"

    def meet(self, ear: Ear) -> None:
        """Let the simulator begin when ``ear`` hears the run: a run of seconds may be over before it is found."""
        self.until(lambda: self.pid("simulator") is not None, "a simulator", ear)
        held = self.pid("simulator")
        assert held is not None
        os.kill(held, signal.SIGSTOP)
        try:
            self.until(lambda: ear.acquainted(self._actors), "word of policy, learner and diagnostics", ear)
        finally:
            os.kill(held, signal.SIGCONT)

    def kill(self, executable: str) -> int:
        """Kill the process that runs ``executable`` with SIGKILL; its process id."""
        victim = self.pid(executable)
        assert victim is not None, f"no {executable} is running"
        os.kill(victim, signal.SIGKILL)
        return victim

    def pid(self, executable: str) -> int | None:
        """Process id of the running ``executable`` of this run."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._is(entry, executable):
                return int(entry.name)
        return None

    def _is(self, entry: Path, executable: str) -> bool:
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        params_file = str(self.folder / "config.yaml").encode()
        return params_file in words and executable.encode() in words

    def stop(self) -> int:
        """Interrupt the run as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(HANG)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(HANG)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()

    def series(self) -> dict[str, list[tuple[int, float]]]:
        """All scalars of the event files, tag -> (step, value)."""
        events = EventAccumulator(str(self.folder), size_guidance={"scalars": 0})
        events.Reload()
        return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def reopen(run: Run) -> ReplayMemory:
    """The replay memory that the run left on disk."""
    settings = load_profile(run.folder / "config.yaml")
    return ReplayMemory(settings, state_dim(settings.observation), run.folder / "replay")

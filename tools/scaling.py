# SPDX-License-Identifier: Apache-2.0
"""How many steps per second a run makes with many actors: a small simulation of its queues, without random numbers.

A step costs an actor processor time and goes over the learner's link. The learner takes one message after the other;
after every ``train_freq`` steps it does a burst of updates and sends weights to every actor, which may be ``lead``
bursts ahead of those that it has. What goes on at the same time on one machine or link shares it evenly.
``python -m tools.scaling 1 16 256 4096`` prints a table; ``docs/scaling.md`` explains it.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Costs:
    """What the parts of a run cost; times in processor seconds.

    Attributes:
        step: simulator and policy, per step; intake: learner, per step; update, publish: per update, and per actor.
        step_bytes, weights_bytes: on the link of ``bandwidth`` [bytes/s], per step and per message of weights.
        actor_cores: of all actors' machines together; 0: one for each actor.
        learner_cores: of the learner's machine; with ``shared`` all actors run there too.
    """

    step: float = 14.0e-3
    intake: float = 1.5e-3
    update: float = 15.7e-3
    publish: float = 0.3e-3
    step_bytes: float = 4.0e3
    weights_bytes: float = 521040.0
    train_freq: int = 10
    gradient_steps: int = 5
    lead: int = 1
    bandwidth: float = 125e6
    actor_cores: int = 0
    learner_cores: float = 1.0
    shared: bool = False


class SharedServer:
    """Serves all its jobs at once, each at most at speed 1, together at most at speed ``capacity``."""

    def __init__(self, capacity: float) -> None:
        self._capacity = capacity
        self._served, self._time = 0.0, 0.0
        self._jobs: list[tuple[float, int, tuple[str, int]]] = []
        self._numbers = itertools.count()
        self.busy = 0.0

    def add(self, work: float, job: tuple[str, int], now: float) -> None:
        """Begin a job at time ``now`` [s]."""
        self._go_on(now)
        heapq.heappush(self._jobs, (self._served + work, next(self._numbers), job))

    @property
    def next_end(self) -> float:
        """When the next job ends if none is added; infinity where there is none."""
        return self._time + max(self._jobs[0][0] - self._served, 0.0) / self._speed if self._jobs else float("inf")

    def end_next(self) -> tuple[str, int]:
        """End the next job, at :attr:`next_end`."""
        self._go_on(self.next_end)
        return heapq.heappop(self._jobs)[2]

    @property
    def _speed(self) -> float:
        return min(1.0, self._capacity / len(self._jobs))

    def _go_on(self, now: float) -> None:
        if self._jobs:
            self._served += (now - self._time) * self._speed
            self.busy += (now - self._time) * min(float(len(self._jobs)), self._capacity)
        self._time = now


class QueueingRun:
    """One run; :meth:`rate` lets it go."""

    def __init__(self, costs: Costs, actors: int) -> None:
        self._costs, self._actors = costs, actors
        self._learner = SharedServer(costs.learner_cores)
        self._drivers = self._learner if costs.shared else SharedServer(costs.actor_cores or actors)
        self._link = SharedServer(1.0)
        self._inbox: deque[tuple[str, int]] = deque()
        self._begun, self._weights, self._waiting = [0] * actors, [0] * actors, [True] * actors
        self._inserted, self._working = 0, False

    def rate(self, bursts: int) -> tuple[float, float, float]:
        """Steps per second over the second half of ``bursts``; used share of the learner's core and of its link."""
        now = middle = 0.0
        goal = bursts * max(self._costs.train_freq, self._actors)
        for actor in range(self._actors):
            self._begin_step(actor, now)
        while self._inserted < goal:
            server = min(self._learner, self._drivers, self._link, key=lambda one: one.next_end)
            now = server.next_end
            self._ended(*server.end_next(), now)
            middle = now if self._inserted == goal // 2 and not middle else middle
        return (goal - goal // 2) / (now - middle), self._learner.busy / now, self._link.busy / now

    def _begin_step(self, actor: int, now: float) -> None:
        needed = self._begun[actor] * self._actors // self._costs.train_freq - self._costs.lead
        if self._waiting[actor] and self._weights[actor] >= needed:
            self._waiting[actor] = False
            self._begun[actor] += 1
            self._drivers.add(self._costs.step, ("step", actor), now)

    def _ended(self, kind: str, actor: int, now: float) -> None:
        costs = self._costs
        if kind == "step":
            self._waiting[actor] = True
            self._link.add(costs.step_bytes / costs.bandwidth, ("message", actor), now)
        elif kind == "message":
            self._inbox.append(("intake", actor))
        elif kind == "weights":
            self._weights[actor] += 1
        elif kind == "intake":
            self._working = False
            self._inserted += 1
            if self._inserted % costs.train_freq == 0:
                self._inbox.appendleft(("burst", 0))
        else:
            self._working = False
            for each in range(self._actors):
                self._link.add(costs.weights_bytes / costs.bandwidth, ("weights", each), now)
        if kind in ("step", "weights"):
            self._begin_step(actor, now)
        if self._inbox and not self._working:
            self._working = True
            job = self._inbox.popleft()
            burst = costs.gradient_steps * costs.update + self._actors * costs.publish
            self._learner.add(costs.intake if job[0] == "intake" else burst, job, now)


def change(text: str) -> tuple[str, float]:
    """Field of :class:`Costs` and its value out of ``NAME=NUMBER``."""
    name, _, value = text.partition("=")
    if name not in asdict(Costs()) or not value.translate(str.maketrans("", "", ".e-")).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: NAME=NUMBER with a NAME of {', '.join(asdict(Costs()))}")
    return name, float(value)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of steps per second."""
    parser = argparse.ArgumentParser(description="Steps per second of runs with many actors, by their queues.")
    parser.add_argument("actors", type=int, nargs="+", help="numbers of actors, one row each")
    parser.add_argument("--set", action="append", default=[], type=change, metavar="NAME=NUMBER", help="a cost")
    parser.add_argument("--bursts", type=int, default=200, help="bursts that are simulated (%(default)s)")
    asked = parser.parse_args(arguments)
    plain: dict[str, Any] = asdict(Costs())
    costs = Costs(**plain | {name: type(plain[name])(value) for name, value in asked.set})
    print("actors  steps/s  updates/s  learner  link")
    for actors in asked.actors:
        rate, learner, link = QueueingRun(costs, actors).rate(asked.bursts)
        updates = rate * costs.gradient_steps / costs.train_freq
        print(f"{actors:6d} {rate:8.1f} {updates:10.1f} {learner:8.2f} {link:5.2f}")


if __name__ == "__main__":
    main()

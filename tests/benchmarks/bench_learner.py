# SPDX-License-Identifier: Apache-2.0
"""Learner updates per second against Stable-Baselines3 TD3: same networks, batch, thread count and machine, in one run.

    python tests/benchmarks/bench_learner.py [--seconds 20] [--precision float32|bfloat16] [--device cpu|cuda]
                                             [--critic camera|privileged]

Both sample their own replay memory for every update. Each runs in a process of its own, as a user would run it; they
take turns in short blocks, so that whatever else the machine does hits both alike. The critic of Stable-Baselines3
always looks through the camera; with ``--critic camera`` ours does as well. Prints one JSON object a line;
``baseline`` is Stable-Baselines3.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable

import numpy as np
import torch

from td3_driving.driving.observation import stack_shape
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.process import usable_cores
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Settings, from_flat

STORED = 1000
BLOCK = 4  # updates in one turn: two of them with the actor
WARM_UP = 3  # turns that are not counted
TURN_TIMEOUT = 120.0  # [s]; a turn takes a few, the first one includes filling the memory

Maker = Callable[[Settings, Path], Callable[[], None]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="time for both together [s]")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--critic", default="camera", choices=("camera", "privileged"))
    options = parser.parse_args()
    settings = from_flat(
        {
            "learning.precision": options.precision,
            "learning.device": options.device,
            "network.critic": options.critic,
            "replay.on_disk": False,
            "replay.capacity": STORED + 500,
        }
    )
    rates = take_turns({"ours": our_learner, "baseline": stable_baselines}, settings, options.seconds)
    print(
        json.dumps(
            {
                "name": f"learner_updates_{options.device}_{options.precision}_{options.critic}_critic",
                "value": round(rates["ours"], 3),
                "unit": "updates/s",
                "baseline": round(rates["baseline"], 3),
                "ratio": round(rates["ours"] / rates["baseline"], 3),
            }
        )
    )


def take_turns(makers: dict[str, Maker], settings: Settings, seconds: float) -> dict[str, float]:
    """Median updates/s of each contender over alternating blocks; the first blocks of each are not counted."""
    spawning = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, maker in makers.items():
        pipes[name], end = spawning.Pipe()
        processes.append(spawning.Process(target=serve, args=(maker, settings, end), daemon=True))
        processes[-1].start()
    times: dict[str, list[float]] = {name: [] for name in makers}
    stop: float | None = None
    while stop is None or time.perf_counter() < stop:
        for name, pipe in pipes.items():
            pipe.send(True)
            if not pipe.poll(TURN_TIMEOUT):
                raise TimeoutError(f"{name} did no {BLOCK} updates within {TURN_TIMEOUT} s")
            times[name].append(pipe.recv())
        if len(times["ours"]) == WARM_UP:
            stop = time.perf_counter() + seconds
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(False)
        process.join(TURN_TIMEOUT)
    return {name: BLOCK / statistics.median(values[WARM_UP:]) for name, values in times.items()}


def serve(maker: Maker, settings: Settings, pipe: Connection) -> None:
    """Child process: one block of updates for every ``True`` received, its duration [s] back; ends at ``False``."""
    with TemporaryDirectory() as folder:
        block = maker(settings, Path(folder))
        while pipe.recv():
            start = time.perf_counter()
            block()
            pipe.send(time.perf_counter() - start)


def our_learner(settings: Settings, folder: Path) -> Callable[[], None]:
    """A block of updates of this project."""
    states = state_dim(settings.observation)
    trainer = Trainer(settings, folder, states)
    for experience in made_up_experience(settings, states, STORED):
        trainer.receive(experience)
    generator = np.random.default_rng(0)

    def block() -> None:
        for _ in range(BLOCK):
            report = trainer.agent.update(trainer.memory.sample(settings.learning.batch_size, generator))
        float(report["train/critic_loss"])

    return block


def stable_baselines(settings: Settings, folder: Path) -> Callable[[], None]:
    """A block of updates of Stable-Baselines3, with an encoder each for actor and critic as here."""
    from stable_baselines3 import TD3
    from stable_baselines3.common.logger import Logger

    rule, network = settings.learning, settings.network
    torch.set_num_threads(rule.threads or usable_cores())
    environment = make_environment(settings)
    model = TD3(
        "MultiInputPolicy",
        environment,
        buffer_size=STORED,
        batch_size=rule.batch_size,
        seed=0,
        device=rule.device,
        policy_delay=rule.policy_delay,
        policy_kwargs={
            "net_arch": [network.hidden] * network.hidden_layers,
            "share_features_extractor": False,
            "features_extractor_kwargs": {"cnn_output_dim": network.features},
        },
    )
    model.set_logger(Logger(None, []))
    rng = np.random.default_rng(0)
    for _ in range(STORED):
        now, after = environment.observation_space.sample(), environment.observation_space.sample()
        model.replay_buffer.add(
            {key: value[None] for key, value in now.items()},
            {key: value[None] for key, value in after.items()},
            rng.uniform(-1, 1, (1, 2)),
            rng.uniform(-1, 1, 1),
            np.zeros(1),
            [{}],
        )

    def block() -> None:
        model.train(gradient_steps=BLOCK, batch_size=rule.batch_size)

    return block


def make_environment(settings: Settings) -> Any:
    """Spaces of the same shapes; it is never stepped."""
    import gymnasium

    observation = settings.observation

    class Shapes(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Dict(
            {
                "frames": gymnasium.spaces.Box(0, 255, stack_shape(observation), np.uint8),
                "state": gymnasium.spaces.Box(-1.0, 1.0, (state_dim(observation),), np.float32),
            }
        )
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    return Shapes()


if __name__ == "__main__":
    torch.manual_seed(0)
    main()

# SPDX-License-Identifier: Apache-2.0
"""Learner updates per second: privileged critic, camera critic and Stable-Baselines3 TD3, and a bare matrix product.

    python tests/benchmarks/bench_learner.py [--seconds 60] [--batch 256] [--precision float32|bfloat16]
                                             [--compile off|on] [--threads N] [--clock wall|cpu]
                                             [--profile default|quick]

All have the same encoder and widths, batch, thread count and machine, and sample their own replay memory for every
update. Each runs in a process of its own, as a user would run it; they take turns in short blocks, so that whatever
else the machine does hits all alike. Stable-Baselines3 has a camera critic. The share of the matrix product is the
rate of the products and convolutions in an update, as torch counts them, beside that of a product of two square
matrices in the same number format. Prints one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from td3_driving.driving.observation import stack_shape
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.agent import make_agent
from td3_driving.learning.deciding import NoiseBatch
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.process import usable_cores
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Scalar, Settings, from_flat

STORED = 1000
BLOCK = 4  # updates in one turn: two of them with the actor
WARM_UP = 2  # turns that are not counted
TURN_TIMEOUT = 240.0  # [s]; a turn takes a few, the first one includes filling the memory
SIDE = 1024  # of the matrices
NATURE_ROWS = 36  # the least that the encoder of Stable-Baselines3 takes

Maker = Callable[[Settings, Path], Callable[[], None]]
QUICK = {
    "observation.frame_height": 32,
    "observation.frame_width": 96,
    "network.encoder": "small",
    "network.features": 128,
    "network.hidden": 128,
    "network.layer_norm": True,
    "learning.n_step": 3,
}
"""Sizes of the profile ``quick``; its batch is 64."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="time for all together [s]")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--compile", default="off", choices=("off", "on"))
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of each; 0 = one per core")
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"), help="cpu: for a machine that is not idle")
    parser.add_argument("--profile", default="default", choices=("default", "quick"))
    options = parser.parse_args()
    changes = {
        "learning.batch_size": options.batch,
        "learning.precision": options.precision,
        "learning.compile": options.compile,
        "learning.threads": options.threads,
        "replay.on_disk": False,
        "replay.capacity": STORED + 500,
        **(QUICK if options.profile == "quick" else {}),
    }
    camera, privileged = (from_flat({**changes, "network.critic": critic}) for critic in ("camera", "privileged"))
    contenders: dict[str, tuple[Maker, Settings]] = {
        "camera": (our_learner, camera),
        "privileged": (our_learner, privileged),
        "product": (matrix_product, camera),
    }
    if find_spec("stable_baselines3") and camera.observation.frame_height >= NATURE_ROWS:
        contenders["sb3"] = (stable_baselines, camera)
    seconds = take_turns(contenders, options.seconds, options.clock)
    marks = ["compiled"] * (options.compile == "on") + ["cpu_time"] * (options.clock == "cpu")
    suffix = "_".join([options.precision, "batch", str(options.batch), *marks])
    for line in lines(seconds, {"camera": gflop(camera), "privileged": gflop(privileged)}, suffix):
        print(json.dumps(line), flush=True)


def lines(seconds: dict[str, float], work: dict[str, float], suffix: str) -> Iterator[dict[str, Any]]:
    """What is printed.

    Args:
        seconds: of one block, by contender.
        work: of one update [GFLOP], by critic.
    """
    rates = {name: BLOCK / seconds[name] for name in seconds if name != "product"}
    product = 2 * SIDE**3 * BLOCK / seconds["product"] / 1e9
    if "sb3" in rates:
        yield line(f"learner_updates_camera_critic_against_sb3_{suffix}", rates["camera"], "updates/s", rates["sb3"])
    else:
        reason = f"stable_baselines3 is not installed, or the frames have less than {NATURE_ROWS} rows"
        yield {"name": "learner_updates_against_sb3", "skipped": reason}
    yield line(
        f"learner_updates_privileged_against_camera_critic_{suffix}", rates["privileged"], "updates/s", rates["camera"]
    )
    for critic, gflops in work.items():
        name = f"learner_share_of_matrix_product_{critic}_critic_{suffix}"
        yield line(name, gflops * rates[critic], "GFLOP/s", product) | {"gflop_per_update": round(gflops, 3)}


def line(name: str, value: float, unit: str, baseline: float) -> dict[str, Any]:
    """One result; ``ratio`` above 1 is better than the baseline."""
    rounded = {"value": round(value, 3), "unit": unit, "baseline": round(baseline, 3)}
    return {"name": name, **rounded, "ratio": round(value / baseline, 3)}


def gflop(settings: Settings) -> float:
    """Products and convolutions of one update, forward and backward, averaged over critic and actor [GFLOP]."""
    states, delay = state_dim(settings.observation), settings.learning.policy_delay
    plain = from_flat({"learning.compile": "off"}, settings)
    agent = make_agent(plain, states, 0)
    inputs = agent.to_device(NoiseBatch(plain, states, agent.device).read())
    with FlopCounterMode(display=False) as counter:
        for _ in range(delay):
            agent.update_critic(inputs)
        agent.update_actor(inputs, delay)
    return float(counter.get_total_flops()) / delay / 1e9


def take_turns(contenders: dict[str, tuple[Maker, Settings]], seconds: float, clock: str) -> dict[str, float]:
    """Median time of a block of each contender [s], over alternating turns; the first ones are not counted."""
    spawning = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, (maker, settings) in contenders.items():
        pipes[name], end = spawning.Pipe()
        processes.append(spawning.Process(target=serve, args=(maker, settings.flat(), clock, end), daemon=True))
        processes[-1].start()
        end.close()  # With the child's end alone left, a child that dies is noticed at once.
    times: dict[str, list[float]] = {name: [] for name in contenders}
    stop, turns = float("inf"), 0
    while turns <= WARM_UP or time.perf_counter() < stop:
        for name, pipe in pipes.items():
            pipe.send(True)
            if not pipe.poll(TURN_TIMEOUT):
                raise TimeoutError(f"{name} did no {BLOCK} updates within {TURN_TIMEOUT} s")
            times[name].append(pipe.recv())
        turns += 1
        if turns == WARM_UP:
            stop = time.perf_counter() + seconds
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(False)
        process.join(TURN_TIMEOUT)
    return {name: statistics.median(values[WARM_UP:]) for name, values in times.items()}


def serve(maker: Maker, values: dict[str, Scalar], clock: str, pipe: Connection) -> None:
    """Child process: one block of updates for every ``True`` received, its duration [s] back; ends at ``False``."""
    now = time.process_time if clock == "cpu" else time.perf_counter
    with TemporaryDirectory() as folder:
        block = maker(from_flat(values), Path(folder))
        while pipe.recv():
            start = now()
            block()
            pipe.send(now() - start)


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


def matrix_product(settings: Settings, folder: Path) -> Callable[[], None]:
    """A block of products of two square matrices."""
    torch.set_num_threads(settings.learning.threads or usable_cores())
    kind = torch.bfloat16 if settings.learning.precision == "bfloat16" else torch.float32
    left, right = (torch.rand((SIDE, SIDE), dtype=kind) for _ in range(2))

    def block() -> None:
        for _ in range(BLOCK):
            torch.mm(left, right)

    return block


def stable_baselines(settings: Settings, folder: Path, updates: int = BLOCK) -> Callable[[], None]:
    """A block of ``updates`` of Stable-Baselines3, with an encoder each for actor and critic as here."""
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
        model.train(gradient_steps=updates, batch_size=rule.batch_size)

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

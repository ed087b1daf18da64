# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import torch

from td3_driving.driving.experience import Experience
from td3_driving.learning.checkpoint import CheckpointError
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.trainer import Diverged, Trainer
from td3_driving.settings import Settings

from ..shared import batches
from ..shared.patience import HANG

Make = Callable[..., Settings]
Point = tuple[int, dict[str, float]]
STATE_DIM = 3


def course(settings: Settings, steps: int) -> list[Experience]:
    return list(made_up_experience(settings, STATE_DIM, steps))


def run(trainer: Trainer, experiences: list[Experience], slices: int | None = None) -> list[Point]:
    points = []
    for experience in experiences:
        trainer.receive(experience, max_updates=slices)
        while point := trainer.pop_log_point():
            points.append((point.step, point.values))
    return points


def test_exactly_the_updates_that_are_due(small: Make, tmp_path: Path) -> None:
    """2 updates per 5 steps after 20: 16 at step 60, where the run is over."""
    trainer = Trainer(small(), tmp_path, STATE_DIM)
    for count, experience in enumerate(course(small(), 70), start=1):
        trainer.receive(experience)
        assert trainer.updates == 2 * ((min(count, 60) - 20) // 5 if count > 20 else 0)
        assert trainer.finished == (count >= 60)
    assert (trainer.inserted, trainer.counters.rejected) == (60, 10), "there are no steps beyond the run"


def test_slices_change_nothing_but_the_time_of_the_updates(small: Make, tmp_path: Path) -> None:
    experiences = course(small(), 60)
    whole, sliced = (Trainer(small(), tmp_path / name, STATE_DIM) for name in ("whole", "sliced"))
    points = run(whole, experiences)
    sliced_points = run(sliced, experiences, slices=1)
    while sliced.run_due(max_updates=1):
        pass
    while point := sliced.pop_log_point():
        sliced_points.append((point.step, point.values))
    assert whole.weights() == sliced.weights()
    assert points == sliced_points


@pytest.mark.parametrize("critic", ["privileged", "camera"])
def test_log_points_come_at_every_period_with_measured_values(small: Make, tmp_path: Path, critic: str) -> None:
    settings = small(network__critic=critic)
    trainer = Trainer(settings, tmp_path, STATE_DIM)
    points = dict(run(trainer, course(settings, 60)))
    assert list(points) == [10, 20, 30, 40, 50, 60]
    assert [points[step]["agent/total_iterations"] for step in points] == [0, 0, 4, 8, 12, 16]
    assert [points[step]["agent/updates_per_step"] for step in points] == pytest.approx([0, 0, 0.4, 0.4, 0.4, 0.4])
    assert [points[step]["agent/is_training"] for step in points] == [0, 0, 1, 1, 1, 1]
    assert "train/critic_loss" not in points[20]
    wanted = {
        f"gradients/{name}_{what}"
        for name in ("actor", "critic")
        for what in ("cnn_norm", "mlp_norm", "norm_pre_clip", "norm_post_clip", "clip_share")
    }
    wanted |= {
        f"agent/{name}_{what}"
        for name in ("actor", "critic", "actor_cnn", "critic_cnn")
        for what in ("lr", "param_mean", "param_std")
    }
    wanted |= {"train/actor_loss", "train/critic_loss", "train/q1_value", "debug/q1_for_actor_mean", "debug/td_error"}
    encoder = {tag for tag in wanted if "/critic_cnn_" in tag}
    assert len(encoder) == 4
    assert wanted - encoder <= set(points[30])
    assert encoder & set(points[30]) == (encoder if critic == "camera" else set()), "no series of what is not there"


def test_action_series_are_those_of_the_driven_actions(small: Make, tmp_path: Path) -> None:
    experiences = course(small(), 20)
    points = dict(run(Trainer(small(), tmp_path, STATE_DIM), experiences))
    driven = np.stack([experience.action for experience in experiences[10:]])
    assert points[20]["action/steer_mean"] == pytest.approx(driven[:, 0].mean())
    assert points[20]["action/throttle_std"] == pytest.approx(driven[:, 1].std())


@pytest.mark.parametrize("algorithm", ["td3", "sac"])
def test_a_resumed_run_goes_on_to_the_bit(small: Make, tmp_path: Path, algorithm: str) -> None:
    settings = small(replay__on_disk=True, learning__algorithm=algorithm, learning__reward_scaling=True)
    experiences = course(settings, 60)
    straight = Trainer(settings, tmp_path / "straight", STATE_DIM)
    points = run(straight, experiences)
    first = Trainer(settings, tmp_path / "stopped", STATE_DIM)
    run(first, experiences[:40])
    first.save()
    second = Trainer(settings, tmp_path / "stopped", STATE_DIM)
    assert (second.inserted, second.updates, second.pending) == (40, 8, 0)
    assert run(second, experiences[36:]) == points[4:]
    assert second.weights() == straight.weights()
    assert (second.counters.duplicate, second.counters.inserted) == (4, 60)


def test_a_killed_run_catches_up_on_the_updates(small: Make, tmp_path: Path) -> None:
    """The checkpoint is of update 8 (step 40), the memory went on to step 52."""
    settings = small(replay__on_disk=True, pacing__checkpoint_period=8)
    run(Trainer(settings, tmp_path, STATE_DIM), course(settings, 52))
    again = Trainer(settings, tmp_path, STATE_DIM)
    assert (again.updates, again.inserted, again.pending) == (8, 52, 4)
    assert again.run_due() == 0
    assert again.updates == 12


@pytest.mark.parametrize("period", [3, 4, 8, 10**9])
@pytest.mark.parametrize("algorithm", ["td3", "sac"])
def test_a_killed_run_comes_to_the_weights_of_one_that_was_not(
    small: Make, tmp_path: Path, algorithm: str, period: int
) -> None:
    """Killed twice, up to 12 steps and 4 updates behind its checkpoint, or before it had one."""
    settings = small(
        replay__on_disk=True,
        learning__algorithm=algorithm,
        learning__reward_scaling=True,
        pacing__checkpoint_period=period,
    )
    experiences = course(settings, 60)
    straight, killed = Trainer(settings, tmp_path / "straight", STATE_DIM), tmp_path / "killed"
    run(straight, experiences)
    for start, end in ((0, 38), (38, 53), (53, 60)):
        last = Trainer(settings, killed, STATE_DIM)
        while last.run_due(max_updates=1):
            pass
        run(last, experiences[start:end])
    assert last.updates == straight.updates == 16
    assert last.weights() == straight.weights()


def test_a_checkpoint_without_its_memory_is_refused(small: Make, tmp_path: Path) -> None:
    trainer = Trainer(small(), tmp_path, STATE_DIM)
    run(trainer, course(small(), 30))
    trainer.save()
    with pytest.raises(CheckpointError, match="step 30 without its replay memory"):
        Trainer(small(), tmp_path, STATE_DIM)


def test_a_loss_that_is_not_finite_stops_the_learner_and_is_logged(small: Make, tmp_path: Path) -> None:
    trainer = Trainer(small(), tmp_path, STATE_DIM)
    experiences = course(small(), 30)
    run(trainer, experiences[:20])
    trainer.agent.critic.heads[0][0].bias.data[0] = float("inf")
    with pytest.raises(Diverged, match=r"loss is nan at update 1|loss is inf at update 1"):
        run(trainer, experiences[20:])
    point = trainer.pop_log_point()
    assert point is not None
    assert not np.isfinite(point.values["train/critic_loss"])


def test_rewards_are_divided_by_the_deviation_of_the_return(small: Make, tmp_path: Path) -> None:
    settings = small(learning__reward_scaling=True)
    trainer = Trainer(settings, tmp_path, STATE_DIM)
    run(trainer, course(settings, 60))
    returns, total = [], 0.0
    for experience in course(settings, 60):
        total = settings.learning.gamma * total + experience.reward
        returns.append(total)
        total = 0.0 if experience.closes_episode else total
    assert trainer._scale.value == pytest.approx(np.std(returns, ddof=1))


WRITER = """
import sys
from pathlib import Path
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import from_flat
settings = from_flat({"observation.frame_height": 36, "observation.frame_width": 36, "replay.capacity": 300})
memory = ReplayMemory(settings, 3, Path(sys.argv[1]))
for count, experience in enumerate(made_up_experience(settings, 3, 10**9)):
    memory.append(experience, linked=experience.step_index > 0)
    if count == 1000:
        print("ready", flush=True)
"""


def test_kill_9_leaves_a_readable_memory(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=HANG)
    from td3_driving.settings import from_flat

    settings = from_flat({"observation.frame_height": 36, "observation.frame_width": 36, "replay.capacity": 300})
    memory = ReplayMemory(settings, STATE_DIM, tmp_path)
    assert memory.inserted > 1000
    batch = memory.gather(memory.sampleable_slots())
    assert len(batch.actions) > 200
    written = {
        experience.frame.tobytes(): experience
        for experience in made_up_experience(settings, STATE_DIM, memory.inserted)
    }
    for frames, state, reward in zip(batches.frames(batch), batch.states, batch.rewards, strict=True):
        original = written[frames[-1].tobytes()]
        assert np.array_equal(original.state, state)
        assert np.float32(original.reward) == reward


def test_the_global_generators_are_left_alone(small: Make, tmp_path: Path) -> None:
    """Two runs between which the global generators move are equal."""
    snapshots = []
    for name in ("a", "b"):
        np.random.rand(3)
        torch.rand(3)
        trainer = Trainer(small(), tmp_path / name, STATE_DIM)
        run(trainer, course(small(), 40))
        snapshots.append(trainer.weights())
    assert snapshots[0] == snapshots[1]

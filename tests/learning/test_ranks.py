# SPDX-License-Identifier: Apache-2.0
"""Several learners as one: real processes, gloo on loopback."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from td3_driving.learning.checkpoint import CheckpointError
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.ranks.divided_memory import folder_of
from td3_driving.learning.ranks.joining import RankPlace, led_trainer
from td3_driving.learning.ranks.sharing import RankLost
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Settings

from ..shared.patience import HANG

Make = Callable[..., Settings]
STATE_DIM = 3
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that a test starts find these sources, and no place that a rank would have."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)


@pytest.fixture
def led() -> Iterator[Callable[[Settings, Path], Trainer]]:
    """Makes trainers with all their ranks, which end with the test."""
    made: list[Trainer] = []

    def make(settings: Settings, folder: Path) -> Trainer:
        made.append(led_trainer(settings, folder, STATE_DIM))
        return made[-1]

    yield make
    for trainer in made:
        trainer.ranks.close()


Led = Callable[[Settings, Path], Trainer]


def two(small: Make, **changes: object) -> Settings:
    return small(**{"learning__learners": 2, "replay__on_disk": True, "pacing__stall_timeout": HANG, **changes})


def feed(trainer: Trainer, first: int, end: int) -> list[tuple[int, dict[str, float]]]:
    """Let ``trainer`` receive steps number ``first`` + 1 to ``end``; its log points."""
    points = []
    for experience in list(made_up_experience(trainer.settings, STATE_DIM, end))[first:]:
        assert trainer.receive(experience).inserted
        while point := trainer.pop_log_point():
            points.append((point.step, point.values))
    return points


def pid_of(trainer: Trainer, rank: int = 1) -> int:
    found = re.search(r"process (\d+) on ", trainer.ranks.places[rank - 1])
    assert found
    return int(found[1])


def gradients(folder: Path, algorithm: str, size: int) -> list[dict[str, Tensor]]:
    """What each of ``size`` processes found in one update on its part of one batch."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    places = [RankPlace(rank, size, rank, size, "127.0.0.1", port) for rank in range(size)]
    command = [sys.executable, "-m", "tests.learning.rank_gradients", algorithm]
    processes = [
        subprocess.Popen(
            [*command, str(folder / f"{place.rank}_of_{size}")], cwd=ROOT, env={**os.environ, **place.environment()}
        )
        for place in places
    ]
    assert [process.wait(HANG) for process in processes] == [0] * size
    return [load_file(folder / f"{place.rank}_of_{size}") for place in places]


@pytest.mark.parametrize("algorithm", ["td3"])
def test_two_halves_of_a_batch_give_the_gradients_of_the_whole(tmp_path: Path, algorithm: str) -> None:
    """To 1e-5 of the norm, after clipping, which bites at the critic: so both clip what they have in common."""
    (whole,), halves = gradients(tmp_path, algorithm, 1), gradients(tmp_path, algorithm, 2)
    names = {name for name in whole if "/" not in name}
    assert {name.partition(".")[0] for name in names} == {"actor", "critic"}
    assert whole["gradients/critic_clip_share"] == 1.0
    for half in halves:
        assert half.keys() == whole.keys()
        for name in names:
            norm = float(whole[f"gradients/{name.partition('.')[0]}_norm_post_clip"])
            torch.testing.assert_close(half[name], whole[name], rtol=0.0, atol=1e-5 * norm)
    linear = [tag for tag in whole if "/" in tag and not tag.endswith(("reward_std", "_share"))]
    for tag in linear:
        torch.testing.assert_close(halves[0][tag], whole[tag], rtol=1e-4, atol=1e-5, msg=tag)
    assert all(torch.equal(halves[0][name], halves[1][name]) for name in names), "both take the same step"


def test_own_optimizers_of_an_algorithm_take_the_same_step_on_all_ranks(tmp_path: Path) -> None:
    """SAC's temperature has one; each rank sees other samples, so without a mean they would part."""
    halves = gradients(tmp_path, "sac", 2)
    assert any(name.startswith("temperature.") for name in halves[0])
    assert all(torch.equal(halves[0][name], halves[1][name]) for name in halves[0] if "/" not in name)


def test_accounts_balance_and_episodes_stay_whole(small: Make, tmp_path: Path, led: Led) -> None:
    settings = two(small)
    trainer = led(settings, tmp_path)
    for count, experience in enumerate(made_up_experience(settings, STATE_DIM, 60), start=1):
        trainer.receive(experience)
        assert trainer.updates == 2 * ((count - 20) // 5 if count > 20 else 0)
    counters = trainer.counters
    assert (counters.sent, counters.received, counters.inserted, counters.lost) == (60, 60, 60, 0)
    assert trainer.finished and trainer.whole.inserted == 60
    trainer.save()
    trainer.ranks.close()
    shares = [ReplayMemory(settings, STATE_DIM, folder_of(tmp_path, rank)) for rank in (0, 1)]
    # 15 episodes of 4 steps: numbers 0, 2, .. 14 at rank 0, the others at rank 1; all 4 steps can be sampled.
    assert [share.sampleable for share in shares] == [32, 28]
    assert trainer.whole.sampleable == 60 and trainer.whole.used == sum(share.used for share in shares)
    alone = ReplayMemory(small(), STATE_DIM, None)
    for experience in made_up_experience(settings, STATE_DIM, 60):
        alone.append(experience, linked=experience.step_index > 0)
    seen = sorted(row.tobytes() for share in shares for row in share.gather(share.sampleable_slots()).window)
    assert seen == sorted(row.tobytes() for row in alone.gather(alone.sampleable_slots()).window)


def test_two_strict_runs_of_one_seed_are_equal_to_the_bit(small: Make, tmp_path: Path, led: Led) -> None:
    found = []
    for name in ("first", "second"):
        trainer = led(two(small), tmp_path / name)
        points = feed(trainer, 0, 60)
        found.append((points, trainer.weights()))
        trainer.ranks.close()
    assert found[0] == found[1] and len(found[0][0]) == 6
    alone = led(small(), tmp_path / "alone")
    feed(alone, 0, 60)
    assert alone.weights().data != found[0][1].data


def test_a_resumed_run_comes_to_the_same_weights(small: Make, tmp_path: Path, led: Led) -> None:
    settings = two(small, pacing__checkpoint_period=4, learning__reward_scaling=True)
    straight = led(settings, tmp_path / "straight")
    feed(straight, 0, 60)
    straight.ranks.close()
    first = led(settings, tmp_path / "stopped")
    feed(first, 0, 43)
    first.ranks.close()
    second = led(settings, tmp_path / "stopped")
    assert (second.inserted, second.updates) == (43, 8), (
        "done at step 40, written at update 8; its share is shown later"
    )
    feed(second, 43, 60)
    assert second.weights() == straight.weights()


def test_one_learner_makes_no_process_group(small: Make, tmp_path: Path, led: Led) -> None:
    trainer = led(small(), tmp_path)
    feed(trainer, 0, 30)
    assert trainer.updates == 4 and not torch.distributed.is_initialized()
    assert small().digest() == Settings.digest(small(learning__learners=1)) != small(learning__learners=2).digest()


def test_a_rank_without_a_transition_counts_nothing(small: Make, tmp_path: Path, led: Led) -> None:
    """With one long episode, which belongs to rank 0, the other rank has none: the gradients are rank 0's alone."""
    settings = two(small, pacing__learning_starts=2, pacing__train_freq=1, replay__on_disk=False)
    trainer, alone = led(settings, tmp_path), led(small(pacing__learning_starts=2, pacing__train_freq=1), tmp_path)
    feed(trainer, 0, 4)
    feed(alone, 0, 4)
    assert trainer.updates == alone.updates == 4 and trainer.whole.sampleable == trainer.memory.sampleable
    assert trainer.weights().data[-1000:] == alone.weights().data[-1000:]


@pytest.mark.parametrize("learns", [True, False])
def test_a_killed_rank_ends_the_run_by_its_name(small: Make, tmp_path: Path, led: Led, learns: bool) -> None:
    trainer = led(two(small), tmp_path)
    feed(trainer, 0, 30)
    place = trainer.ranks.places[0]
    os.kill(pid_of(trainer), signal.SIGKILL)
    os.waitid(os.P_PID, pid_of(trainer), os.WEXITED | os.WNOWAIT)
    with pytest.raises(RankLost) as lost:
        feed(trainer, 30, 60) if learns else trainer.ranks.check()
    assert str(lost.value).startswith(f"{place} is lost: ")
    assert str(lost.value).endswith("; the run ends here, and --resume goes on with it")
    trainer.ranks.close()
    resumed = led(two(small), tmp_path)
    assert resumed.inserted >= 30
    feed(resumed, resumed.inserted, 60)
    assert resumed.finished and resumed.updates == 16


def test_a_rank_that_stands_still_is_told_from_one_that_lives(small: Make, tmp_path: Path, led: Led) -> None:
    """Only once it stands still is anything to be over soon: before, all have the time that a busy machine needs."""
    trainer = led(two(small, learning__learners=3), tmp_path)
    feed(trainer, 0, 24)
    os.kill(pid_of(trainer, rank=2), signal.SIGSTOP)
    torch.distributed.distributed_c10d._set_pg_timeout(timedelta(seconds=1))
    with pytest.raises(RankLost, match=r"rank 2 of 3 \(process \d+ on \S+\) is lost: it gives no sign of life"):
        feed(trainer, 24, 60)


def test_a_killed_rank_0_ends_the_others_and_is_resumed(small: Make, tmp_path: Path, led: Led) -> None:
    settings = two(small, pacing__checkpoint_period=4)
    straight = led(settings, tmp_path / "straight")
    feed(straight, 0, 60)
    straight.ranks.close()
    code = (
        "import sys; from tests.learning.test_ranks import *; from tests.shared.tiny import *;"
        "trainer = led_trainer(two(small_settings, pacing__checkpoint_period=4), Path(sys.argv[1]), 3);"
        "feed(trainer, 0, 47); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "killed")]
    # This returns when nobody holds stderr any more, so when the other rank has ended too.
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = led(settings, tmp_path / "killed")
    assert (again.inserted, again.updates) == (47, 8)
    feed(again, 47, 60)
    assert again.weights() == straight.weights()


def test_a_share_that_is_gone_is_said(small: Make, tmp_path: Path, led: Led) -> None:
    settings = two(small, pacing__checkpoint_period=4)
    first = led(settings, tmp_path)
    feed(first, 0, 44)
    first.save()
    first.ranks.close()
    for file in folder_of(tmp_path, 1).iterdir():
        file.unlink()
    with pytest.raises(
        CheckpointError, match=r"rank 1 of 2 \(process .*\) holds no step after step 0, and it held step 40"
    ):
        led(settings, tmp_path)


def test_a_rank_that_fails_says_why(small: Make, tmp_path: Path, led: Led) -> None:
    settings = two(small)
    led(settings, tmp_path).ranks.close()
    header = folder_of(tmp_path, 1) / "header.json"
    header.write_text(header.read_text().replace("capacity", "capacitx"))
    with pytest.raises(RankLost, match=r"rank 1 of 2 \(process \d+ on \S+\) is lost: .*header.json"):
        led(settings, tmp_path)


def test_another_number_of_ranks_than_learners_is_refused(
    small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RankPlace(0, 3, 0, 3, "127.0.0.1", 1).environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"rank 0 of 3 by its environment; learning\.learners is 2"):
        led_trainer(two(small), tmp_path, STATE_DIM)

# SPDX-License-Identifier: Apache-2.0
"""The files of the replay memory: reserved, described, refused where they are another run's."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Callable

import numpy as np
import pytest

from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.replay_files import STREAMS, ReplayError, next_session, write_checked
from td3_driving.settings import Settings

Make = Callable[..., Settings]
STATE_DIM = 3


def test_an_empty_memory_says_so(small: Make) -> None:
    with pytest.raises(ValueError, match="none of the 0 inserted"):
        ReplayMemory(small(), STATE_DIM, None).sample(1, np.random.default_rng(0))


def test_foreign_files_are_refused(small: Make, tmp_path: Path) -> None:
    ReplayMemory(small(), STATE_DIM, tmp_path)
    with pytest.raises(ReplayError, match=r"another run: config_hash"):
        ReplayMemory(small(learning__gamma=0.5), STATE_DIM, tmp_path)
    with pytest.raises(ReplayError, match="state_dim is 3"):
        ReplayMemory(small(), STATE_DIM + 1, tmp_path)
    (tmp_path / "header.json").write_text("{")
    with pytest.raises(ReplayError, match="not readable"):
        ReplayMemory(small(), STATE_DIM, tmp_path)


def test_a_disk_that_is_too_small_shows_before_the_start(
    small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure is made up: a memory that is too large for the disk would fill it if nobody asked."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(ReplayError, match=r"needs .* GB in .*, 0.00 GB are free"):
        ReplayMemory(small(), STATE_DIM, tmp_path)
    assert not (tmp_path / "header.json").exists()


def test_disk_is_really_reserved_and_within_the_bound_per_transition(tmp_path: Path) -> None:
    settings = Settings()
    memory = ReplayMemory(Settings(replay=type(settings.replay)(capacity=1000)), 26, tmp_path)
    allocated = sum(path.stat().st_blocks * 512 for path in tmp_path.iterdir())
    assert allocated >= 1000 * 84 * 84
    assert memory.reserved_bytes / 1000 <= 7500


def test_header_is_plain_text(small: Make, tmp_path: Path) -> None:
    ReplayMemory(small(), STATE_DIM, tmp_path)
    header = json.loads((tmp_path / "header.json").read_text())
    assert header["config_hash"] == small().digest()
    assert header["frame"] == [36, 36]


def test_a_session_is_newer_than_those_in_the_memory_even_if_the_clock_is_not(tmp_path: Path) -> None:
    """A run may be resumed on another machine, or with a clock that was set back."""
    assert next_session(tmp_path, "actor_0", 70) == 70, "no memory"
    write_checked(tmp_path / STREAMS, {"streams": [["actor_0", 60], ["actor_0", 90], ["actor_1", 95]]})
    assert [next_session(tmp_path, "actor_0", now) for now in (70, 90, 91, 200)] == [91, 91, 91, 200]
    assert next_session(tmp_path, "actor_2", 70) == 70
    for damage in ("", "[]", '{"streams": [[1]]}', '{"streams": 5}', '{"other": 5}'):
        (tmp_path / STREAMS).write_text(damage)
        assert next_session(tmp_path, "actor_0", 70) == 70

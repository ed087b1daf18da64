# SPDX-License-Identifier: Apache-2.0
"""A short, empty road and a tiny learner for what comes from outside the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from td3_driving.in_process.run import InProcessRun
from td3_driving.settings import Settings
from tests.shared import tiny

EXAMPLES = Path(__file__).parent / "examples"

ROAD = {"simulator__map": "straight", "simulator__vehicles": 0, "episode__max_steps": 60}
LENGTH = {"run__steps": 300, "exploration__random_steps": 40, "learning__policy_delay": 1}


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """All tests of this folder."""


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """Settings of a run of 300 steps and 112 updates; keyword ``group__name`` overrides ``group.name``."""

    def make(**changes: Any) -> Settings:
        camera = {key.replace(".", "__"): value for key, value in tiny.CAMERA.items()}
        return tiny.small_settings(**{**camera, **ROAD, **LENGTH, **changes})

    return make


@pytest.fixture
def drive() -> Callable[[Settings, Path], InProcessRun]:
    """Train in a folder to the end of the run."""

    def to_the_end(settings: Settings, folder: Path) -> InProcessRun:
        run = InProcessRun(settings, folder)
        for _ in run.steps():
            pass
        run.scene.camera.close()
        return run

    return to_the_end


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the modules that the tutorials write, on the search path."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return EXAMPLES

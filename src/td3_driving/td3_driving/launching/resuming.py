# SPDX-License-Identifier: Apache-2.0
"""Whether what a user asks of a run that is continued fits what the run is."""

from __future__ import annotations

import json
from pathlib import Path

from td3_driving.learning.replay_files import steps_in
from td3_driving.runs.run_folder import RunFolderError
from td3_driving.settings import Settings


def require_enough_steps(path: Path, earlier: Settings, settings: Settings) -> None:
    """Refuse to continue the run in ``path`` for fewer steps than it has done.

    Args:
        earlier: the configuration of the run.
        settings: the one to continue with.

    Raises:
        RunFolderError: one sentence with both values.
    """
    # A run may end a few steps beyond what it was asked for.
    done, asked = min(steps_done(path), earlier.run.steps), settings.run.steps
    if asked < done:
        raise RunFolderError(
            f"{path} has done {done:,} steps, and run.steps asks for {asked:,}; ask for {done:,} or more"
        )


def profile_name(profile: str) -> str:
    """The name of a profile as a manifest holds it; that of a file is its path from the root."""
    return str(Path(profile).resolve()) if Path(profile).suffix in (".yaml", ".yml") else profile


def steps_done(path: Path) -> int:
    """Environment steps of the run in ``path`` so far, by its replay memory or its newest checkpoint."""
    memories = [path / "replay", *path.glob("rank_*/replay")]
    return max(*map(steps_in, memories), _in_checkpoint(path / "checkpoints" / "latest" / "state.json"))


def _in_checkpoint(state: Path) -> int:
    try:
        return int(json.loads(state.read_text(encoding="utf-8"))["inserted"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0

# SPDX-License-Identifier: Apache-2.0
"""An evaluation over ROS: the processes that drive a policy or a reference driver on the topics of the bridge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from td3_driving.evaluation.camera_ablation import SEEN, cameras
from td3_driving.launching.node_table import SIMULATORS, ProcessSpec, live_page
from td3_driving.live.needs import require_sdk
from td3_driving.runs.profiles import (
    DEFAULT_PROFILE,
    load_profile,
    load_run,
    override,
    parameter_file,
    profile_path,
)
from td3_driving.settings import Scalar, Settings

PATIENCE = 30.0
"""Wall time for which the simulator waits for a command, unless the settings ask for more [s]."""


@dataclass(frozen=True)
class Evaluation:
    """What to evaluate.

    Attributes:
        agent: run folder, or name of a reference driver.
        profile: name or path; "" takes the settings of the run, or the default profile for a driver.
        assignments: ``group.name=value`` on top of it.
        simulator: ``embedded``: one is started; ``none``: the bridge's topics are there already.
        camera: changes to the frames: names of :data:`td3_driving.evaluation.camera_ablation.ABLATIONS`.
        checkpoint: of the run: auto, best, latest, or the name of a folder in ``checkpoints``.
        results: file for the results, or "".
        view: show the drives on a live page in the browser.
    """

    agent: str
    profile: str = ""
    assignments: Sequence[str] = ()
    simulator: str = "embedded"
    routes: int = 10
    seed: int = 0
    ending: str = "leaderboard"
    camera: Sequence[str] = (SEEN,)
    checkpoint: str = "auto"
    results: str = ""
    view: bool = False

    def __post_init__(self) -> None:
        if self.simulator not in SIMULATORS or self.simulator == "carla":
            raise ValueError(f"simulator: {self.simulator!r} is neither embedded nor none; start CARLA's stack first")
        cameras(self.camera)
        if self.view:
            require_sdk()


def evaluation_settings(asked: Evaluation) -> Settings:
    """The settings of all nodes.

    Raises:
        SettingsError: there are none, or one cannot be used.
    """
    config = Path(asked.agent) / "config.yaml"
    use_run = not asked.profile and config.is_file()
    base = load_run(config) if use_run else load_profile(profile_path(asked.profile or DEFAULT_PROFILE))
    patience = max(base.simulator.control_timeout, PATIENCE)
    # Whatever its training, a policy gets the nominal look unless the settings ask for more; and no training is
    # under way in which evaluations would be an exception.
    fixed = [f"simulator.control_timeout={patience}", "appearance.randomise=false", "evaluation.interval=0"]
    return override(base, [*fixed, *asked.assignments])


def evaluation_processes(asked: Evaluation, folder: Path) -> list[ProcessSpec]:
    """The processes; their parameter file is written to ``folder``, as ``config.yaml``.

    Raises:
        SettingsError: see :func:`evaluation_settings`.
        OSError: the file cannot be written.
    """
    (folder / "config.yaml").write_text(parameter_file(evaluation_settings(asked)), encoding="utf-8")
    run = Path(asked.agent)
    parameters: dict[str, Scalar] = {
        "evaluate": str(run.resolve()) if (run / "config.yaml").is_file() else asked.agent,
        "evaluate_routes": asked.routes,
        "evaluate_seed": asked.seed,
        "evaluate_ending": asked.ending,
        "evaluate_camera": ",".join(cameras(asked.camera)),
        "evaluate_checkpoint": asked.checkpoint,
        "evaluate_json": str(Path(asked.results).resolve()) if asked.results else "",
    }
    if asked.simulator == "embedded":
        parameters["resetter"] = ""  # It resets its vehicle itself: nobody but the policy commands it.
    policy = ProcessSpec("policy", "policy", parameters=parameters, on_exit="main")
    simulator = ProcessSpec("simulator", "simulator", on_exit="respawn", endless=True)
    page = [live_page("", parameters={"learns": False})] if asked.view else []
    return [simulator, policy, *page] if asked.simulator == "embedded" else [policy, *page]

# SPDX-License-Identifier: Apache-2.0
"""Where the live page is asked for, and what is said when it cannot be shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from td3_driving.launching import deploy, evaluate, train, view
from td3_driving.launching.deployment import DeployOptions, deployment
from td3_driving.launching.evaluation import Evaluation, evaluation_processes
from td3_driving.launching.node_table import RunOptions, processes
from td3_driving.live import needs
from td3_driving.processes.extras import install


@pytest.fixture
def without_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None)


@pytest.fixture
def with_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: object())


@pytest.mark.usefixtures("without_sdk")
@pytest.mark.parametrize(
    ("main", "words"),
    [
        (train.main, ["--run", "run", "--view"]),
        (evaluate.main, ["lane_keeper", "--view"]),
        (evaluate.main, ["lane_keeper", "--ros", "--view"]),
        (deploy.main, ["bundle.zip", "--view"]),
        (view.main, ["bag"]),
    ],
)
def test_a_missing_package_is_one_sentence_before_anything_starts(
    main: Callable[[list[str]], int],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundle.zip").write_bytes(b"")
    assert main(words) == 2
    said = capsys.readouterr()
    wanted = f"error: the live page needs rerun-sdk, which is not installed: {install('live')}"
    assert said.err.splitlines() == [wanted] and said.out == ""
    assert os.listdir(tmp_path) == ["bundle.zip"]


@pytest.mark.usefixtures("with_sdk")
def test_the_page_is_one_process_more_that_ends_nothing(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(b"")
    for plain, shown in (
        (processes(RunOptions(tmp_path)), processes(RunOptions(tmp_path, view=True))),
        (deployment(DeployOptions(bundle)), deployment(DeployOptions(bundle, view=True))),
        (
            evaluation_processes(Evaluation("lane_keeper"), tmp_path),
            evaluation_processes(Evaluation("lane_keeper", view=True), tmp_path),
        ),
    ):
        assert shown[:-1] == plain
        assert (shown[-1].executable, shown[-1].on_exit) == ("live", "optional")


@pytest.mark.usefixtures("with_sdk")
def test_the_page_listens_where_the_vehicle_speaks(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(b"")
    options = DeployOptions(bundle, interface="autoware", namespace="car", topics={"route": "plan"}, view=True)
    page = deployment(options)[-1]
    assert page.namespace == "/car" and page.parameters == {"learns": False}
    assert dict(page.remappings) == {
        "carla/ego_vehicle/rgb_front/image": "sensing/camera/camera0/image_rect_color",
        "carla/ego_vehicle/odometry": "localization/kinematic_state",
        "carla/ego_vehicle/waypoints": "plan",
    }


def test_of_several_actors_the_first_is_shown(tmp_path: Path) -> None:
    page = processes(RunOptions(tmp_path, num_actors=2, view=True))[-1]
    assert page.namespace == "/actor_0" and page.parameters == {"actor_id": "actor_0"}
    assert ("td3/reward", "/td3/reward") in page.remappings


def test_the_bag_of_a_run_is_found(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no bag: record the run with --record"):
        view.bag_of(tmp_path)
    for age, name in ((0, "bag_1"), (100, "bag")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.yaml").write_text("")
        os.utime(tmp_path / name / "metadata.yaml", (1e9 - age, 1e9 - age))
    assert view.bag_of(tmp_path) == tmp_path / "bag_1"
    assert view.bag_of(tmp_path / "bag") == tmp_path / "bag"
    with pytest.raises(ValueError, match="does not exist"):
        view.bag_of(tmp_path / "nothing")

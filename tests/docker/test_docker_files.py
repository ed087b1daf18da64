# SPDX-License-Identifier: Apache-2.0
"""The image and the compose file, read as text; ``prove_run_lines.py`` carries them out. Both work without Docker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from td3_driving.launching.child import MODULES
from td3_driving.launching.train import _parser
from td3_driving.runs.profiles import override
from td3_driving.settings import Settings

from ..shared.patience import HANG
from .dockerfile import Stage, expand, read

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKER = REPOSITORY / "docker"
SERVICE_KEYS = {
    *("build", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "ipc", "network_mode"),
    *("ports", "profiles", "restart", "shm_size", "volumes"),
}
"""Keys of the Compose specification that are used; anything else is a typing error."""
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return read(DOCKER / "Dockerfile")[1]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    document = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    assert {key for key in document if not key.startswith("x-")} == {"name", "services", "volumes"}
    assert set(document["volumes"]) == {"runs"}
    return dict(document["services"])


def words(service: dict[str, Any]) -> list[str]:
    """The command of a service with the defaults of its variables."""
    return [DEFAULT.sub(r"\1", str(word)) for word in service["command"]]


def test_two_stages_and_the_last_one_has_no_build_tools(stages: list[Stage]) -> None:
    assert [stage.name for stage in stages] == ["build", "runtime"]
    assert {stage.base for stage in stages} == {"${BASE}"}
    installed = " ".join(instruction.text for instruction in stages[1].all("RUN"))
    assert not re.search(r"g\+\+|cmake|\bmake\b|-dev\b|git\b", installed)


def test_the_image_is_built_as_everybody_builds(stages: list[Stage]) -> None:
    assert any('make build GPU="${GPU}"' in instruction.text for instruction in stages[0].all("RUN"))


def test_the_image_runs_as_an_ordinary_user(stages: list[Stage]) -> None:
    user = stages[1].all("USER")[-1].text
    assert user == "1200:1200" and "--uid 1200" in " ".join(entry.text for entry in stages[1].all("RUN"))
    after = stages[1].instructions[stages[1].instructions.index(stages[1].all("USER")[-1]) :]
    assert not any(instruction.name in ("RUN", "COPY") for instruction in after)


def test_every_variable_is_declared(stages: list[Stage]) -> None:
    for stage in stages:
        declared = {entry.text.partition("=")[0] for entry in stage.all("ARG")}
        for name in ("RUN", "ENV"):
            for instruction in stage.all(name):
                assert set(re.findall(r"\$\{(\w+)\}", instruction.text)) <= declared


def test_what_is_copied_exists_and_is_not_ignored(stages: list[Stage]) -> None:
    allowed = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().split() if line.startswith("!")}
    assert all((REPOSITORY / name).exists() for name in allowed)
    # The links of the package lead into these folders, and make build reads the rest.
    assert {"config", "launch", "tests", "src", "tools", "requirements", "Makefile", "docker"} <= allowed
    for stage in stages:
        for entry in stage.all("COPY"):
            source = entry.words[0]
            if not source.startswith("--from") and source != ".":
                assert (REPOSITORY / source).is_file() and source.split("/")[0] in allowed


def test_entry_point_and_command_are_programs_of_the_repository(stages: list[Stage]) -> None:
    for word in stages[1].all("ENTRYPOINT")[-1].words:
        path = REPOSITORY / word.removeprefix("/opt/td3_driving/")
        assert os.access(path, os.X_OK), path
    assert stages[1].all("CMD")[-1].words == ["td3-driving", "train"]


@pytest.mark.parametrize("name", ["bridge.sh", "with_ros.sh"])
def test_scripts_are_well_formed(name: str) -> None:
    assert subprocess.run(["bash", "-n", DOCKER / name], capture_output=True, timeout=HANG).returncode == 0


def test_the_bridge_is_optional_and_needs_a_ros_image() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ROS_DISTRO"}
    script = str(DOCKER / "bridge.sh")
    for what in ("build", "finish", "runtime"):
        answer = subprocess.run([script, what, ""], env=environment, capture_output=True, text=True, timeout=HANG)
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    answer = subprocess.run([script, "build", "0.9.15"], env=environment, capture_output=True, text=True, timeout=HANG)
    assert answer.returncode == 2 and "ros:humble-ros-base" in answer.stderr


def test_commands_reach_the_program_through_the_script() -> None:
    environment = {**os.environ, "ROS_DISTRO": "none"}
    command = [str(DOCKER / "with_ros.sh"), "printf", "%s-", "a b", "c"]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG).stdout == "a b-c-"


def test_services_use_known_keys_and_belong_to_a_profile(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert set(service) <= SERVICE_KEYS, name
        assert service["profiles"] and set(service["profiles"]) <= {"embedded", "carla"}
        assert {"test", "interval", "timeout", "retries", "start_period"} == set(service["healthcheck"]), name


@pytest.mark.parametrize(
    ("profile", "members"),
    [
        ("embedded", {"tensorboard", "train"}),
        ("carla", {"tensorboard", "carla", "bridge", "train-carla"}),
    ],
)
def test_profiles(services: dict[str, Any], profile: str, members: set[str]) -> None:
    chosen = {name for name, service in services.items() if profile in service["profiles"]}
    assert chosen == members
    for name in chosen:
        for other, condition in services[name].get("depends_on", {}).items():
            assert other in chosen and condition == {"condition": "service_healthy"}


def test_all_share_network_and_ipc(services: dict[str, Any]) -> None:
    anchor = services.pop("tensorboard")
    assert anchor["ipc"] == "shareable" and "network_mode" not in anchor and anchor["ports"] == ["6006:6006"]
    for service in services.values():
        assert service["network_mode"] == service["ipc"] == "service:tensorboard"
        assert "ports" not in service, "a service without a network of its own cannot publish ports"
    services["tensorboard"] = anchor


def test_the_server_has_a_gpu_and_our_services_keep_their_runs(services: dict[str, Any]) -> None:
    (device,) = services["carla"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    for name in ("tensorboard", "train", "bridge", "train-carla"):
        assert services[name]["volumes"] == ["runs:/home/td3/runs"]


def test_versions_agree(services: dict[str, Any]) -> None:
    build = services["bridge"]["build"]
    assert services["carla"]["image"].removeprefix("carlasim/carla:") == build["args"]["CARLA"]
    assert expand(build["dockerfile"], {}) == "docker/Dockerfile"
    assert (DOCKER / build["context"]).resolve() == REPOSITORY
    declared = {entry.text.partition("=")[0] for stage in read(DOCKER / "Dockerfile")[1] for entry in stage.all("ARG")}
    assert set(build["args"]) <= declared | {"BASE"}


def test_settings_and_programs_in_the_commands_exist(services: dict[str, Any]) -> None:
    bridge = words(services["bridge"])
    assert (
        bridge[:4] == ["python", "-m", "td3_driving.launching.child", "carla_episodes"] and "carla_episodes" in MODULES
    )
    given = [word.replace(":=", "=") for word in bridge if re.match(r"(carla|simulator)\.", word)]
    settings = override(Settings(), given)
    assert (settings.carla.server, settings.carla.town) == ("attach", "Town01")
    train = words(services["train-carla"])
    override(Settings(), [value for flag, value in zip(train, train[1:]) if flag == "--set"])
    for name in ("train", "train-carla"):
        _parser().parse_args(words(services[name])[2:])


@pytest.mark.parametrize("speaks", [True, False])
def test_hears(speaks: bool, domain_id: int) -> None:
    pytest.importorskip("rclpy")
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.context import Context
    from rclpy.node import Node

    context = Context()
    rclpy.init(args=[], context=context, domain_id=domain_id)
    publisher = Node("speaker", context=context).create_publisher(DiagnosticArray, "/diagnostics", 1)
    seconds = "60" if speaks else "0.5"
    command = [sys.executable, str(DOCKER / "hears.py"), "/diagnostics", "diagnostic_msgs/DiagnosticArray", seconds]
    process = subprocess.Popen(command, env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)})
    try:
        while process.poll() is None:
            if speaks:
                publisher.publish(DiagnosticArray())
            with_patience(process)
        assert process.returncode == (0 if speaks else 1)
    finally:
        process.kill()
        process.wait(HANG)
        context.try_shutdown()


def with_patience(process: subprocess.Popen[bytes]) -> None:
    """Give the process a moment to end."""
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return

# SPDX-License-Identifier: Apache-2.0
"""The files for Slurm and Kubernetes are well formed and start what there is."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch.distributed.run import get_args_parser

from td3_driving.launching import learners, train
from td3_driving.runs.profiles import load_profile, override, profile_path

from ..shared.patience import HANG
from .blocks import DOCS, ROOT

SBATCH, KUBERNETES = DOCS / "examples" / "learners.sbatch", DOCS / "examples" / "learners.yaml"
PAGE = DOCS / "more_learners.md"
SLURM_OPTIONS = ["job-name", "nodes", "ntasks-per-node", "cpus-per-task", "gpus-per-node", "time", "signal", "output"]


def documents() -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(KUBERNETES.read_text(encoding="utf-8"))}


def script_of_the_pod() -> str:
    (container,) = documents()["Job"]["spec"]["template"]["spec"]["containers"]
    shell, option, script = container["args"]
    assert (shell, option) == ("bash", "-c")
    return str(script)


SCRIPTS = {"sbatch": SBATCH.read_text(encoding="utf-8"), "kubernetes": script_of_the_pod()}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_bash_reads_the_script(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_shellcheck_finds_nothing(script: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on this machine")
    done = subprocess.run(
        ["shellcheck", "--shell=bash", "-"], input=script, capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode == 0, done.stdout


def started(script: str, options: str) -> argparse.Namespace:
    """What ``torchrun`` makes of the command of a script, with one of its two sets of options."""
    joined = script.replace("\\\n", " ")
    (command,) = re.findall(r"\btorchrun\b.*", joined)
    (given,) = re.findall(rf"options=\(({options}[^)]*)\)", script)
    text = re.sub(r'"\$\{options\[@\]\}"', given, command)
    text = text.replace("${SLURM_JOB_NUM_NODES}", "2").replace("${JOB_COMPLETION_INDEX}", "1")
    return get_args_parser().parse_args(shlex.split(text)[1:])


@pytest.mark.parametrize("options", ["--resume", "--profile"])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_torchrun_is_given_what_it_and_the_training_take(script: str, options: str) -> None:
    asked = started(script, options)
    assert (asked.nnodes, asked.nproc_per_node, asked.module) == ("2", "1", True)
    assert asked.training_script == learners.__name__
    assert asked.master_port == 29500 or asked.rdzv_endpoint.endswith(":29500")
    words = train._parser().parse_args(learners.options_of(asked.training_script_args))
    assert words.run.endswith("runs/learners") or words.run == "${RUN}"
    assert words.resume == (options == "--resume")
    if not words.resume:
        settings = override(load_profile(profile_path(words.profile)), words.set)
        assert settings.learning.device == "cuda"


@pytest.mark.parametrize("page", [PAGE.read_text(encoding="utf-8")])
def test_the_command_of_the_page_is_one_of_torchrun(page: str) -> None:
    (command,) = re.findall(r"^tools/env.sh (torchrun .*)", page.replace("\\\n", " "), re.M)
    asked = get_args_parser().parse_args(shlex.split(command)[1:])
    assert asked.training_script == learners.__name__
    assert profile_path(train._parser().parse_args(learners.options_of(asked.training_script_args)).profile).is_file()


def test_slurm_is_asked_for_as_many_machines_as_torchrun_starts_on() -> None:
    lines = re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", SCRIPTS["sbatch"], re.M)
    assert len(lines) == SCRIPTS["sbatch"].count("#SBATCH")
    asked = dict(lines)
    assert sorted(asked) == sorted(SLURM_OPTIONS)
    assert (asked["nodes"], asked["ntasks-per-node"], asked["gpus-per-node"]) == ("2", "1", "1")
    # SBATCH lines below the first command are not read.
    first = next(line for line in SCRIPTS["sbatch"].splitlines() if line and not line.startswith("#"))
    assert SCRIPTS["sbatch"].index(first) > SCRIPTS["sbatch"].rindex("#SBATCH")


def test_the_pods_find_each_other_and_are_as_many_as_torchrun_expects() -> None:
    service, job = documents()["Service"], documents()["Job"]
    name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]
    assert (service["apiVersion"], job["apiVersion"]) == ("v1", "batch/v1")
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["selector"] == {"job-name": name}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert f"--master-addr={name}-0.{pod['subdomain']}" in script_of_the_pod()
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 2
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")


def test_the_volumes_of_the_pod_are_those_that_it_mounts() -> None:
    pod = documents()["Job"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert mounts["runs"] in re.findall(r"^VOLUME (\S+)", dockerfile, re.M)
    assert Path(mounts["runs"]).parent == Path(re.findall(r"^WORKDIR (\S+)", dockerfile, re.M)[-1])
    assert container["image"].partition(":")[0] == "td3_driving"


def test_the_page_links_both_files() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"examples/{SBATCH.name}" in text and f"examples/{KUBERNETES.name}" in text

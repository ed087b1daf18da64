# SPDX-License-Identifier: Apache-2.0
"""Carry out the Dockerfile's instructions without Docker, each stage in a copy of a Debian root, and run its command.

    debootstrap --variant=minbase bookworm /tmp/debian
    python tests/docker/prove_run_lines.py /tmp/debian /tmp/stages -- td3-driving train --steps 700

Needs root and about 10 GB. RUN lines are executed in a chroot with mounts and processes of its own. ``--bind`` and
``--copy`` take this machine's package mirrors along, where it has some; ``--env`` passes variables.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from .dockerfile import Instruction, Stage, expand, read

REPOSITORY = Path(__file__).resolve().parents[2]
CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
TAKEN_ALONG = ("/etc/resolv.conf", "/etc/hosts")


class Prover:
    """Carries out stages below ``place``."""

    def __init__(self, asked: argparse.Namespace, arguments: dict[str, str]) -> None:
        self.asked, self.arguments = asked, arguments
        self.roots: dict[str, Path] = {}
        self.environment: dict[str, str] = {}
        self.directory, self.user = "/", "0:0"

    def carry_out(self, stage: Stage) -> Path:
        """The root of a stage after all of its instructions."""
        root: Path = self.asked.place / stage.name
        self.roots[stage.name] = root
        subprocess.run(["cp", "-a", str(self.asked.debian), str(root)], check=True)
        for path in (*TAKEN_ALONG, *self.asked.copy):
            (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, root / path.lstrip("/"))
        self.environment, self.directory, self.user = {}, "/", "0:0"
        for instruction in stage.instructions:
            print(f"[{stage.name}] {instruction.name} {instruction.text}", flush=True)
            self._one(root, instruction)
        return root

    def _one(self, root: Path, instruction: Instruction) -> None:
        text = expand(instruction.text, {**self.arguments, **self.environment})
        if instruction.name == "ARG":
            name, _, default = text.partition("=")
            self.arguments.setdefault(name, default)
        elif instruction.name == "ENV":
            self.environment |= dict(word.split("=", 1) for word in shlex.split(text))
        elif instruction.name == "WORKDIR":
            self.directory = text
            (root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction.name == "USER":
            self.user = text
        elif instruction.name == "COPY":
            self._copy(root, shlex.split(text))
        elif instruction.name == "RUN":
            self.run(root, ["/bin/bash", "-o", "pipefail", "-c", instruction.text])
        elif instruction.name not in ("SHELL", "VOLUME", "ENTRYPOINT", "CMD"):
            sys.exit(f"this script does not know the instruction {instruction.name}")

    def _copy(self, root: Path, words: list[str]) -> None:
        source_root = self.roots[words.pop(0).removeprefix("--from=")] if words[0].startswith("--from=") else None
        source, target = words
        place = root / os.path.join(self.directory, target).lstrip("/")
        if source_root is not None:
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", f"{source_root}{source}/.", str(place)], check=True)
        elif source == ".":
            names = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().split() if line.startswith("!")]
            sources = [str(REPOSITORY / name) for name in names]
            subprocess.run(["cp", "-a", "--no-preserve=ownership", *sources, str(place)], check=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / source, place)

    def run(self, root: Path, words: list[str]) -> None:
        """A command in the root, as the user and in the directory of the moment."""
        passed = {name: os.environ[name] for name in self.asked.env if name in os.environ}
        variables = {**CLEAN, **self.arguments, **self.environment, **passed}
        if self.user != "0:0":
            variables["HOME"] = self.directory
        mounts = [f"mkdir -p {root}/dev/shm && mount -t tmpfs tmpfs {root}/dev/shm"]
        for path in self.asked.bind:
            mounts.append(f"mkdir -p {root}{path} && mount --bind {path} {root}{path}")
        inner = shlex.join(["env", "-i", *(f"{name}={value}" for name, value in variables.items()), *words])
        go = f"cd {shlex.quote(self.directory)} && exec {inner}"
        chroot = shlex.join(["chroot", f"--userspec={self.user}", str(root), "/bin/bash", "-c", go])
        script = " && ".join([*mounts, f"exec {chroot}"])
        isolated = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root}/proc", "/bin/bash", "-c", script]
        if subprocess.run(isolated).returncode:
            sys.exit(f"failed: {shlex.join(words)}")


def main() -> None:
    """All stages, then the entry point of the last with the command that was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("debian", type=Path, help="a fresh Debian root")
    parser.add_argument("place", type=Path, help="folder for the stages' roots, removed beforehand")
    parser.add_argument("--bind", action="append", default=[], metavar="DIRECTORY")
    parser.add_argument("--copy", action="append", default=[], metavar="FILE")
    parser.add_argument("--env", action="append", default=[], metavar="NAME")
    own, _, command = " ".join(map(shlex.quote, sys.argv[1:])).partition(" -- ")
    asked = parser.parse_args(shlex.split(own))
    shutil.rmtree(asked.place, ignore_errors=True)
    asked.place.mkdir(parents=True)
    arguments, stages = read(REPOSITORY / "docker" / "Dockerfile")
    prover = Prover(asked, {**arguments, "CARLA": "", "GPU": "0"})
    for stage in stages:
        root = prover.carry_out(stage)
    missing = [name for name in ("g++", "cmake", "make", "git") if shutil.which(name, path=str(root / "usr/bin"))]
    if missing:
        sys.exit(f"build tools are left in the last stage: {', '.join(missing)}")
    entry = stages[-1].all("ENTRYPOINT")[-1].words
    prover.run(root, [*entry, *(shlex.split(command) or stages[-1].all("CMD")[-1].words)])
    print("every instruction was carried out, and the command ended well")


if __name__ == "__main__":
    main()

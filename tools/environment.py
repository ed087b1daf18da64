# SPDX-License-Identifier: Apache-2.0
"""The virtual environment of the workspace: ``.venv``, made once and brought up to date when its requirements change.

Two flavours. With a sourced ROS 2 the system's packages stay visible and only what is missing is installed; without one
the environment carries ROS 2 itself, from wheels.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import wheel_paths

WHEELS = "wheels"
"""Flavour of a machine without ROS 2; any other flavour is the name of the distribution."""
IMPORTS = {"opencv-python-headless": "cv2", "PyYAML": "yaml", "typing-extensions": "typing_extensions"}
"""Import names that differ from the name of the distribution."""
UNPINNED = ("matplotlib", "numpy", "opencv-python-headless", "scipy", "setuptools")
"""Not pinned beside a ROS 2 distribution: they must fit the NumPy that its messages were compiled for."""
NOT_FOUND = ("ERROR: No matching distribution", "ERROR: Cannot install torch")
"""How pip says that a version is not to be had; the second when a constraint of the user names the package too."""


class SetupError(Exception):
    """The workspace cannot be set up; one sentence says what to do."""


@dataclass(frozen=True)
class State:
    """What an environment was made from."""

    flavour: str
    python: str
    requirements: str


class Environment:
    """The virtual environment below ``root``.

    Args:
        root: of the repository.
        flavour: :data:`WHEELS` or the name of a ROS 2 distribution.
        gpu: whether torch is to be the CUDA build.
    """

    def __init__(self, root: Path, flavour: str, gpu: bool) -> None:
        self.path = root / ".venv"
        self.python = self.path / "bin" / "python"
        self._requirements = root / "requirements"
        self._stamp = self.path / "workspace.json"
        self._flavour = flavour
        self._torch = self._torch_requirement(gpu)

    def prepare(self) -> bool:
        """Make or update the environment; whether one of another flavour or Python was replaced.

        The stamp is written last, so that an interrupted set-up is taken up again by the next one.

        Raises:
            SetupError: something cannot be installed.
        """
        wanted = self._wanted()
        if self._state() == wanted and self._usable():
            return False
        replaced = self._make()
        self._stamp.unlink(missing_ok=True)
        self._install()
        self._stamp.write_text(json.dumps(asdict(wanted)), encoding="utf-8")
        return replaced

    def _wanted(self) -> State:
        digest = hashlib.sha256(self._torch.encode())
        for path in sorted(self._requirements.glob("*.txt")):
            digest.update(path.read_bytes())
        return State(self._flavour, platform.python_version(), digest.hexdigest())

    def _state(self) -> State | None:
        try:
            return State(**json.loads(self._stamp.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, TypeError):
            return None

    def _usable(self) -> bool:
        """Whether the environment's Python runs, is this one, and sees the system's packages as it should."""
        probe = "import platform, sys; print(platform.python_version(), sys.prefix, sep=chr(10)); import pip"
        try:
            answer = subprocess.run([self.python, "-c", probe], capture_output=True, text=True, check=True).stdout
            config = (self.path / "pyvenv.cfg").read_text(encoding="utf-8")
        except (OSError, subprocess.CalledProcessError):
            return False
        sees_system = "include-system-site-packages = true" in config
        right_system = sees_system == (self._flavour != WHEELS)
        return right_system and answer.splitlines() == [platform.python_version(), str(self.path)]

    def _make(self) -> bool:
        if self._usable():
            return False
        existed = self.path.exists()
        if existed:
            say(f"replacing {self.path.name}: it is incomplete, or was made for another Python or ROS 2")
            shutil.rmtree(self.path)
        say(f"making {self.path.name} with Python {platform.python_version()}")
        options = [] if self._flavour == WHEELS else ["--system-site-packages"]
        run([sys.executable, "-m", "venv", *options, str(self.path)], "the virtual environment could not be made")
        return existed

    def _install(self) -> None:
        if self._flavour == WHEELS:
            self._install_torch(self._requirements / "constraints.txt")
            files = ["ros.txt", "runtime.txt", "dev.txt"]
            say("installing ROS 2 Kilted and the Python packages")
            arguments = [argument for name in files for argument in ("-r", str(self._requirements / name))]
            self._pip([*arguments, "-c", str(self._requirements / "constraints.txt")])
            self._run_python([wheel_paths.__file__])
        else:
            self._install_missing()

    def _install_missing(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write(self._system_constraints())
            constraints.flush()
            missing = self._missing()
            if "torch" in missing:
                self._install_torch(Path(constraints.name))
            others = [name for name in missing if name != "torch"]
            if others:
                say(f"installing {' '.join(others)}")
                self._pip([*others, "-c", constraints.name])

    def _missing(self) -> list[str]:
        """Requirements that Python cannot import in the environment."""
        names = ["torch", *self._names("runtime.txt"), *self._names("dev.txt")]
        modules = {name: IMPORTS.get(name, name.replace("-", "_")) for name in names if not name.startswith("types-")}
        probe = "import sys, importlib.util as u; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])"
        absent = set(self._run_python(["-c", probe, *modules.values()]).split())
        return [name for name, module in modules.items() if module in absent]

    def _names(self, file: str) -> list[str]:
        lines = (self._requirements / file).read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def _system_constraints(self) -> str:
        """The pins, less those that would pull another NumPy than the one ROS 2 was compiled for."""
        pins = (self._requirements / "constraints.txt").read_text(encoding="utf-8").splitlines()
        kept = [pin for pin in pins if pin.split("==")[0].lower() not in {name.lower() for name in UNPINNED}]
        numpy = self._run_python(["-c", "import numpy; print(numpy.__version__)"]).strip()
        return "\n".join([*kept, f"numpy=={numpy}"]) + "\n"

    def _torch_requirement(self, gpu: bool) -> str:
        """On x86_64 the plain version is the CUDA build, and ``+cpu`` names the other one."""
        plain = (self._requirements / "torch.txt").read_text(encoding="utf-8").strip()
        return plain if gpu or platform.machine() != "x86_64" else f"{plain}+cpu"

    def _install_torch(self, constraints: Path) -> None:
        say(f"installing {self._torch}")
        hint = (
            f"{self._torch} is not where pip looks: point PIP_EXTRA_INDEX_URL to PyTorch's CPU index, as its"
            " install page shows, or take the CUDA build with: make build GPU=1"
        )
        self._pip([self._torch, "-c", str(constraints)], hint if self._torch.endswith("+cpu") else "")

    def _pip(self, arguments: list[str], when_not_found: str = "") -> None:
        command = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
        answer = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if answer.returncode == 0:
            return
        errors = [line for line in answer.stderr.splitlines() if line.startswith("ERROR:")]
        if when_not_found and any(line.startswith(NOT_FOUND) for line in errors):
            raise SetupError(when_not_found)
        raise SetupError("pip failed: " + " ".join(errors or answer.stderr.splitlines()[-1:]))

    def _run_python(self, arguments: list[str]) -> str:
        return subprocess.run([self.python, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def run(command: list[str], failure: str, environment: dict[str, str] | None = None) -> None:
    """Run a command whose output goes to the terminal.

    Raises:
        SetupError: it failed.
    """
    if subprocess.run(command, env=environment).returncode:
        raise SetupError(failure)


def say(text: str) -> None:
    """Print one line for the user."""
    print(f"[build] {text}", flush=True)

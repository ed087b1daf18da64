# SPDX-License-Identifier: Apache-2.0
"""``make build``: the virtual environment, then the packages of the workspace with colcon.

Quick when nothing changed: the environment is left alone while its requirements are the same, and a package is built
again only when one of its files differs from what was built. ``make build`` and a plain ``colcon build`` share one
build tree; both use the default layout.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from environment import WHEELS, Environment, SetupError, run, say

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = ("humble", "jazzy", "kilted")
OWN = ("td3_driving_msgs", "td3_driving")
STAMP = ROOT / "build" / "workspace.json"
"""Package -> digest of the files that were built."""


def main() -> int:
    """Build what has changed; 2 and one sentence when that cannot be done."""
    try:
        with locked():
            build(os.environ)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the next make build takes it up again", file=sys.stderr)
        return 130
    return 0


def build(variables: Mapping[str, str]) -> None:
    """Environment, then packages.

    Raises:
        SetupError: one of them cannot be made.
    """
    flavour = flavour_of(variables)
    environment = Environment(ROOT, flavour, gpu=variables.get("GPU", "") not in ("", "0"))
    if environment.prepare():
        for folder in ("build", "install"):
            shutil.rmtree(ROOT / folder, ignore_errors=True)
    packages = packages_to_build(flavour, variables)
    changed = {name: digest for name, (_, digest) in packages.items() if built().get(name) != digest}
    if changed:
        run_colcon(environment, flavour, variables, [packages[name][0] for name in packages], sorted(changed))
        STAMP.write_text(json.dumps({**built(), **changed}, indent=2), encoding="utf-8")


def flavour_of(variables: Mapping[str, str]) -> str:
    """Name of the sourced ROS 2 distribution, or :data:`WHEELS`.

    Raises:
        SetupError: a distribution is sourced that this project does not know.
    """
    distribution = variables.get("ROS_DISTRO", "")
    if distribution and distribution not in DISTRIBUTIONS:
        known = ", ".join(DISTRIBUTIONS)
        raise SetupError(f"ROS 2 {distribution} is sourced; {known} are supported, or a shell without ROS 2")
    return distribution or WHEELS


def packages_to_build(flavour: str, variables: Mapping[str, str]) -> dict[str, tuple[Path, str]]:
    """Package -> its folder and the digest of its files; the compatibility packages only where they are missing."""
    folders = [ROOT / "src" / name for name in OWN]
    for folder in sorted(path.parent for path in (ROOT / "src" / "compat").glob("*/package.xml")):
        if not installed(folder.name, variables.get("AMENT_PREFIX_PATH", "") if flavour != WHEELS else ""):
            folders.insert(0, folder)
    return {folder.name: (folder, digest_of(folder)) for folder in folders}


def installed(package: str, prefixes: str) -> bool:
    """Whether the package is known below one of the prefixes, this workspace's own install folder aside."""
    others = [Path(prefix) for prefix in prefixes.split(os.pathsep) if prefix]
    return any(
        (prefix / "share" / "ament_index" / "resource_index" / "packages" / package).exists()
        for prefix in others
        if ROOT / "install" not in (prefix, *prefix.parents)
    )


def digest_of(folder: Path) -> str:
    """SHA-256 over names and contents of a package's files, links followed, tests and by-products left out."""
    digest = hashlib.sha256()
    for directory, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in ("test", "__pycache__") and "egg-info" not in name)
        for path in sorted(Path(directory) / name for name in files):
            digest.update(f"{path.relative_to(folder)} {path.stat().st_mode}".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def built() -> dict[str, str]:
    """Digests of the last builds; packages that are not installed are left out."""
    try:
        known = json.loads(STAMP.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return {name: digest for name, digest in known.items() if (ROOT / "install" / name / "share" / name).is_dir()}


def run_colcon(
    environment: Environment, flavour: str, variables: Mapping[str, str], folders: list[Path], changed: list[str]
) -> None:
    """Build the changed packages.

    Raises:
        SetupError: colcon failed.
    """
    say(f"building {' '.join(changed)}")
    if "td3_driving" in changed:
        forget_removed_modules()
    python = environment.python
    command = [str(python), "-m", "colcon", "--log-level", "error", "build"]
    command += ["--base-paths", *map(str, folders), "--packages-select", *changed]
    command += ["--cmake-args", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={python}", "--no-warn-unused-cli"]
    os.chdir(ROOT)
    settings = colcon_variables(environment, flavour, variables)
    run(command, "colcon could not build the workspace; its output is above", settings)


def colcon_variables(environment: Environment, flavour: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of the build; a workspace that the calling shell sourced does not get into it."""
    result = {name: value for name, value in variables.items() if name not in ("COLCON_PREFIX_PATH", "MAKEFLAGS")}
    # By default colcon adds a load limit, which stalls a build beside other work.
    result["MAKEFLAGS"] = f"-j{len(os.sched_getaffinity(0))}"
    result["VIRTUAL_ENV"] = str(environment.path)
    result["PATH"] = f"{environment.path / 'bin'}{os.pathsep}{variables['PATH']}"
    if flavour == WHEELS:
        result.pop("PYTHONPATH", None)
        result["AMENT_PREFIX_PATH"] = result["CMAKE_PREFIX_PATH"] = str(environment.path)
    return result


def forget_removed_modules() -> None:
    """Delete the earlier build: setuptools copies over it, so a removed module would stay importable."""
    shutil.rmtree(ROOT / "build" / "td3_driving", ignore_errors=True)
    shutil.rmtree(ROOT / "install" / "td3_driving" / "lib", ignore_errors=True)


@contextmanager
def locked() -> Iterator[None]:
    """One build at a time; a second one waits for the first, as long as that takes."""
    with open(__file__, encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build of this workspace")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())

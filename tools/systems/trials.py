# SPDX-License-Identifier: Apache-2.0
"""The trials, each a function of its place."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

from tools.systems.judging import Outcome, ended, refused, worked
from tools.systems.place import ROOT, NotAtHand, Place, Shown, python_of

Trial = Callable[[Place], Outcome]
ENV = str(ROOT / "tools" / "env.sh")
SMALL = {
    "run.log_period": 20,
    "simulator.map": "straight",
    "simulator.vehicles": 2,
    "simulator.camera_width": 64,
    "simulator.camera_height": 36,
    "observation.frame_width": 36,
    "observation.frame_height": 36,
    "network.encoder": "small",
    "network.features": 16,
    "network.hidden": 16,
    "learning.batch_size": 8,
    "replay.capacity": 2000,
    "exploration.random_steps": 30,
    "pacing.learning_starts": 40,
    "pacing.train_freq": 10,
    "pacing.gradient_steps": 2,
    "pacing.checkpoint_period": 5,
    "evaluation.final_routes": 0,
}
"""Settings of a training that takes seconds."""
NO_NETWORK = ("unshare", "-r", "-n")


def train(place: Place, *words: str, run: str = "run", **settings: object) -> list[str]:
    """The command of a small training."""
    given = SMALL | {name.replace("__", "."): value for name, value in settings.items()}
    sets = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    steps = [] if "--resume" in words else ["--steps", "80"]
    return [ENV, "td3-driving", "train", "--run", str(place.folder / run), *steps, *sets, *words]


def _trains(said: str = "", /, **changes: str | None) -> Trial:
    return lambda place: worked(place.run(train(place), changes), said)


def _refuses(said: str, /, **changes: str | None) -> Trial:
    return lambda place: refused(place.run(train(place), changes), said)


def _needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise NotAtHand(f"no program {program}")


def folder(name: str) -> Trial:
    """``make build`` in a folder of that name."""
    return lambda place: refused(place.run(["make", "build"], where=place.copy(name)), "the build cannot do with")


def run_folder(place: Place) -> Outcome:
    """A run in a folder with blanks and letters of other scripts."""
    return worked(place.run(train(place, run="größe a/Рабочий стол")))


def home(kind: str) -> Trial:
    """``HOME`` of a kind that homes should not be."""

    def tried(place: Place) -> Outcome:
        path = place.folder / "other"
        if kind == "a file":
            path.write_text("")
        elif kind == "very long":
            path = place.folder.joinpath(*["x" * 200] * 5)
            path.mkdir(parents=True)
        elif kind == "read-only":
            path.mkdir(mode=0o555)
        given = {"missing": None, "empty": ""}.get(kind, str(path))
        said = "" if kind == "very long" else "go to" if given else "stands in"
        return worked(place.run(train(place), {"HOME": given}), said)

    return tried


def temporary(place: Place) -> Outcome:
    """``TMPDIR`` that cannot be written."""
    closed = place.folder / "closed"
    closed.mkdir(mode=0o555)
    return worked(place.run(train(place), {"TMPDIR": str(closed)}))


def log_folder(place: Place) -> Outcome:
    """``ROS_LOG_DIR`` that cannot be written."""
    closed = place.folder / "closed"
    closed.mkdir(mode=0o555)
    return refused(place.run(train(place), {"ROS_LOG_DIR": str(closed / "log")}), "cannot be written")


def loopback(place: Place) -> Outcome:
    """A network of its own whose loopback interface is down."""
    _needs("unshare")
    return refused(place.run(train(place), before=NO_NETWORK), "loopback interface is down")


def columns(width: int) -> Trial:
    """A terminal of that width: the line of progress shows alarms and time left, and fits."""

    def tried(place: Place) -> Outcome:
        answer = place.run(train(place, "--steps", "160"), columns=width)
        lines = [line for line in answer.lines if "alarms" in line]
        widest = max(map(len, lines), default=0)
        good = worked(answer, "alarms")
        return good if widest <= width else Outcome("FAILS", f"{widest} columns: {max(lines, key=len)}")

    return tried


def python_313(place: Place) -> Outcome:
    """``make build`` where Python 3.13 is asked for."""
    found = python_of("3.13")
    return refused(place.run(["make", "build"], {"PYTHON": found}, where=place.copy("sources")), "is needed")


def no_compiler(place: Place) -> Outcome:
    """``make build`` by a user without rights, on a machine without compilers."""
    path = place.programs(without=(r"(.*-)?(g\+\+|gcc|c\+\+|cc|clang(\+\+)?)(-[0-9.]+)?", "c8?9(-gcc)?"))
    sources = place.copy("sources")
    place.give_up_root()
    return refused(place.run(["make", "build"], {"PATH": str(path)}, where=sources), "this machine lacks")


def no_root(place: Place) -> Outcome:
    """A training by a user without rights."""
    place.give_up_root()
    if place.run([str(ROOT / ".venv" / "bin" / "python"), "-c", "import rich"]).code:
        raise NotAtHand("the workspace was built with a Python that root alone may read")
    return worked(place.run(train(place)))


def aarch64(place: Place) -> Outcome:
    """``make build`` where the machine calls itself aarch64."""
    path = place.programs(uname="#!/bin/sh\necho aarch64\n")
    return refused(place.run(["make", "build"], {"PATH": str(path)}, where=place.copy("sources")), "aarch64")


def offline(place: Place) -> Outcome:
    """``make build`` without a network and without wheels."""
    _needs("unshare")
    given: dict[str, str | None] = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": None}
    answer = place.run(["make", "build"], given, NO_NETWORK, place.copy("sources"))
    return refused(answer, "is not where pip looks")


def wheel_cache(place: Place) -> Outcome:
    """``make build`` without a network, from the folder of wheels that the variable WHEELS names."""
    _needs("unshare")
    if not os.environ.get("WHEELS"):
        raise NotAtHand(
            "no folder of all wheels, as pip download makes it: WHEELS=/path python3 -m tools.systems wheel"
        )
    given: dict[str, str | None] = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": os.environ["WHEELS"]}
    return worked(place.run(["make", "build"], given, NO_NETWORK, place.copy("sources")))


def other_ros(place: Place) -> Outcome:
    """``make build`` in a shell that has sourced a distribution that is not supported."""
    return refused(place.run(["make", "build"], {"ROS_DISTRO": "foxy"}, where=place.copy("sources")), "is sourced")


def sourced(place: Place) -> Outcome:
    """A training in a shell that has sourced ROS 2: that of the wheels, as an installation would be."""
    prefix = str(ROOT / ".venv")
    (python,) = {str(path) for path in (ROOT / ".venv" / "lib").glob("python3*/site-packages")}
    given: dict[str, str | None] = {"ROS_DISTRO": "kilted", "ROS_VERSION": "2", "AMENT_PREFIX_PATH": prefix}
    given |= {"PYTHONPATH": python, "LD_LIBRARY_PATH": f"{prefix}/lib", "PATH": f"{prefix}/bin:{os.defpath}"}
    return worked(place.run(train(place), given))


def conda(place: Place) -> Outcome:
    """A training in a shell with an active conda environment, which is imitated."""
    base = place.folder / "conda"
    subprocess.run([python_of("3.12"), "-m", "venv", "--without-pip", str(base)], check=True)
    (base / "conda-meta").mkdir()
    given: dict[str, str | None] = {"CONDA_PREFIX": str(base), "CONDA_DEFAULT_ENV": "base", "CONDA_SHLVL": "1"}
    return worked(place.run(train(place), given | {"PATH": f"{base}/bin:{os.defpath}"}))


def hang_up(place: Place) -> Outcome:
    """The terminal is closed while the training goes on."""

    def close(said: str, _: subprocess.Popen[bytes], terminal: int) -> bool:
        if "step" in said:
            os.close(terminal)
        return "step" in said

    return _resumed(place, ended(place.run(train(place, "--steps", "4000"), act=close)))


def interrupted(moment: str, gap: float, routes: int = 0) -> Trial:
    """Ctrl-C twice, ``gap`` seconds apart, once the output has ``moment`` in it."""

    def twice(said: str, process: subprocess.Popen[bytes], _: int) -> bool:
        if moment not in said:
            return False
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(gap)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        return True

    def tried(place: Place) -> Outcome:
        return _resumed(
            place, ended(place.run(train(place, "--steps", "400", evaluation__final_routes=routes), act=twice))
        )

    return tried


def interrupted_build(gap: float) -> Trial:
    """Ctrl-C twice while ``make build`` makes the environment."""

    def tried(place: Place) -> Outcome:
        def twice(said: str, process: subprocess.Popen[bytes], _: int) -> bool:
            if "[build] " not in said:
                return False
            for _ in range(2):
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(gap)
            return True

        return ended(place.run(["make", "build"], where=place.copy("sources"), act=twice))

    return tried


def _resumed(place: Place, before: Outcome) -> Outcome:
    """The run can be continued, or that is refused in a sentence."""
    if before.word == "FAILS" or not (place.folder / "run").is_dir():
        return before
    answer: Shown = place.run([*train(place, "--resume"), "--steps", "460"])
    after = worked(answer) if answer.code == 0 else refused(answer, "")
    return before if after.word != "FAILS" else Outcome("FAILS", f"continued: {after.sentence}")


TRIALS: dict[str, Trial] = {
    "sources in a path with a space": folder("a b"),
    "sources in a path with letters beyond ASCII": folder("größe"),
    "run in a path with spaces and other letters": run_folder,
    "Latin-1 terminal": _trains(LC_ALL="de_DE.ISO-8859-1", PYTHONIOENCODING="latin-1"),
    "ASCII terminal": _trains(LC_ALL="C", LANG="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0"),
    "80 columns": columns(80),
    "40 columns": columns(40),
    "conda active": conda,
    "ROS 2 sourced": sourced,
    "ROS 2 Foxy sourced": other_ros,
    "Python 3.13": python_313,
    "no compiler, no root": no_compiler,
    "no root": no_root,
    "aarch64": aarch64,
    "offline, no wheels": offline,
    "offline with a wheel cache": wheel_cache,
    "HOME missing": home("missing"),
    "HOME empty": home("empty"),
    "HOME read-only": home("read-only"),
    "HOME very long": home("very long"),
    "HOME a file": home("a file"),
    "TMPDIR read-only": temporary,
    "log folder read-only": log_folder,
    "RMW not installed": _refuses("is not installed", RMW_IMPLEMENTATION="rmw_connextdds"),
    "loopback down": loopback,
    "terminal closed (SIGHUP)": hang_up,
    "Ctrl-C twice in 0.2 s, build": interrupted_build(0.2),
    "Ctrl-C twice in 2 s, build": interrupted_build(2.0),
    "Ctrl-C twice in 0.2 s, start": interrupted("run", 0.2),
    "Ctrl-C twice in 2 s, start": interrupted("run", 2.0),
    "Ctrl-C twice in 0.2 s, run": interrupted("steps/s", 0.2),
    "Ctrl-C twice in 2 s, run": interrupted("steps/s", 2.0),
    "Ctrl-C twice in 0.2 s, final drives": interrupted("routes", 0.2, routes=5),
    "Ctrl-C twice in 2 s, final drives": interrupted("routes", 2.0, routes=5),
}
"""What a user has -> the trial."""

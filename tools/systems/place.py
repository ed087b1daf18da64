# SPDX-License-Identifier: Apache-2.0
"""A place for one trial: a home, a user without rights, variables of its own, and commands that run in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
PLAIN_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
KEPT = ("PIP_", "OMP_", "SSL_", "LANG", "PYENV_ROOT")
"""Variables of the caller that say how packages are had; all others are left out."""
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
"""Leads a command to a user without rights."""
HEEDING = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Leads a command to a root that heeds the permissions of files."""
LONGEST = 1800.0
"""A command that takes longer hangs [s]."""
PATIENCE = 10.0
"""How long processes may need to end after their command [s]."""
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
Act = Callable[[str, "subprocess.Popen[bytes]", int], bool]
"""Is told all output so far, the process and its terminal, and returns whether it has done its part."""
MARK = "TD3_TRIAL"
"""Variable by which the processes of a trial are found again."""


class NotAtHand(Exception):
    """This machine lacks what the trial needs; the message says what."""


@dataclass(frozen=True)
class Shown:
    """Exit code and output of a command; ``left``: the command lines of processes that outlived it."""

    code: int
    output: str
    left: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The lines as a terminal would show them, in the order in which they were written."""
        return [line.rstrip() for line in re.split(r"[\r\n]+", COLOURS.sub("", self.output)) if line.strip()]


class Place:
    """A temporary folder with a home; removed at the end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="td3-trial-", dir="/tmp"))
        self.home = self.folder / "home"
        self.home.mkdir()
        self.mark = uuid.uuid4().hex
        self.user: tuple[str, ...] = HEEDING if os.getuid() == 0 and shutil.which("setpriv") else ()

    def __enter__(self) -> Place:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        subprocess.run(["chmod", "-R", "u+rwX", str(self.folder)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def give_up_root(self) -> None:
        """Let a user without rights own all that is here, and run the commands from now on.

        Raises:
            NotAtHand: the program for it is missing.
        """
        if os.getuid() != 0:
            return
        if not shutil.which("setpriv"):
            raise NotAtHand("no program setpriv")
        self.user = NOBODY
        subprocess.run(["chown", "-R", "65534:65534", str(self.folder)], check=True)

    def copy(self, name: str) -> Path:
        """A copy of the sources, without what was built, in a folder of that name."""
        target = self.folder / name
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True).stdout
        for file in filter(None, os.fsdecode(listed).split("\0")):
            if (ROOT / file).is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, target / file)
        return target

    def programs(self, without: Sequence[str] = (), **scripts: str) -> Path:
        """A folder with links to all programs of the system but some, and with scripts of the trial's own."""
        folder = self.folder / "bin"
        folder.mkdir()
        for source in PLAIN_PATH.split(":"):
            for program in Path(source).iterdir() if Path(source).is_dir() else ():
                link = folder / program.name
                if not any(re.fullmatch(each, program.name) for each in without) and not link.is_symlink():
                    link.symlink_to(program)
        for name, text in scripts.items():
            (folder / name).unlink(missing_ok=True)
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        return folder

    def variables(self, changes: dict[str, str | None]) -> dict[str, str]:
        """What a login would set, and the changes; None takes a variable away."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
        given: dict[str, str | None] = {**kept, "PATH": PLAIN_PATH, "HOME": str(self.home), "TERM": "xterm"}
        given |= {"LANG": "C.UTF-8", "USER": "trial", MARK: self.mark} | changes
        return {name: value for name, value in given.items() if value is not None}

    def run(
        self,
        command: Sequence[str],
        changes: dict[str, str | None] | None = None,
        before: Sequence[str] = (),
        where: Path | None = None,
        columns: int = 0,
        act: Act | None = None,
    ) -> Shown:
        """Run a command to its end.

        Args:
            command, changes, where: its words, variables and folder.
            before: words before it, such as those that lead it into another network.
            columns: of the terminal that it gets.
            act: what happens to it on the way.
        """
        master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns or 120, 0, 0))
        process = subprocess.Popen(
            [*before, *self.user, *command],
            cwd=where or self.folder,
            env=self.variables(changes or {}),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=_takes_terminal,
        )
        os.close(terminal)
        output = _read(master, process, act or (lambda *_: True))
        return Shown(process.wait(LONGEST), output.decode("utf-8", "replace"), self._leftovers())

    def _leftovers(self) -> tuple[str, ...]:
        """Processes of this trial that are still there after :data:`PATIENCE`; they are ended then."""
        end = time.monotonic() + PATIENCE
        while (found := self._alive()) and time.monotonic() < end:
            select.select([], [], [], 0.2)
        for number in found:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        return tuple(found.values())

    def _alive(self) -> dict[int, str]:
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (
                        (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
                    )
        return {number: words for number, words in found.items() if words}


def _takes_terminal() -> None:
    """As a shell does: the terminal's signals go to the command, and they have their usual effect."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(master: int, process: subprocess.Popen[bytes], act: Act) -> bytes:
    """All output; what a command leaves behind may hold the terminal open, so the end of the command counts too."""
    output, acted, over, end = b"", False, False, time.monotonic() + LONGEST
    with suppress(OSError):  # Its other end is closed: the command is over, or the trial has closed the terminal.
        while time.monotonic() < end:
            if select.select([master], [], [], 0.0 if over else 0.5)[0]:
                chunk = os.read(master, 65536)
                if not chunk:
                    break
                output += chunk
            elif over:
                break
            over = process.poll() is not None
            acted = acted or act(output.decode("utf-8", "replace"), process, master)
    try:
        process.wait(max(end - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(OSError):
        os.close(master)  # Not before its end: that would send it SIGHUP.
    return output


def python_of(version: str) -> str:
    """Path of a Python, from the search path or from pyenv.

    Raises:
        NotAtHand: there is none.
    """
    kept = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    for found in (*map(str, kept), shutil.which(f"python{version}"), sys.executable):
        probe = "import sys; print('%d.%d' % sys.version_info[:2])"
        if found and subprocess.run([found, "-c", probe], capture_output=True, text=True).stdout.strip() == version:
            return found
    raise NotAtHand(f"no Python {version}")

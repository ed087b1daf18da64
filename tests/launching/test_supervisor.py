# SPDX-License-Identifier: Apache-2.0
"""The supervisor with small Python children."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from select import select

import pytest

from td3_driving.launching.course import End
from td3_driving.launching.node_table import OnExit, ProcessSpec
from td3_driving.launching.supervisor import Supervisor
from td3_driving.processes.child_process import CHUNK

from ..shared.patience import HANG

FAST = ((signal.SIGINT, 5.0), (signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))
FOREVER = (
    "import signal, sys\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(0))\nprint('up', flush=True)\nsignal.pause()"
)
DEAF = FOREVER.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")


class Lines:
    """Keeps the output of a run, and may act on a line."""

    def __init__(self, on_line: Callable[[str, str], None] = lambda name, text: None) -> None:
        self.all: list[tuple[str, str]] = []
        self._on_line = on_line

    def line(self, name: str, text: str) -> None:
        self.all.append((name, text))
        self._on_line(name, text)

    def of(self, name: str) -> list[str]:
        return [text for source, text in self.all if source == name]


def supervise(  # type: ignore[no-untyped-def]
    children: dict[str, tuple[str, OnExit]], lines: Lines, grace=FAST, limit: float | None = None
) -> End:
    specs = [ProcessSpec(name, name, on_exit=on_exit) for name, (_, on_exit) in children.items()]
    command = lambda spec: [sys.executable, "-S", "-c", children[spec.name][0]]  # noqa: E731
    return Supervisor(specs, command, lines, os.environ, grace).run(limit)


def test_run_is_over_when_the_main_process_is() -> None:
    lines = Lines()
    end = supervise({"server": (FOREVER, "respawn"), "work": ("print('one\\ntwo')", "main")}, lines)
    assert end == End(0, "")
    assert lines.of("work") == ["one", "two"]


def test_dying_required_process_is_named_and_stops_the_rest() -> None:
    lines = Lines()
    end = supervise({"server": (FOREVER, "respawn"), "work": ("raise SystemExit(7)", "required")}, lines)
    assert end == End(1, "work ended the run (exit code 7)")
    assert "work ended the run (exit code 7)" in lines.of("run")


def test_respawned_process_runs_again_until_its_budget_is_spent() -> None:
    lines = Lines()
    end = supervise({"flaky": ("print('try', flush=True); raise SystemExit(7)", "respawn")}, lines)
    assert lines.of("flaky") == ["try"] * 6
    assert end == End(1, "flaky died 6 times within 60 s (exit code 7)")


def test_program_that_does_not_exist_is_named() -> None:
    lines = Lines()
    specs = [ProcessSpec("ghost", "ghost")]
    end = Supervisor(specs, lambda spec: ["/no/such/program"], lines, os.environ, FAST).run()
    assert lines.of("ghost") == ["cannot start /no/such/program: No such file or directory"]
    assert end.code == 1


def test_ctrl_c_stops_all() -> None:
    def interrupt(_: str, text: str) -> None:
        if text == "up" and len(lines.of("a") + lines.of("b")) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    lines = Lines(interrupt)
    assert supervise({"a": (FOREVER, "main"), "b": (FOREVER, "respawn")}, lines) == End(130, "interrupted")


def test_a_limit_stops_all_as_ctrl_c_does() -> None:
    lines = Lines()
    assert supervise({"a": (FOREVER, "last")}, lines, limit=0.01) == End(130, "interrupted")
    assert supervise({"a": ("print('done')", "last")}, lines, limit=HANG) == End(0, "")
    assert lines.of("a")[-1] == "done"


@pytest.fixture
def hang_up_counts() -> Iterator[None]:
    """SIGHUP as a terminal leaves it, also where ``nohup`` started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up_counts")
def test_the_end_of_the_terminal_stops_all_as_ctrl_c_does() -> None:
    def hang_up(_: str, text: str) -> None:
        if text == "up" and len(lines.of("a") + lines.of("b")) == 2:
            os.kill(os.getpid(), signal.SIGHUP)

    lines = Lines(hang_up)
    assert supervise({"a": (FOREVER, "main"), "b": (FOREVER, "respawn")}, lines) == End(130, "interrupted")


IN_A_TERMINAL = """
import os, signal, sys
from td3_driving.launching.node_table import ProcessSpec
from td3_driving.launching.supervisor import Supervisor

class Printed:
    def line(self, name, text):
        print(name, text, flush=True)

child, end_file, mode = sys.argv[1:]
if mode == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
specs = [ProcessSpec("work", "work", on_exit="main")]
end = Supervisor(specs, lambda _: [sys.executable, "-S", "-c", child], Printed(), os.environ).run()
with open(end_file, "w") as file:
    file.write(f"{end.code} {end.reason}")
"""
UNTIL = "import os, time\nprint('up', flush=True)\nwhile not os.path.exists({!r}): time.sleep(0.01)"


@pytest.mark.usefixtures("hang_up_counts")
@pytest.mark.parametrize(("mode", "said"), [("plain", "130 interrupted"), ("nohup", "0 ")])
def test_closing_the_terminal_ends_a_run_in_order_unless_it_was_told_to_outlive_it(
    tmp_path: Path, mode: str, said: str
) -> None:
    """The terminal is real, and gone when the run prints that it stops."""
    master, terminal = os.openpty()
    ended, closed = tmp_path / "ended", tmp_path / "closed"
    child = FOREVER if mode == "plain" else UNTIL.format(str(closed))
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL, child, str(ended), mode],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(terminal)
    shown = b""
    while b"work up" not in shown:
        readable, _, _ = select([master], [], [], HANG)
        assert readable, shown
        shown += os.read(master, 4096)
    os.close(master)
    closed.touch()
    process.wait(timeout=HANG)
    assert ended.read_text() == said


def test_process_that_ignores_signals_is_killed_at_last() -> None:
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + DEAF

    def interrupt(_: str, text: str) -> None:
        if text == "up":
            os.kill(os.getpid(), signal.SIGINT)

    lines = Lines(interrupt)
    grace = ((signal.SIGINT, 0.2), (signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0))
    assert supervise({"deaf": (deaf, "main")}, lines, grace).code == 130
    assert "deaf did not end within 0.2 s of SIGTERM" in lines.of("run")


def test_grandchildren_are_stopped_too() -> None:
    parent = textwrap.dedent("""
        import subprocess, sys
        print(subprocess.Popen([sys.executable, '-S', '-c', 'import signal; signal.pause()']).pid, flush=True)
    """)
    handles: list[int] = []
    lines = Lines(lambda name, text: handles.append(os.pidfd_open(int(text))) if name == "parent" else None)
    assert supervise({"parent": (parent, "main")}, lines).code == 0
    ended, _, _ = select(handles, [], [], HANG)
    os.close(handles[0])
    assert ended


def test_children_die_with_a_killed_starter(tmp_path: Path) -> None:
    script = tmp_path / "starter.py"
    script.write_text(
        "import os, sys\n"
        "from td3_driving.launching.node_table import ProcessSpec\n"
        "from td3_driving.launching.supervisor import Supervisor\n"
        "class Out:\n    def line(self, name, text): print(text, flush=True)\n"
        "code = 'import os, signal; print(os.getpid(), flush=True); signal.pause()'\n"
        "Supervisor([ProcessSpec('a', 'a')], lambda _: [sys.executable, '-S', '-c', code], Out(), os.environ).run()\n"
    )
    sources = str(Path(__file__).resolve().parents[2] / "src" / "td3_driving")
    environment = {**os.environ, "PYTHONPATH": f"{sources}:{os.environ.get('PYTHONPATH', '')}"}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as starter:
        assert starter.stdout is not None
        child = int(starter.stdout.readline())
        handle = os.pidfd_open(child)
        starter.kill()
        ended, _, _ = select([handle], [], [], HANG)
        os.close(handle)
    assert ended


@pytest.mark.parametrize("size", [1, CHUNK + 10, 3 * CHUNK])
def test_long_lines_arrive_whole_in_pieces(size: int) -> None:
    lines = Lines()
    supervise({"talker": (f"print('x' * {size}, end='')", "main")}, lines)
    assert "".join(lines.of("talker")) == "x" * size

# SPDX-License-Identifier: Apache-2.0
"""``doctor RUN``: judge a training run, or many, from what it logged."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from td3_driving.doctor.advice import help_lines
from td3_driving.doctor.command_line import CommandParser
from td3_driving.doctor.compare import Against, ReferenceClass, digest
from td3_driving.doctor.diagnosis import Diagnosis, Source
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.examine import Request, examine_run
from td3_driving.doctor.expectations import parse_expect
from td3_driving.doctor.names import Names, parse_tags
from td3_driving.doctor.overview import (
    exit_code,
    json_overview,
    line_of,
    print_overview,
    sorted_by_trouble,
    unusable,
)
from td3_driving.doctor.plain_console import PlainConsole
from td3_driving.doctor.plain_text import speak_plainly
from td3_driving.doctor.readers.bounds import Progress as Tick
from td3_driving.doctor.report_html import html_report
from td3_driving.doctor.report_json import json_report
from td3_driving.doctor.report_markdown import markdown_report
from td3_driving.doctor.report_terminal import print_brief, print_report
from td3_driving.doctor.rulebook import with_rules
from td3_driving.doctor.run import Run, find_runs

UNUSABLE = 2
LARGE = 20 * 2**20
REPORTS = {"json": json_report, "html": html_report, "markdown": markdown_report}


def main(argv: Sequence[str] | None = None) -> int:
    """Examine runs and return the exit code: 0 GO, 3 NO-GO, 4 INSUFFICIENT, 2 for unusable input.

    Many runs give the code of the worst verdict.
    """
    speak_plainly()
    options = _parser().parse_args(argv)
    try:
        rulebook = with_rules(options.rules)
        request = Request(parse_expect(options.expect), options.config, parse_tags(options.tag), rulebook)
        Names(request.tags)
        runs = find_runs(options.run)
        if len(runs) > 1:
            return _many(runs, options, request)
        return _one(runs[0], options, request)
    except Unusable as error:
        print(f"doctor: {error}", file=sys.stderr)
        return UNUSABLE


def _one(run: Run, options: argparse.Namespace, request: Request) -> int:
    diagnosis = _examined(run, request)
    against = _reference(options.against) if options.against else None
    _write(options, diagnosis, against)
    console = PlainConsole()
    if options.brief:
        print_brief(diagnosis, console, against)
    else:
        print_report(diagnosis, console, against)
        _print_help(run, diagnosis, console)
    if options.html:
        print(f"report {options.html}")
    return diagnosis.verdict.exit_code


def _many(runs: list[Run], options: argparse.Namespace, request: Request) -> int:
    for name in ("html", "markdown", "against"):
        if getattr(options, name):
            raise Unusable(f"--{name} is for one run, and {options.run} holds {len(runs)}; name one of them")
    lines = []
    for run in runs:
        try:
            lines.append(line_of(run, _examined(run, request), options.json is not None))
        except Unusable as error:
            lines.append(unusable(run, str(error)))
    lines = sorted_by_trouble(lines)
    if options.json:
        _save(options.json, json_overview(lines))
    if exit_code(lines) == UNUSABLE:
        raise Unusable(f"{options.run} holds {len(runs)} runs, none of which can be examined: {lines[0].reason}")
    print_overview(lines, PlainConsole())
    return exit_code(lines)


def _program() -> str:
    """The name under which a user calls this command."""
    return "td3-doctor" if Path(sys.argv[0]).name == "td3-doctor" else "td3-driving doctor"


def _parser() -> CommandParser:
    parser = CommandParser(prog=_program(), description=__doc__)
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="run folder, log file, or bag; a folder of many runs gives a table"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the diagnosis, or all of them, as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a document")
    parser.add_argument("--brief", action="store_true", help="print the verdict and the top causes only")
    parser.add_argument("--against", type=Path, metavar="RUN", help="another run, or a folder of runs, to compare with")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON file with what was asked of the run")
    for name, metavar, text in (
        ("--tag", "SERIES=TAG", "what a tag of the run means, e.g. q1=stats/mean_q_1"),
        ("--expect", "KEY=VALUE", "what was asked, e.g. train_freq=50"),
        ("--rules", "MODULE", "modules with rules of your own, by their import path, e.g. my_package.my_rules"),
    ):
        parser.add_argument(name, nargs="+", action="extend", default=[], metavar=metavar, help=text)
    return parser


def _examined(run: Run, request: Request | None = None) -> Diagnosis:
    with _progress(run.size, run.path) as tick:
        return examine_run(run, request, tick)


def _reference(path: Path) -> Against:
    """The run to compare with, or all usable runs of a folder."""
    runs = find_runs(path)
    if len(runs) == 1:
        return _examined(runs[0])
    members = []
    for run in runs:
        try:
            members.append(digest(_examined(run)))
        except Unusable:
            continue
    if not members:
        raise Unusable(f"{path} holds {len(runs)} runs, none of which can be examined")
    return ReferenceClass(Source(f"{len(members)} runs of {path.resolve().name}", str(path)), members)


def _print_help(run: Run, diagnosis: Diagnosis, console: Console) -> None:
    """Print tags to map, lines to add to the training script, and files that were not read."""
    for line in help_lines(diagnosis):
        console.print(Text(line, style="cyan" if line.startswith(" ") else "bold"))
    for note in run.notes:
        console.print(Text(f"Not read: {note}", style="dim"))


@contextmanager
def _progress(size: int, path: Path) -> Iterator[Tick | None]:
    """Show a bar while a large file is read, if standard error is a terminal."""
    console = Console(stderr=True)
    if size < LARGE or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"reading {path.name}", total=size)
        yield lambda count: bar.advance(task, count)


def _write(options: argparse.Namespace, diagnosis: Diagnosis, against: Against | None) -> None:
    for name, report in REPORTS.items():
        path: Path | None = getattr(options, name)
        if path is not None:
            _save(path, report(diagnosis, against))


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unusable(f"{path} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())

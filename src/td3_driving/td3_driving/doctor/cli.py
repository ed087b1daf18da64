"""``doctor RUN``: judge a training run from its folder, its event file or its bag."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.event_file import Progress as Tick
from td3_driving.doctor.examine import examine
from td3_driving.doctor.expectations import parse_expect
from td3_driving.doctor.report_html import html_report
from td3_driving.doctor.report_json import json_report
from td3_driving.doctor.report_markdown import markdown_report
from td3_driving.doctor.report_terminal import print_brief, print_report
from td3_driving.doctor.run import find_run

UNUSABLE = 2
LARGE = 20 * 2**20
REPORTS = {"json": json_report, "html": html_report, "markdown": markdown_report}


def main(argv: Sequence[str] | None = None) -> int:
    """Examine a run and return the exit code: 0 GO, 3 NO-GO, 4 INSUFFICIENT, 2 for input that cannot be used."""
    options = _parser().parse_args(argv)
    try:
        diagnosis = _examined(options.run, options)
        against = _examined(options.against, None) if options.against else None
        _write(options, diagnosis, against)
    except Unusable as error:
        print(f"doctor: {error}", file=sys.stderr)
        return UNUSABLE
    if options.brief:
        print_brief(diagnosis, Console())
    else:
        print_report(diagnosis, Console(), against)
    if options.html:
        print(f"report {options.html}")
    return diagnosis.verdict.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="doctor", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, event file, or bag of the topics /td3/*")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the diagnosis as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a document")
    parser.add_argument("--brief", action="store_true", help="print the verdict and the top causes only")
    parser.add_argument("--against", type=Path, metavar="RUN", help="another run to compare with")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON file with what was asked of the run")
    parser.add_argument(
        "--expect",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="what was asked, e.g. train_freq=50",
    )
    return parser


def _examined(path: Path, options: argparse.Namespace | None) -> Diagnosis:
    with _progress(find_run(path).size, path) as tick:
        if options is None:
            return examine(path, progress=tick)
        return examine(path, parse_expect(options.expect), options.config, tick)


@contextmanager
def _progress(size: int, path: Path) -> Iterator[Tick | None]:
    """A bar on standard error for what takes long to read."""
    if size < LARGE:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"reading {path.name}", total=size)
        yield lambda count: bar.advance(task, count)


def _write(options: argparse.Namespace, diagnosis: Diagnosis, against: Diagnosis | None) -> None:
    for name, report in REPORTS.items():
        path: Path | None = getattr(options, name)
        if path is not None:
            try:
                path.write_text(report(diagnosis, against), encoding="utf-8")
            except OSError as error:
                raise Unusable(f"{path} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())

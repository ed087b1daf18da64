"""From the path of a run to its diagnosis."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from td3_driving.doctor.diagnosis import Diagnosis, Source, conclude
from td3_driving.doctor.engine import Engine
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.event_file import Progress
from td3_driving.doctor.expectations import Expectations, read_config
from td3_driving.doctor.report_html import html_report
from td3_driving.doctor.report_json import json_report
from td3_driving.doctor.report_markdown import markdown_report
from td3_driving.doctor.rules.course import Completeness
from td3_driving.doctor.run import Run, find_run


def examine(
    path: Path | str,
    expect: Mapping[str, Any] | None = None,
    config: Path | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Read a run and judge it.

    Args:
        path: run folder, event file or bag.
        expect: what was asked of the run; overrides its own configuration.
        config: file with what was asked, likewise.
        progress: called with the number of bytes read since the last call.

    Raises:
        Unusable: there is nothing to examine.
    """
    run = find_run(Path(path))
    asked = Expectations(run.config, "config.yaml")
    if config is not None:
        asked.merge(read_config(config), config.name)
    asked.merge(expect or {}, "--expect")
    engine = Engine(asked)
    _feed(engine, run, progress)
    return conclude(engine, _source(run, engine))


def _feed(engine: Engine, run: Run, progress: Progress | None) -> None:
    texts = 0
    for sample in run.samples(progress):
        if run.reports and (count := sum(len(report.texts) for report in run.reports)) != texts:
            texts = count
            engine.history.expect.merge(run.asked_in_texts(), "text in the event file", weak=True)
        engine.feed(*sample)
    if engine.history.samples == 0:
        raise Unusable(f"{run.path} holds no scalar" + (f": {run.damage}" if run.damage else ""))
    completeness = engine.rule(Completeness.id)
    assert isinstance(completeness, Completeness)
    completeness.damage = run.damage
    engine.history.ours = engine.history.ours or bool(run.manifest)


def _source(run: Run, engine: Engine) -> Source:
    files = tuple(str(file) for file in run.event_files) or (str(run.bag),)
    asked = dict(engine.history.expect.values)
    return Source(run.name, str(run.path), files, engine.history.samples, run.damage, asked, run.manifest)


def write_reports(diagnosis: Diagnosis, folder: Path, against: Diagnosis | None = None) -> None:
    """Write ``report.html``, ``report.md`` and ``report.json`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json_report(diagnosis, against), encoding="utf-8")
    (folder / "report.md").write_text(markdown_report(diagnosis, against), encoding="utf-8")
    (folder / "report.html").write_text(html_report(diagnosis, against), encoding="utf-8")

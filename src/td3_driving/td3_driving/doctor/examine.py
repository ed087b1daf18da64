# SPDX-License-Identifier: Apache-2.0
"""From the path of a run to its diagnosis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from td3_driving.doctor.diagnosis import Diagnosis, Source, conclude
from td3_driving.doctor.engine import Engine
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.expectations import Expectations, read_config
from td3_driving.doctor.messages import WHO
from td3_driving.doctor.names import Names
from td3_driving.doctor.readers.bounds import Progress
from td3_driving.doctor.rulebook import Rulebook, standard_rules
from td3_driving.doctor.run import OUR_KEY, Run, find_run
from td3_driving.doctor.scalars import Scalar

LOOK_AHEAD = 5000
# Samples between two looks for a new configuration text in the log.
TEXT_PERIOD = 1000


@dataclass(frozen=True)
class Request:
    """How to read and judge runs.

    Attributes:
        expect: what was asked of the run; overrides its own configuration.
        config: file with what was asked, likewise.
        tags: series → tag, for tags that the doctor does not know.
        rulebook: the rules to judge by.
    """

    expect: Mapping[str, Any] = field(default_factory=dict)
    config: Path | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    rulebook: Rulebook = field(default_factory=standard_rules)


def examine(
    path: Path | str,
    expect: Mapping[str, Any] | None = None,
    config: Path | None = None,
    progress: Progress | None = None,
    tags: Mapping[str, str] | None = None,
) -> Diagnosis:
    """Read the one run at ``path`` and judge it; see :class:`Request` for the other arguments.

    Args:
        path: run folder, log file or bag.
        progress: called with the number of bytes read since the last call.

    Raises:
        Unusable: there is nothing to examine, or there are several runs.
    """
    return examine_run(find_run(Path(path)), Request(expect or {}, config, tags or {}), progress)


def examine_run(run: Run, request: Request | None = None, progress: Progress | None = None) -> Diagnosis:
    """Read ``run`` and judge it.

    Raises:
        Unusable: it holds nothing to examine.
    """
    request = request or Request()
    asked = Expectations(run.config, "config.yaml")
    if request.config is not None:
        asked.merge(read_config(request.config), request.config.name)
    asked.merge(request.expect, "--expect")
    engine = Engine(asked, Names(request.tags), request.rulebook)
    # Squares of very large values overflow. The rules judge such values; NumPy need not warn.
    with np.errstate(all="ignore"):
        _feed(engine, run, progress)
        return conclude(engine, _source(run, engine))


def _feed(engine: Engine, run: Run, progress: Progress | None) -> None:
    texts = 0
    for number, sample in enumerate(_named(engine, run.samples(progress))):
        if number % TEXT_PERIOD == 0 and (count := sum(len(report.texts) for report in run.reports)) != texts:
            texts = count
            engine.history.expect.merge(run.asked_in_texts(), "text in the event file", weak=True)
        engine.feed(*sample)
    history = engine.history
    if history.samples == 0:
        raise Unusable(f"{run.path} holds no scalar" + (f": {run.damage}" if run.damage else ""))
    if absent := history.names.absent([*history.tags.values(), *history.unknown]):
        raise Unusable(absent)
    history.who = next((report.texts[WHO] for report in reversed(run.reports) if WHO in report.texts), "")
    history.faults = [*run.faults, *(report.wrong for report in run.reports if report.wrong)]
    history.damage = run.damage or run.earlier_damage
    history.ours = history.ours or OUR_KEY in run.manifest


def _named(engine: Engine, samples: Iterator[Scalar]) -> Iterator[Scalar]:
    """``samples``, once the tags of the first ones are mapped to quantities."""
    first = list(islice(samples, LOOK_AHEAD))
    history = engine.history
    history.tags.update(history.names.settle(sample.tag for sample in first))
    return chain(first, samples)


def _source(run: Run, engine: Engine) -> Source:
    asked = dict(engine.history.expect.values)
    return Source(run.name, str(run.path), run.files, engine.history.samples, run.damage, asked, run.manifest)

# SPDX-License-Identifier: Apache-2.0
"""The doctor's verdict on every run of the corpus, beside the truth."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from doctor_corpus.truth import GO, INSUFFICIENT, NO_GO
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.examine import examine

VERDICTS = (GO, NO_GO, INSUFFICIENT, "unusable")


@dataclass(frozen=True)
class Judged:
    """A run, its truth and what the doctor says."""

    name: str
    kind: str
    library: str
    task: str
    truth: str
    verdict: str
    cause: str
    seconds: float

    @property
    def right(self) -> bool:
        """Whether the verdict is the truth, or one of those that it admits."""
        return self.verdict in self.truth.split("|")

    @property
    def harmful(self) -> bool:
        """A healthy run refused, or a sick one let go."""
        return {self.truth, self.verdict} == {GO, NO_GO}


def judged(folder: Path) -> list[Judged]:
    """All runs that ``truth.json`` of ``folder`` names."""
    truths = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    results = []
    for name, entry in sorted(truths.items()):
        start = time.monotonic()
        verdict, cause = _verdict(folder / name)
        seconds = time.monotonic() - start
        kept = (entry["kind"], entry["library"], entry["task"], entry["truth"])
        results.append(Judged(name, *kept, verdict, cause, seconds))
    return results


def _verdict(run: Path) -> tuple[str, str]:
    try:
        diagnosis = examine(run)
    except Unusable as error:
        return "unusable", str(error)
    except Exception as error:  # noqa: BLE001 - a traceback on a run is a finding about the doctor
        return "traceback", f"{type(error).__name__}: {error}"
    causes = [cause.cause for cause in diagnosis.causes]
    return diagnosis.verdict.value, ", ".join(causes[:3]) or "; ".join(diagnosis.insufficient[:1])


def table(results: Iterable[Judged], key: Callable[[Judged], str], title: str) -> str:
    """Counts of right, silent (INSUFFICIENT where the truth is decisive) and wrong verdicts per key."""
    groups: dict[str, list[Judged]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    lines = [f"| {title} | runs | right | INSUFFICIENT for a decisive truth | other misses |", "|---|---|---|---|---|"]
    for name, members in sorted(groups.items()):
        right = sum(member.right for member in members)
        silent = sum(not member.right and member.verdict == INSUFFICIENT for member in members)
        lines.append(f"| {name} | {len(members)} | {right} | {silent} | {len(members) - right - silent} |")
    return "\n".join(lines)


def confusion(results: Iterable[Judged]) -> str:
    """Truth by verdict."""
    counts = Counter((result.truth, result.verdict) for result in results)
    others = sorted({verdict for _, verdict in counts} - set(VERDICTS))
    columns = [*VERDICTS, *others]
    lines = ["| truth \\ verdict | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for truth in sorted({truth for truth, _ in counts}):
        lines.append(f"| {truth} | " + " | ".join(str(counts[truth, verdict]) for verdict in columns) + " |")
    return "\n".join(lines)


def report(results: list[Judged], names: bool = True) -> str:
    """All tables, and the misses (``names``: by file, else by kind)."""
    right, harmful = sum(result.right for result in results), sum(result.harmful for result in results)
    decisive = [result for result in results if result.truth in (GO, NO_GO)]
    spoken = sum(result.right for result in decisive)
    parts = [
        f"{len(results)} runs, {right} right ({100 * right / len(results):.0f} %); decisive truth: {spoken} of"
        f" {len(decisive)} right ({100 * spoken / max(1, len(decisive)):.0f} %); healthy NO-GO or sick GO: {harmful};"
        f" slowest run {max(result.seconds for result in results):.1f} s",
        confusion(results),
        table(results, lambda result: result.library, "library"),
        table(results, lambda result: result.kind, "kind"),
    ]
    misses = [result for result in results if not result.right]
    parts.append("\n".join(_miss(result, names) for result in misses) or "no miss")
    return "\n\n".join(parts)


def _miss(result: Judged, names: bool) -> str:
    what = result.name if names else f"a {result.kind} run of {result.library} on {result.task}"
    return f"{'HARMFUL ' if result.harmful else ''}{what}: {result.verdict} for {result.truth} ({result.cause[:150]})"

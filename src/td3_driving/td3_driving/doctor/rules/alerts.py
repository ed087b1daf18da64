"""Rules about the alerts that a run raises itself: 16, 17."""

from __future__ import annotations

from typing import Iterable

from td3_driving.doctor.aliases import ALERT
from td3_driving.doctor.findings import Finding, Rule, Severity


class BlindAlerts(Rule):
    """Rule 16."""

    id = 16
    title = "blind alerts"
    meaning = (
        "The run's own alerts stayed silent through a critical failure: they watch a quantity that cannot show it."
    )
    refuted_by = "an alert series that was 1 while the failure lasted"
    WATCHED = (2, 3, 37, 29)

    def _alerts(self) -> list[str]:
        return [name for name in self.history.series if name.startswith(ALERT) and self.history.has(name)]

    def missing(self) -> str:
        return "" if self._alerts() else "no alert series"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        missed = sorted({finding.rule for finding in earlier if self._is_failure(finding)})
        names = self._alerts()
        highest = [self.history.get(name).highest for name in names]
        if not names or not missed or any(point and point.value > 0 for point in highest):
            return []
        text = (
            f"{len(names)} alert series, all 0, while rule{'s' if len(missed) > 1 else ''}"
            f" {', '.join(map(str, missed))} held"
        )
        return [self.find(Severity.WARN, None, text, ("alerts_blind",))]

    def _is_failure(self, finding: Finding) -> bool:
        return finding.rule == 15 or (finding.rule in self.WATCHED and finding.severity is Severity.CRITICAL)


class AlertAccounting(Rule):
    """Rule 17."""

    id = 17
    title = "alert accounting"
    meaning = "An alert that is not written every time cannot be told from one that is silent."
    refuted_by = "-"

    def missing(self) -> str:
        return "" if any(name.startswith(ALERT) for name in self.history.series) else "no alert series"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        counts = {
            name.removeprefix(ALERT): series.count
            for name, series in self.history.series.items()
            if name.startswith(ALERT)
        }
        never_low = [name for name in counts if (low := self.history.get(ALERT + name).lowest) and low.value > 0]
        if len(set(counts.values())) <= 1 and not never_low:
            return []
        text = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        if never_low:
            text += f"; never written at 0: {', '.join(sorted(never_low))}"
        return [self.find(Severity.INFO, None, f"points per alert series: {text}")]

# SPDX-License-Identifier: Apache-2.0
"""Rules about the alerts that a run raises itself."""

from __future__ import annotations

from typing import ClassVar, Iterable

from td3_driving.doctor.aliases import ALERT
from td3_driving.doctor.findings import PROVEN, Finding, Severity
from td3_driving.doctor.rule import Rule
from td3_driving.doctor.rules.bound import ReturnBound
from td3_driving.doctor.rules.clipping import ClipAlwaysActive, GradientExplosion
from td3_driving.doctor.rules.critic import CriticStability
from td3_driving.doctor.rules.values import QRatio


class BlindAlerts(Rule):
    """Alerts that stay silent through a failure.

    Condition: all alert series are 0 while q-ratio, return-bound, gradient-explosion or critic-stability is critical,
    or clip-always-active holds.
    Meaning: The run's own alerts stayed silent through a critical failure: they watch a quantity that cannot show it.
    Refuted by: an alert series that was 1 while the failure lasted
    Example: 6 alert series, all 0, while q-ratio and return-bound held.
    """

    id = "blind-alerts"
    sections = ("gradients",)
    confidences: ClassVar = {"alerts_blind": PROVEN}
    CRITICAL_OF = (QRatio.id, ReturnBound.id, GradientExplosion.id, CriticStability.id)
    ANY_OF = (ClipAlwaysActive.id,)

    def _alerts(self) -> list[str]:
        return [name for name in self.history.series if name.startswith(ALERT) and self.history.has(name)]

    def missing(self) -> str:
        return "" if self._alerts() else "no alert series"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        missed = list(dict.fromkeys(finding.rule for finding in earlier if self._is_failure(finding)))
        names = self._alerts()
        highest = [self.history.get(name).highest for name in names]
        if not names or not missed or any(point and point.value > 0 for point in highest):
            return []
        text = f"{len(names)} alert series, all 0, while {', '.join(missed)} held"
        return [self.find(Severity.WARN, None, text, ("alerts_blind",))]

    def _is_failure(self, finding: Finding) -> bool:
        return finding.rule in self.ANY_OF or (finding.rule in self.CRITICAL_OF and finding.critical)


class AlertAccounting(Rule):
    """Alerts that are not written every time, as a remark.

    Condition: alert series have different numbers of points, or one was never written at 0.
    Meaning: An alert that is not written every time cannot be told from one that is silent.
    Refuted by: nothing; it is a remark
    Example: gradient_explosion has 3 points where the other alerts have 50.
    """

    id = "alert-accounting"
    sections = ("gradients",)

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

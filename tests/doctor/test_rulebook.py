# SPDX-License-Identifier: Apache-2.0
"""The registry of rules: complete manuals, the page made from them, and rules that come from outside the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from td3_driving.doctor.charts import CHARTS
from td3_driving.doctor.cli import main
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.live import LiveDoctor
from td3_driving.doctor.rule import Rule, manual_of
from td3_driving.doctor.rule_table import main as rule_table
from td3_driving.doctor.rulebook import Rulebook, standard_rules, with_rules
from td3_driving.doctor.sections import SECTIONS
from td3_driving.doctor.watches import LEDGER, WATCHES

PAGE = Path(__file__).resolve().parents[2] / "docs/rules.md"
OWN = '''
from td3_driving.doctor.findings import Severity
from td3_driving.doctor.rule import Rule


class SpeedLimit(Rule):
    """A vehicle that drives too fast.

    Condition: speed above 50 km/h at any sample.
    Meaning: The policy ignores the limit.
    Refuted by: a road without a limit
    Example: 63 km/h at step 200.
    """

    id = "speed-limit"
    sections = ("environment",)
    charts = ("speed",)
    status = "reward: ledger"
    alert = "speeding"
    reads = ("speed",)

    def __init__(self, history):
        super().__init__(history)
        self.fastest = 0.0

    def feed(self, row):
        self.fastest = max(self.fastest, row.values["speed"])

    def findings(self, earlier):
        if self.fastest <= 50.0:
            return []
        return [self.find(Severity.CRITICAL, None, f"{self.fastest:.0f} km/h", ("too_fast",))]
'''


def rule_with(**attributes: object) -> type[Rule]:
    """A rule that is complete but for ``attributes``."""
    manual = "x.\n\nCondition: a\nMeaning: b\nRefuted by: c\nExample: d"
    return type("Example", (Rule,), {"__doc__": manual, "id": "an-example", **attributes})


@pytest.fixture
def own_rules(tmp_path, monkeypatch, request):
    """Import path of a module with a rule, in a folder that is no part of the package."""
    name = f"rules_of_{request.node.name}".replace("[", "_").replace("]", "")
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_every_rule_explains_itself():
    rules = list(standard_rules())
    assert len(rules) == 48
    for rule in rules:
        manual = manual_of(rule)
        assert all((manual.summary, manual.condition, manual.meaning, manual.refuted_by, manual.example)), rule.id


def test_a_manual_is_taken_apart():
    manual = manual_of(standard_rules().rules["clip-always-active"])
    assert manual.summary == "A clip that decides the size of every update."
    assert manual.refuted_by == "a share of unclipped updates above 5 %"
    assert manual.example == "A median norm of 340 before and 1.0 after clipping."


def test_sections_figures_and_statuses_have_rules():
    book = standard_rules()
    assert all(book.of_section(key) for key in SECTIONS)
    assert all(book.of_chart(chart.key) for chart in CHARTS)
    assert all(book.of_status(watch.name) for watch in WATCHES)
    assert book.of_status(LEDGER) == {"violation-pays", "reward-at-rest", "reward-dominance", "reward-ledger"}
    assert book.alerts()["alerts/environment_dead"] == {"dead-environment", "regime-break"}
    assert book.silent == {"regime-break", "limit-is-no-success"}


def test_a_rule_comes_after_those_whose_findings_it_reads():
    order = list(standard_rules().rules)
    for earlier, later in (
        ("return-bound", "critic-stability"),
        ("dead-environment", "critic-stability"),
        ("dead-environment", "copied-episodes"),
        ("gradient-explosion", "blind-alerts"),
        ("regime-break", "worse-than-random"),
    ):
        assert order.index(earlier) < order.index(later)


def test_the_page_of_the_rules_is_the_code_s():
    assert rule_table([str(PAGE), "--check"]) == 0


def test_a_page_that_is_out_of_date_is_refused(tmp_path, capsys):
    page = tmp_path / "rules.md"
    assert rule_table([str(page), "--check"]) == 1
    assert rule_table([str(page)]) == 0
    assert rule_table([str(page), "--check"]) == 0
    page.write_text(page.read_text().replace("above 10 (critical)", "above 12 (critical)"))
    assert rule_table([str(page), "--check"]) == 1
    assert capsys.readouterr().err.count("is out of date") == 2


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"id": "An example"}, "lower case, digits and hyphens"),
        ({"sections": ("colours",)}, "sections 'colours'; there are: actor_loss,"),
        ({"charts": ("colours",)}, "charts 'colours'"),
        ({"status": "colours"}, "status 'colours'; there are: config: honoured,"),
        ({"about": "colours"}, "about 'colours'; there are: actor, episodes, values"),
        ({"__doc__": "x.\n\nCondition: a\nMeaning: b\nExample: d"}, "no paragraph 'Refuted by:'"),
    ],
)
def test_an_incomplete_rule_is_refused(attributes, said):
    with pytest.raises(Unusable, match=said.replace("(", r"\(")):
        Rulebook([rule_with(**attributes)])


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(Unusable, match="are both called 'an-example'"):
        Rulebook([rule_with(), rule_with()])


def test_a_rule_from_outside_judges_a_run(own_rules, tmp_path, write_events, healthy, samples):
    run = write_events(tmp_path / "run/events.out.tfevents.1", samples(healthy()))
    files = {name: tmp_path / f"report.{name}" for name in ("json", "html", "markdown")}
    options = [text for name, file in files.items() for text in (f"--{name}", str(file))]
    assert main([str(run), *options]) == 0
    assert "speed-limit" not in files["json"].read_text()
    columns = healthy()
    columns["progress/speed_kmh"][10] = (1100, 63.0)
    write_events(run, samples(columns))
    assert main([str(run), "--rules", own_rules, *options]) == 3
    report = json.loads(files["json"].read_text())
    (finding,) = [item for item in report["findings"] if item["rule"] == "speed-limit"]
    assert (finding["evidence"], finding["meaning"]) == ("63 km/h", "The policy ignores the limit.")
    assert report["causes"][0]["cause"] == "too_fast"
    assert all("speed-limit" in files[name].read_text() for name in ("html", "markdown"))


def test_a_rule_from_outside_raises_an_alarm_during_a_run(own_rules):
    doctor = LiveDoctor({}, rulebook=with_rules([own_rules]))
    doctor.feed("progress/speed_kmh", 1, 49.0)
    assert doctor.alerts()["alerts/speeding"] == 0
    doctor.feed("progress/speed_kmh", 2, 51.0)
    assert doctor.alerts()["alerts/speeding"] == 1
    assert next(status.level for status in doctor.statuses(1.0) if status.name == LEDGER) == "ERROR"
    assert "alerts/speeding" not in LiveDoctor({}).alerts()


@pytest.mark.parametrize(
    ("module", "said"), [("no_such_module", "cannot be imported"), ("json", "defines no subclass")]
)
def test_a_module_without_rules_is_one_sentence(module, said, tmp_path, write_events, healthy, samples, capsys):
    run = write_events(tmp_path / "events.out.tfevents.1", samples(healthy()))
    assert main([str(run), "--rules", module]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1

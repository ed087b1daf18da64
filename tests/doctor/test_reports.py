# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from rich.console import Console

from td3_driving.doctor.charts import CHARTS, titled
from td3_driving.doctor.diagnosis import Source, conclude
from td3_driving.doctor.examine import examine
from td3_driving.doctor.report_html import html_report
from td3_driving.doctor.report_json import as_mapping, json_report
from td3_driving.doctor.report_markdown import markdown_report
from td3_driving.doctor.report_terminal import print_report

from ..shared.patience import HANG

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.fixture
def diagnosis(examined, healthy):
    return conclude(examined(healthy(), train_freq=50, gradient_steps=1), Source("faulty", "faulty"))


@pytest.fixture
def go(examined, healthy):
    return conclude(examined(healthy()), Source("fine", "fine"))


def test_json_says_what_programs_need(diagnosis):
    report = as_mapping(diagnosis)
    assert report["verdict"] == "NO-GO"
    assert report["causes"][0]["cause"] == "config_not_honoured"
    assert report["causes"][0]["rules"] == ["updates-per-step"]
    assert {"rule", "severity", "first_step", "evidence", "meaning"} <= set(report["findings"][0])
    assert report["coverage"]["q_values"]["q1"] == {"status": "found", "tag": "train/q1_value", "points": 50}
    assert report["coverage"]["gradients"]["grad_critic_pre"]["status"] == "missing"


def test_json_has_no_nan(examined):
    broken = conclude(examined({"train/actor_loss": [(100, float("nan"))]}), Source("x", "x"))
    json.loads(json_report(broken), parse_constant=pytest.fail)


def test_markdown_has_the_sections_of_a_validation_analysis(diagnosis, go):
    text = markdown_report(diagnosis, go)
    titles = re.findall(r"^## (?:\d+\. )?(.*)$", text, flags=re.MULTILINE)
    assert titles == [
        "Executive summary", "Gradient norms", "Actor loss", "Episode length and return", "Q values", "Learning rates",
        "Training phase", "Reward", "Environment", "Root causes", "Comparison with another run", "Next steps",
        "GO / NO-GO", "Key metrics", "All rules", "Beside healthy runs",
    ]  # fmt: skip
    assert "### Ruled out" in text
    assert "| verdict | NO-GO | GO |" in text


def test_tables_of_markdown_are_whole(diagnosis):
    table: list[str] = []
    for line in [*markdown_report(diagnosis).splitlines(), ""]:
        if line.startswith("|"):
            table.append(re.sub(r"\\\|", "", line))
        elif table:
            assert len({row.count("|") for row in table}) == 1
            table = []


def test_terminal_begins_with_verdict_cause_and_next_step(diagnosis):
    console = Console(record=True, width=100)
    print_report(diagnosis, console)
    first_screen = console.export_text().splitlines()[:24]
    text = "\n".join(first_screen)
    assert text.index("NO-GO") < text.index("config_not_honoured") < text.index("Next")


def test_html_is_self_contained(diagnosis, go):
    page = html_report(diagnosis, go)
    assert "NO-GO" in page
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", page)
    body = page[page.rindex("<body>") :]
    assert body.count("Plotly.newPlot") >= 5
    assert "learning start" in body


def test_html_escapes_what_a_run_is_called(examined, healthy):
    page = html_report(conclude(examined(healthy()), Source("<script>alert(1)</script>", "x")))
    assert "<script>alert(1)" not in page


def test_a_report_of_next_to_nothing(examined):
    little = conclude(examined({"x/y": [(1, 1.0)]}), Source("x", "x"))
    assert json.loads(json_report(little))["verdict"] == little.verdict.value
    assert all(little.verdict.value in report(little) for report in (html_report, markdown_report))


def dumped(page, profile):
    options = ["headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "dump-dom"]
    values = ["host-resolver-rules=MAP * ~NOTFOUND", f"user-data-dir={profile}", "virtual-time-budget=10000"]
    command = [CHROMIUM, *(f"--{option}" for option in options + values), page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=True).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_in_a_browser_without_a_network(author_run, tmp_path):
    (tmp_path / "report.html").write_text(html_report(examine(author_run("18b"))), encoding="utf-8")
    dom = dumped(tmp_path / "report.html", tmp_path / "profile")
    body = dom[dom.rindex("<body>") :]
    assert 'id="verdict"><strong>NO-GO' in body
    assert re.search(r'<ol class="causes" id="causes"><li><span class="cause">encoder_mismatch', body)
    # Drawn by the browser, not merely described in the page.
    assert body.count('class="main-svg"') >= 5
    assert "q-ratio" in body


class TestFirstScreen:
    @staticmethod
    def lines(diagnosis, width=100):
        console = Console(record=True, width=width)
        print_report(diagnosis, console)
        return console.export_text().splitlines()

    def test_verdict_learning_cause_and_what_to_do_and_nothing_else(self, diagnosis):
        lines = self.lines(diagnosis)
        fold = lines[: lines.index("")]
        starts = [line.split("  ")[0].split("?")[0] for line in fold if re.match(r"[A-Z]\w*", line)]
        assert starts[:2] == ["Did it learn", "Why"]
        assert "config_not_honoured" in "\n".join(fold)
        assert not any("Not judged" in line for line in fold)
        assert len(fold) <= 12

    def test_go_shows_its_warnings(self, examined, healthy):
        columns = healthy()
        columns["train/q1_value"] = [(s, 500.0 if s == 4000 else v) for s, v in columns["train/q1_value"]]
        warned = conclude(examined(columns), Source("x", "x"))
        assert warned.verdict.value == "GO"
        assert warned.warnings
        lines = self.lines(warned)
        fold = "\n".join(lines[: lines.index("")])
        assert all(finding.rule in " ".join(fold.split()) for finding in warned.warnings)

    def test_what_was_not_judged_takes_one_line_each(self, go):
        lines = self.lines(go)
        start = lines.index("Not judged") + 1
        unjudged = [item for item in go.outcomes if item.reason]
        assert [line.split()[0] for line in lines[start : start + len(unjudged)]] == [f"{i.rule}:" for i in unjudged]

    def test_json_tells_whether_it_learned(self, go):
        report = as_mapping(go)
        assert report["learning"]["verdict"] == "learned"
        assert report["algorithm"]["name"] == "TD3"


@pytest.mark.parametrize(
    ("drawn", "title", "comparison"),
    [
        (["actor_loss"], "Q as the actor sees it (minus its loss)", False),
        (["actor_q", "q1", "q2"], "Q as the actor sees it and Q on replay actions", True),
        (["target_q"], "Q of the targets", False),
    ],
)
def test_figures_title_what_they_show(drawn, title, comparison):
    chart = titled(next(chart for chart in CHARTS if ("q1", 1.0) in chart.series), drawn)
    assert chart.title == title
    assert ("lie on each other" in chart.caption) is comparison

# SPDX-License-Identifier: Apache-2.0
"""The page of the rules.

``python -m td3_driving.doctor.rule_table docs/rules.md`` writes it; with ``--check`` it is compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from td3_driving.doctor.command_line import CommandParser
from td3_driving.doctor.rule import Rule, manual_of
from td3_driving.doctor.rulebook import ALERTS, Rulebook, standard_rules
from td3_driving.doctor.sections import SECTIONS

HEAD = """# The rules of the run doctor

Made from the rules' docstrings by `python -m td3_driving.doctor.rule_table docs/rules.md`.

A rule has a name. Reports, the JSON (`rule`) and `/diagnostics` use it. `aq` is Q at the policy's action as the actor
sees it, `q` the critic's Q on replay actions. How to add a rule of your own: [the guide](doctor.md#a-rule-of-your-own).

"""


def rule_page(rulebook: Rulebook) -> str:
    """The page as Markdown: an overview, then the manual of every rule."""
    rows = [f"| [{rule.id}](#{rule.id}) | {manual_of(rule).summary.split('. ')[0].rstrip('.')} |" for rule in rulebook]
    table = "\n".join(("| rule | what it looks for |", "|---|---|", *rows))
    return HEAD + table + "\n\n" + "\n".join(_entry(rule) for rule in rulebook)


def _entry(rule: type[Rule]) -> str:
    manual = manual_of(rule)
    lines = [
        f"## {rule.id}",
        manual.summary,
        f"- **Condition**: {manual.condition}",
        f"- **Meaning**: {manual.meaning}",
        f"- **Refuted by**: {manual.refuted_by}",
        f"- **Example**: {manual.example}",
        f"- **Shown in**: {_shown(rule)}",
    ]
    return "\n".join((lines[0], "", lines[1], "", *lines[2:])) + "\n"


def _shown(rule: type[Rule]) -> str:
    """Where a finding of the rule appears besides the list of findings."""
    places = [f"section {SECTIONS[key].title}" for key in rule.sections]
    places += [f"status `{rule.status}`"] if rule.status else []
    places += [f"alert `{ALERTS}{rule.alert}`"] if rule.alert else []
    return ", ".join(places) or "the list of findings"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` return 1 where it differs."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if the page is out of date")
    options = parser.parse_args(argv)
    made = rule_page(standard_rules())
    if not options.check:
        options.page.write_text(made, encoding="utf-8")
        return 0
    if options.page.is_file() and options.page.read_text(encoding="utf-8") == made:
        return 0
    print(
        f"{options.page} is out of date; run: python -m td3_driving.doctor.rule_table {options.page}", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())

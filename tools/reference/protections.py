# SPDX-License-Identifier: Apache-2.0
"""What a run is protected by, and which test falls without it: reads ``tests/long/protections.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.reference.markdown import code, table

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "tests" / "long" / "protections.yaml"
SOURCES = ROOT / "src" / "td3_driving" / "td3_driving"


@dataclass(frozen=True)
class Protection:
    """One check of the code.

    Attributes:
        page: guide that lists it: ``security`` or ``reliability``.
        protects: what holds because of it.
        file: below the package.
        old, new: its text, which stands once in the file, and the text that takes it away.
        test: node id of a test that falls then, without parameters.
        ends_by: signal that ends the process of the test then, instead of a failure: ``SIGALRM`` where it hangs.
    """

    page: str
    protects: str
    file: str
    old: str
    new: str
    test: str
    ends_by: str = ""

    def taken_away(self) -> str:
        """The file without it.

        Raises:
            ValueError: its text does not stand once in the file.
        """
        text = (SOURCES / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {text.count(self.old)} times: {self.old}")
        return text.replace(self.old, self.new)


def protections() -> list[Protection]:
    """All of them, in the order of the guides."""
    return [Protection(**entry) for entry in yaml.safe_load(LIST.read_text(encoding="utf-8"))]


def protection_table(page: str) -> str:
    """The protections of a guide, each with the test that falls without it."""
    listed = [one for one in protections() if one.page == page]
    rows = ((one.protects, code(one.file), code(one.test.removeprefix("tests/"))) for one in listed)
    return table(("protection", "in", "falls without it"), rows)

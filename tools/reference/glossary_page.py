# SPDX-License-Identifier: Apache-2.0
"""The glossary, taken from the guide for contributors."""

from __future__ import annotations

import re
from pathlib import Path

from tools.reference.markdown import page

GUIDE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
OPENING = "The words of the code, the messages and these pages; one word for one thing."


def glossary_page() -> str:
    """The page as Markdown.

    Raises:
        ValueError: the guide has no section called Glossary.
    """
    found = re.search(r"^## Glossary\n(.*?)(?=^## |\Z)", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    if found is None:
        raise ValueError(f"{GUIDE.name} has no section called Glossary")
    return page("Glossary", OPENING, [found[1].strip()])

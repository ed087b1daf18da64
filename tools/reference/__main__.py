# SPDX-License-Identifier: Apache-2.0
"""``python -m tools.reference`` writes what the code says into ``docs``; ``--check`` fails where a page differs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tools.reference.commands_page import commands_page
from tools.reference.flow_figure import flow_figure
from tools.reference.glossary_page import glossary_page
from tools.reference.guide_tables import guides, renewed
from tools.reference.messages_page import messages_page
from tools.reference.settings_page import settings_page
from tools.reference.tags_page import tags_page
from tools.reference.topics_page import topics_page

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "topics.md": topics_page,
    "messages.md": messages_page,
    "tags.md": tags_page,
    "commands.md": commands_page,
    "glossary.md": glossary_page,
    "flow.svg": flow_figure,
}


def main() -> int:
    """Write or compare the reference and the tables of the guides; 1 if a page differs."""
    parser = argparse.ArgumentParser(description="Write the reference and the tables of the guides from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a page differs")
    check = parser.parse_args().check
    texts = {FOLDER / name: make() for name, make in PAGES.items()}
    texts |= {page: renewed(page.read_text(encoding="utf-8")) for page in guides()}
    stale = [path.name for path, text in texts.items() if not _settle(path, text, check)]
    if stale:
        print(f"differs from the code: {', '.join(stale)}; run python -m tools.reference", file=sys.stderr)
    return 1 if stale else 0


def _settle(path: Path, text: str, check: bool) -> bool:
    """Write ``text``, or return whether the file holds it already."""
    if check:
        return path.is_file() and path.read_text(encoding="utf-8") == text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main())

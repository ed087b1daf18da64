# SPDX-License-Identifier: Apache-2.0
"""Short functions, short files, no six lines twice, no class name twice.

What is counted:

- A function: from its ``def`` to its last line, docstring and comments included, decorators not.
- A file: every line but that of the licence, imports, comments and empty lines included.
- Six lines twice: lines that carry a thought. Left out are the licence, imports, comments, empty lines, lines of
  brackets and other signs alone, and single names with a comma, as long imports have them. So copied imports are not
  found, and two runs of six count as equal where only such lines differ between them.
- Class names: in ``src`` and ``tools``; tests may repeat a name.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("src/td3_driving/td3_driving", "tests", "tools", "launch")
LONGEST_FUNCTION, LONGEST_FILE, LONGEST_RUN = 45, 300, 5
"""Lines."""
LICENCE = "# SPDX-License-Identifier"
PASSED_OVER = re.compile(r"^\W*$|^#|^(import|from) |^\w+( as \w+)?,$")
"""Lines that do not count in a run of lines that stands twice."""


def sources(*folders: str) -> list[Path]:
    """Python files below folders of the repository."""
    return sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))


def length_of(path: Path) -> int:
    """Lines of a file without that of its licence."""
    return sum(not line.startswith(LICENCE) for line in path.read_text(encoding="utf-8").splitlines())


def long_functions(paths: Iterable[Path]) -> Iterator[str]:
    """Functions with too many lines."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    yield f"{path.relative_to(path.anchor)}: {node.name} has {length} lines"


def classes_twice(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Class names that several classes bear, and the files that define them."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path.name)
    return {name: places for name, places in found.items() if len(places) > 1}


def runs_twice(paths: Iterable[Path]) -> Iterator[str]:
    """Places that share six lines to the letter, spaces aside."""
    seen: dict[tuple[str, ...], tuple[Path, int]] = {}
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        numbered = [(number, " ".join(line.split())) for number, line in enumerate(lines, 1)]
        kept = [(number, line) for number, line in numbered if not PASSED_OVER.match(line)]
        for place in range(len(kept) - LONGEST_RUN):
            run = kept[place : place + LONGEST_RUN + 1]
            first, line = seen.setdefault(tuple(text for _, text in run), (path, run[0][0]))
            if (first, line) != (path, run[0][0]):
                yield f"{first.name}:{line} ~ {path.name}:{run[0][0]}"


def test_functions_are_short() -> None:
    assert list(long_functions(sources(*FOLDERS))) == []


def test_files_are_short() -> None:
    lengths = {str(path.relative_to(REPOSITORY)): length_of(path) for path in sources(*FOLDERS)}
    assert len(lengths) > 400
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_six_lines_stand_twice() -> None:
    assert list(runs_twice(sources(*FOLDERS))) == []


def test_no_class_name_stands_twice() -> None:
    assert classes_twice(sources("src/td3_driving/td3_driving", "tools")) == {}


def test_what_is_forbidden_is_found(tmp_path: Path) -> None:
    body = "".join(f"    value_{number} = {number}\n" for number in range(46))
    files = [tmp_path / "one.py", tmp_path / "two.py"]
    for path in files:
        path.write_text(f"{LICENCE}\n\nclass Twice:\n    pass\n\n\ndef long():\n{body}")
    assert [text.rpartition(": ")[2] for text in long_functions(files)] == ["long has 47 lines"] * 2
    assert classes_twice(files) == {"Twice": ["one.py", "two.py"]}
    assert {length_of(path) for path in files} == {52}
    assert len(list(runs_twice(files))) == 49 - LONGEST_RUN
    assert next(runs_twice(files)) == "one.py:3 ~ two.py:3"


@pytest.mark.parametrize("line", ["import os", "from a import b", "# a comment", ")", "", "Name,"])
def test_lines_without_a_thought_are_passed_over(line: str) -> None:
    assert PASSED_OVER.match(line)

"""Write ``requirements/constraints.txt``: one version of every package, direct or not, for each supported Python.

Usage: ``python tools/pin.py python3.10 python3.11 python3.12``. Each interpreter's pip resolves the requirement files
together; where the answers differ, the pin carries a marker.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
FILES = ("ros.txt", "runtime.txt", "dev.txt")
HEADER = "# Written by tools/pin.py: every version that make build installs.\n"


def resolve(python: str) -> tuple[str, dict[str, str]]:
    """The Python version ("3.11") of an interpreter, and name -> version of all that it would install."""
    probe = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = subprocess.run([python, "-c", probe], check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--dry-run",
            "--ignore-installed",
            "--report",
            report.name,
        ]
        for name in FILES:
            command += ["-r", str(REQUIREMENTS / name)]
        subprocess.run(command, check=True)
        entries = json.loads(Path(report.name).read_text(encoding="utf-8"))["install"]
    return version, {entry["metadata"]["name"].lower(): entry["metadata"]["version"] for entry in entries}


def pins(resolved: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Constraint lines from Python version -> package -> version; plain where all Pythons agree."""
    lines = []
    for package in sorted({package for found in resolved.values() for package in found}):
        versions = {python: found[package] for python, found in resolved.items() if package in found}
        if len(set(versions.values())) == 1:
            lines.append(f"{package}=={next(iter(versions.values()))}")
        else:
            lines += [f'{package}=={pinned}; python_version == "{python}"' for python, pinned in versions.items()]
    return lines


if __name__ == "__main__":
    text = HEADER + "\n".join(pins(dict(map(resolve, sys.argv[1:])))) + "\n"
    (REQUIREMENTS / "constraints.txt").write_text(text, encoding="utf-8")

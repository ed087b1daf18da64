# SPDX-License-Identifier: Apache-2.0
"""The instructions of a Dockerfile, for tests that look at them and for the script that carries them out."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name in capitals and the rest of its lines, joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments, as a list in JSON or as a shell splits them."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


@dataclass
class Stage:
    """What lies between two FROM."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """The instructions of a name."""
        return [instruction for instruction in self.instructions if instruction.name == name]


def read(path: Path) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage, and the stages."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text)
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            stages.append(Stage(base, alias))
        elif not stages:
            key, _, value = rest.partition("=")
            arguments[key] = value
        else:
            stages[-1].instructions.append(Instruction(name, rest.strip()))
    return arguments, stages


def expand(text: str, variables: dict[str, str]) -> str:
    """``text`` with ``${NAME}`` replaced."""
    return VARIABLE.sub(lambda found: variables.get(found[1], ""), text)

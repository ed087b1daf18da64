# SPDX-License-Identifier: Apache-2.0
"""The command lines of the project as its code declares them: parsers, launch arguments, targets of make."""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from td3_driving.cli import COMMANDS
from td3_driving.doctor.command_line import CommandParser

ROOT = Path(__file__).resolve().parents[2]
ABSENT = re.compile(r"(launch|launch_ros|\w+_msgs)(\.|$)")
"""Modules that a machine without a built workspace lacks, and that no command line depends on."""
Argument = tuple[str | None, Sequence[str] | None, str]
"""Default (None: it must be given), choices, meaning."""


class _Described(Exception):
    """Ends a ``main`` where it parses its command line."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


class StandIn(ModuleType):
    """A module in which every name is a class without content."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self) if ABSENT.match(name) else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Runs nothing."""


@contextmanager
def stand_ins() -> Iterator[None]:
    """Within the block, missing modules can be imported as stand-ins; afterwards they are removed."""
    before, finder = dict(sys.modules), _Finder()
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        made = [name for name in sys.modules if name not in before]
        if any(isinstance(sys.modules[name], StandIn) for name in made):
            for name in made:
                if isinstance(sys.modules[name], StandIn) or name.startswith("td3_driving."):
                    del sys.modules[name]


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command of ``td3-driving``."""
    with stand_ins():
        return {name: _parser(import_module(module).main) for name, (module, _) in COMMANDS.items()}


@cache
def launch_files() -> dict[str, tuple[str, dict[str, Argument]]]:
    """Name of each launch file: what it says of itself, and its arguments."""
    with stand_ins():
        return {path.name: _launch_file(path) for path in sorted((ROOT / "launch").glob("*.launch.py"))}


def make_targets() -> dict[str, str]:
    """Targets of the Makefile that are no files, and the line of ``make help`` that names each, where one does."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = " ".join(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)).split()
    said = {
        name: meaning.strip()
        for name, meaning in re.findall(r"make ([\w-]+):?\s\s*(.*?)(?=;|\"|$)", text, re.MULTILINE)
    }
    return {name: said.get(name, "") for name in phony}


def make_variables() -> set[str]:
    """Variables that a person may set on the command line of make."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(" ".join(re.findall(r"^VARIABLES := (.*)$", text, re.MULTILINE)).split())


def _parser(main: Any) -> argparse.ArgumentParser:
    def stop(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        raise _Described(parser)

    with patch.object(CommandParser, "parse_args", stop):
        try:
            main([])
        except _Described as found:
            return found.parser
    raise ValueError(f"{main.__module__}.main does not parse its command line")


def _launch_file(path: Path) -> tuple[str, dict[str, Argument]]:
    spec = importlib.util.spec_from_file_location(path.name.replace(".", "_"), path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.__doc__ or "", made.ARGUMENTS

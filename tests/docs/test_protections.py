# SPDX-License-Identifier: Apache-2.0
"""The list of protections fits the code: each stands in it once, and its test exists."""

from __future__ import annotations

import ast

import pytest

from tools.reference.protections import ROOT, Protection, protections

FOUND = protections()


@pytest.mark.parametrize("protection", FOUND, ids=lambda one: str(one.protects))
def test_a_protection_can_be_taken_away_and_is_of_a_test(protection: Protection) -> None:
    compile(protection.taken_away(), protection.file, "exec")
    file, *names = protection.test.split("::")
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    for name in names:
        (node,) = (one for one in body if isinstance(one, (ast.ClassDef, ast.FunctionDef)) and one.name == name)
        body = node.body


def test_no_protection_stands_twice() -> None:
    names = [(one.page, one.protects) for one in FOUND]
    assert len(set(names)) == len(names)
    assert {one.page for one in FOUND} == {"security", "reliability"}

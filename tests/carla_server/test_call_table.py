# SPDX-License-Identifier: Apache-2.0
"""The page of calls says what the table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from td3_driving.carla_server import call_table

PAGE = Path(__file__).resolve().parents[2] / "docs/carla_server_calls.md"


def test_the_page_is_up_to_date() -> None:
    assert call_table.main([str(PAGE), "--check"]) == 0


def test_a_page_that_differs_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "calls.md"
    assert call_table.main([str(page), "--check"]) == 1
    assert call_table.main([str(page)]) == 0 and call_table.main([str(page), "--check"]) == 0
    page.write_text(page.read_text() + "x")
    assert call_table.main([str(page), "--check"]) == 1 and "out of date" in capsys.readouterr().err


def test_every_call_has_a_sentence() -> None:
    assert all(len(method.summary) > 4 for method in call_table.TABLE.values())

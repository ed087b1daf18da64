# SPDX-License-Identifier: Apache-2.0
"""The layouts name the terms of the reward as the package does, in its order."""

from __future__ import annotations

import json
import re
from pathlib import Path

from td3_driving.settings_reward import TERMS

LAYOUTS = Path(__file__).resolve().parents[2] / "config" / "layouts"
NAMES = [term.name for term in TERMS]


def test_foxglove_labels_each_value_with_its_term() -> None:
    panel = json.loads((LAYOUTS / "foxglove_training.json").read_text())["configById"]["Plot!reward"]
    labels = {path["value"]: path["label"] for path in panel["paths"]}
    assert labels == {f"/td3/reward.values[{i}]": name for i, name in enumerate(NAMES)} | {"/td3/reward.total": "total"}


def test_plotjuggler_draws_every_term_and_names_them_in_the_title() -> None:
    text = (LAYOUTS / "plotjuggler_training.xml").read_text()
    assert f'"Terms of a step: {", ".join(NAMES)}"' in text
    assert re.findall(r'"/td3/reward/values\[(\d)\]"', text) == [str(i) for i in range(len(NAMES))]

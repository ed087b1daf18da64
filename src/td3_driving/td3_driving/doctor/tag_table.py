# SPDX-License-Identifier: Apache-2.0
"""The table of tags for the documentation: ``python -m td3_driving.doctor.tag_table > docs/doctor_tags.md``."""

from __future__ import annotations

import sys

from td3_driving.doctor.aliases import TAGS

HEAD = """# Tags that the doctor knows

Made by `python -m td3_driving.doctor.tag_table`. A tag counts as listed whatever its case, its separators (space, `_`,
`/`, `-`), a plural or a unit at its end. A tag that is not listed is understood if all of its words are
(`Mean Episode Reward`). The name of a series is a tag too. `--tag SERIES=TAG` maps by hand.

Two tags depend on their neighbours: a policy loss beside a value loss and without a Q is `policy_loss`, and a loss
beside an accuracy or a validation loss is `train_loss`.

| series | tags |
|---|---|
"""


def tag_table() -> str:
    """The page as Markdown: a row per series, our own tag first."""
    rows = [f"| `{name}` | {', '.join(f'`{tag}`' for tag in tags)} |\n" for name, tags in TAGS.items()]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(tag_table())

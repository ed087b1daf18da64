# SPDX-License-Identifier: Apache-2.0
"""Which tag of which library carries which quantity.

Rules speak of quantities. Only this table knows tags. ``TAGS`` lists the tags of each quantity, our own first.
:mod:`td3_driving.doctor.names` reads tags that are not listed letter by letter.

Sources: our design; published event files of a similar system; the sources and documentation of Stable-Baselines3,
CleanRL, skrl, SpinningUp, rl_games, RLlib, Tianshou, d3rlpy, TorchRL, LeRobot, pytorch-soft-actor-critic,
pytorch_sac and the DRL robot-navigation projects (``Av. Q`` and the like).
"""

from __future__ import annotations

import re
from functools import lru_cache

from td3_driving.doctor.tags_learner import LEARNER_TAGS
from td3_driving.doctor.tags_run import RUN_TAGS

NETWORKS = ("actor", "critic")
TAGS: dict[str, tuple[str, ...]] = {**LEARNER_TAGS, **RUN_TAGS}

ALERT = "alert:"
EPISODE_QUANTITIES = frozenset(
    {
        "episode_length",
        "episode_return",
        "collisions",
        "lane_invasions",
        "episode_speed",
        "route_completion",
        "exit_reason",
    }
)
TERMS, SHARES = "term_*", "share_*"
"""Families of quantities: one for each term of the reward, whatever the terms are called."""
PENALTIES = ("term_safety",)
"""Terms of the reward that punish a violation and do nothing else."""
OURS_ONLY = frozenset({"agent/updates_per_step", "reward/total"})


def _quantity_of_tag() -> dict[str, str]:
    return {tag: quantity for quantity, tags in TAGS.items() for tag in tags if quantity not in (TERMS, SHARES)}


QUANTITY_OF_TAG = _quantity_of_tag()


@lru_cache(maxsize=4096)
def family(name: str) -> str:
    """The row of :data:`TAGS` that a quantity belongs to: ``term_*`` for ``term_comfort``, else the quantity itself."""
    return next((row for row in (TERMS, SHARES) if name.startswith(row[:-1])), name)


def of_family(tag: str) -> tuple[str, int] | None:
    """Quantity and place in its row of a tag of a family: ``reward/comfort`` is ``term_comfort``."""
    for row in (TERMS, SHARES):
        for place, pattern in enumerate(TAGS[row]):
            found = re.fullmatch(pattern.replace("*", "([a-z][a-z0-9_]*)"), tag)
            if found:
                return row.replace("*", found[1]), place
    return None

"""Which tag of which library carries which quantity.

Every rule speaks of quantities; this table alone knows tags. ``TAGS`` lists, per quantity, the tags under which it was
met, ours (which are the seed author's wherever he had one) first. How a tag that is not listed letter by letter is
understood is in :mod:`td3_driving.doctor.names`.

Sources: our design; the seed author's event files; the sources and documentation of Stable-Baselines3, CleanRL, skrl,
SpinningUp, rl_games, RLlib, Tianshou, d3rlpy, TorchRL, LeRobot, pytorch-soft-actor-critic, pytorch_sac and the DRL
robot-navigation projects (``Av. Q`` and the like).
"""

from __future__ import annotations

from td3_driving.doctor.tags_learner import LEARNER_TAGS
from td3_driving.doctor.tags_run import PARTS, RUN_TAGS

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
REWARD_PARTS = tuple(f"part_{part}" for part in PARTS)
REWARD_SHARES = tuple(f"share_{part}" for part in PARTS)
OURS_ONLY = frozenset({"agent/updates_per_step", "reward/total"})


def _quantity_of_tag() -> dict[str, str]:
    return {tag: quantity for quantity, tags in TAGS.items() for tag in tags}


QUANTITY_OF_TAG = _quantity_of_tag()


def quantity(tag: str) -> str | None:
    """The quantity that ``tag`` carries, ``alert:NAME`` for alert series, ``None`` for a tag that nobody listed."""
    if tag.startswith("alerts/"):
        return ALERT + tag.removeprefix("alerts/")
    return QUANTITY_OF_TAG.get(tag)

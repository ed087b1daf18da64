# SPDX-License-Identifier: Apache-2.0
"""Finds the quantity that a tag carries.

There are four ways, tried in this order: the user mapped the tag (``--tag``); the tag is listed letter by letter; it is
listed, apart from case, spaces, ``_``, ``/``, ``-``, plural and unit; every word of it is understood, and together they
name a role. ``train/q1_value`` is a Q value, ``plan/q1_value_of_day`` is not.
"""

from __future__ import annotations

import difflib
import re
from typing import Iterable, Mapping, NamedTuple

from td3_driving.doctor.aliases import ALERT, QUANTITY_OF_TAG, SHARES, TAGS, TERMS, family, of_family
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.roles import role, role_guess

MOST_SUGGESTIONS = 8
MOST_CACHED = 4096
# Only these exact spellings count: ``reward/step`` is no episode return.
LETTER_BY_LETTER = frozenset({"rewards/step", "episode_lengths/step", "EpLen"})
# Groups that libraries put before a tag without changing what it means.
_GROUPS = re.compile(r"\b(?:ray tune|default policy|info learner|learner stat|sampler result|metric(?= \w))\b ?")
_UNITS = re.compile(
    r"[(\[](?:m/s|km/h|m/s\^?2|ms|m|s|sec|rad|deg|%|steps?)[)\]]|(?<=[a-z])(?:[ _/-](?:kmh|mps|pct|rad|deg|sec)|_[ms])$"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PLURALS = {"losses", "rewards", "returns", "values", "lengths", "lens", "stats", "metrics", "results", "learners"}
_PLURALS |= {"gradients", "grads", "vals", "alphas", "scores", "targets", "episodes", "lrs"}


def normal_form(tag: str) -> str:
    """The words of a tag, in lower case and singular, without unit and without the group of its library.

    >>> normal_form("AverageQ1Vals"), normal_form("Q-network / Q1 (mean)")
    ('average q1 val', 'q network q1 mean')
    """
    text = _CAMEL.sub(" ", _UNITS.sub(" ", tag)).casefold()
    words = [word[:-1] if word in _PLURALS else word for word in re.findall(r"[a-z0-9]+", text)]
    words = [word[:-1] if word == "losse" else word for word in words]
    return _GROUPS.sub("", " ".join(words)).strip()


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for quantity, tags in TAGS.items():
        for tag in tags if quantity not in (TERMS, SHARES) else ():
            if tag not in LETTER_BY_LETTER:
                table.setdefault(normal_form(tag), quantity)
    return table


NORMAL_FORMS = _table()


class Reading(NamedTuple):
    """The quantity of a tag, and how sure that is: 4 by hand, 3 listed, 2 by normal form, 1 by its role, 0 a guess."""

    quantity: str
    rank: int
    place: int = 0


class Names:
    """The tags of one run.

    Args:
        by_hand: quantity → tag, as the user mapped them.

    Raises:
        Unusable: ``by_hand`` names a quantity that does not exist.
    """

    def __init__(self, by_hand: Mapping[str, str] | None = None) -> None:
        self.by_hand = dict(by_hand or {})
        for name in self.by_hand:
            if family(name) not in TAGS:
                near = difflib.get_close_matches(name, TAGS, n=1)
                raise Unusable(f"--tag {name!r} is no series" + (f"; did you mean {near[0]!r}?" if near else ""))
        self._of_tag = {tag: name for name, tag in self.by_hand.items()}
        self._moved: dict[str, str] = {}
        self._known: dict[str, Reading | None] = {}

    def quantity(self, tag: str) -> str | None:
        """The quantity that ``tag`` carries, ``alert:NAME`` for alert series, ``None`` where it is not understood."""
        reading = self.reading(tag)
        return None if reading is None else self._moved.get(reading.quantity, reading.quantity)

    def reading(self, tag: str) -> Reading | None:
        """The reading of ``tag`` by itself, before the other tags of the run are considered."""
        if tag not in self._known:
            if len(self._known) >= MOST_CACHED:
                return self._read(tag)
            self._known[tag] = self._read(tag)
        return self._known[tag]

    def _read(self, tag: str) -> Reading | None:
        if tag in self._of_tag:
            return Reading(self._of_tag[tag], 4)
        if tag.startswith("alerts/"):
            return Reading(ALERT + tag.removeprefix("alerts/"), 3)
        if tag in TAGS:
            return Reading(tag, 3)
        listed = QUANTITY_OF_TAG.get(tag)
        if listed is not None:
            return Reading(listed, 3, TAGS[listed].index(tag))
        words = normal_form(tag)
        found = NORMAL_FORMS.get(words)
        if found is not None:
            return Reading(found, 2)
        by_role = role(words)
        if by_role is not None:
            return Reading(by_role, 1)
        term = of_family(tag)
        return None if term is None else Reading(term[0], 3, term[1])

    def settle(self, tags: Iterable[str]) -> dict[str, str]:
        """``{quantity: tag}`` of a run with ``tags``: the surest tag, else the first.

        A policy loss beside a value loss, without a Q loss, belongs to a policy gradient and says nothing about Q. A
        loss beside an accuracy or a validation loss belongs to supervised training.
        """
        seen = list(dict.fromkeys(tags))
        bare = {reading.quantity for tag in seen if (reading := self.reading(tag)) is not None}
        self._moved = {}
        if "value_loss" in bare and not bare & {"critic_loss", "q1"}:
            self._moved["actor_loss"] = "policy_loss"
        if bare & {"train_accuracy", "eval_accuracy", "eval_loss"} and not bare & {
            "actor_loss",
            "q1",
            "exploration_rate",
        }:
            self._moved["critic_loss"] = "train_loss"
        best: dict[str, tuple[Reading, str]] = {}
        for tag in seen:
            name, reading = self.quantity(tag), self.reading(tag)
            if name is None or reading is None or self.by_hand.get(name, tag) != tag:
                continue
            if name not in best or (reading.rank, -reading.place) > (best[name][0].rank, -best[name][0].place):
                best[name] = (reading, tag)
        return {name: tag for name, (_, tag) in best.items()}

    def absent(self, tags: Iterable[str]) -> str:
        """A sentence about a tag of ``--tag`` that the run does not have; empty if it has all."""
        seen = set(tags)
        for name, tag in self.by_hand.items():
            if tag not in seen:
                near = difflib.get_close_matches(tag, seen, n=1, cutoff=0.5)
                return f"--tag {name}={tag}: the run has no such tag" + (f"; did you mean {near[0]!r}?" if near else "")
        return ""


def parse_tags(pairs: Iterable[str]) -> dict[str, str]:
    """``["q1=stats/mean_q_1", …]`` as a mapping from quantity to tag.

    Raises:
        Unusable: a pair has no ``=``, or one side of it is empty.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, tag = pair.partition("=")
        if not (separator and name and tag):
            raise Unusable(f"--tag {pair!r} is not of the form SERIES=TAG")
        found[name] = tag
    return found


def suggestions(unknown: Iterable[str], present: Iterable[str]) -> list[str]:
    """Arguments for ``--tag``, ``q1=stats/mean_q_1``, for unknown tags that look like a missing series."""
    have = set(present)
    lines: list[str] = []
    for tag in unknown:
        name = role_guess(normal_form(tag))
        if name is not None and name not in have and len(lines) < MOST_SUGGESTIONS:
            have.add(name)
            lines.append(f"{name}={tag}")
    return lines

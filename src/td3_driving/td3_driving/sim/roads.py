# SPDX-License-Identifier: Apache-2.0
"""Names of road networks, and how each is loaded."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from pathlib import Path

from td3_driving.sim.carla_parser import build
from td3_driving.sim.maps.drawn import drawn_network
from td3_driving.sim.opendrive import MapError, document, read
from td3_driving.sim.parser_trial import readable
from td3_driving.sim.road_map import Lane, RoadMap, Strip

__all__ = ["Lane", "MapError", "RoadMap", "Strip", "load_map", "map_path"]

OWN_MAPS = ("straight", "curves", "town", "roundabout")
THERE_ARE = f"there are {', '.join(OWN_MAPS)}, drawn:SEED, and OpenDRIVE files by their path"
MOST_NETWORKS = 100
"""Drawn networks that one setting may name; each takes some megabytes when it was driven on."""
MOST_NOTES = 4
"""Notes on a map that are logged one by one."""

_log = logging.getLogger(__name__)


def drawn_seeds(name: str) -> range | None:
    """The seeds that ``drawn``, ``drawn:SEED`` or ``drawn:FIRST-LAST`` names; ``None`` where it is another map.

    Raises:
        MapError: it begins like these but names no seeds.
    """
    word, colon, seeds = name.partition(":")
    if word != "drawn":
        return None
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", seeds if colon else "0")
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
    if not 0 <= last - first < MOST_NETWORKS:
        wanted = f"drawn:SEED or drawn:FIRST-LAST, of up to {MOST_NETWORKS} networks"
        raise MapError(f"map {name!r} is not of the form {wanted}")
    return range(first, last + 1)


def map_choices(name: str) -> list[list[str]]:
    """The maps that the setting ``simulator.map`` stands for, by the parts that ``+`` joins.

    A part is one map, or each of the drawn ones that it names. A file whose path holds a ``+`` is one map.

    Raises:
        MapError: a part is empty or not there, there are too many drawn networks, or see :func:`drawn_seeds`.
    """
    parts = _parts(name)
    if not all(parts):
        raise MapError(f"map {name!r} has an empty part; parts are joined as in town+drawn:0-39")
    choices = [_names(part) for part in parts]
    if sum(len(part) for part in choices) > MOST_NETWORKS:
        raise MapError(f"map {name!r} stands for more than {MOST_NETWORKS} networks")
    return choices


def _parts(name: str) -> list[str]:
    if "+" not in name or _is_file(name):
        return [name]
    parts = [part.strip() for part in name.split("+")]
    for part in parts:
        if part and drawn_seeds(part) is None and not _is_file(part):
            raise MapError(f"map {part!r}, a part of {name!r}, does not exist; {THERE_ARE}")
    return parts


def _is_file(name: str) -> bool:
    try:
        return map_path(name).is_file()
    except (OSError, ValueError):
        return False


def _names(part: str) -> list[str]:
    seeds = drawn_seeds(part)
    return [part] if seeds is None else [f"drawn:{seed}" for seed in seeds]


def map_of_episode(choices: list[list[str]], seed: int) -> str:
    """The map of the episode with this seed: every part has the same share of the episodes, every map of it too."""
    part = choices[seed % len(choices)]
    return part[seed // len(choices) % len(part)]


def only_map(name: str) -> str:
    """The map that ``name`` stands for.

    Raises:
        MapError: it stands for several, or see :func:`map_choices`.
    """
    names = [one for part in map_choices(name) for one in part]
    if len(names) > 1:
        raise MapError(f"map {name!r} stands for {len(names)} maps; name one of them, such as {names[0]}")
    return names[0]


def map_path(name_or_path: str) -> Path:
    """The file of one of our own maps, or the path itself."""
    if name_or_path in OWN_MAPS:
        return Path(__file__).parent / "maps" / f"{name_or_path}.xodr"
    return Path(name_or_path).expanduser()


def require_map(name_or_path: str) -> Path:
    """:func:`map_path`, where there is something; who reads it says whether it is a map.

    Raises:
        MapError: there is nothing.
    """
    path, there = map_path(name_or_path), True
    with suppress(OSError):
        there = path.exists()
    if not there:
        raise MapError(f"map {str(path)!r} does not exist{'' if path.suffix else '; ' + THERE_ARE}")
    return path


def load_map(name_or_path: str, move: bool = True) -> RoadMap:
    """Load ``straight``, ``curves``, ``town``, ``roundabout``, ``drawn:SEED``, or any OpenDRIVE file by its path.

    Args:
        move: whether a map far from the origin is moved near it.

    Raises:
        MapError: the file is missing, broken, or has no lane to drive on; or the name stands for several maps.
    """
    first = only_map(name_or_path)
    seeds = drawn_seeds(first)
    if seeds is not None:
        name = f"drawn_{seeds[0]}"
        return build(document(drawn_network(seeds[0]), f"{name}.xodr"), name)
    path = require_map(first)
    data = read(path)
    if first in OWN_MAPS:
        return build(document(data, path.name), path.stem)
    return load_foreign(data, path.name, path.stem, move)


def load_foreign(data: bytes | str, file: str, name: str, move: bool = True) -> RoadMap:
    """The network ``name`` of an OpenDRIVE document of someone else; what was changed in it is logged.

    Args:
        file: its name in messages.

    Raises:
        MapError: it is broken, or has no lane to drive on.
    """
    roads = build(readable(document(data, file, move), file), name, file)
    for note in roads.notes[:MOST_NOTES]:
        _log.warning("map %r: %s", file, note)
    if len(roads.notes) > MOST_NOTES:
        _log.warning("map %r: %d more notes; td3-driving map lists them", file, len(roads.notes) - MOST_NOTES)
    return roads

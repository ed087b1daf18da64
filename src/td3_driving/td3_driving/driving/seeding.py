# SPDX-License-Identifier: Apache-2.0
"""Names and seeds of the parts of a run, the seeds drawn from the one seed of the run."""

from __future__ import annotations

import numpy as np


def actor_names(actors: int) -> tuple[str, ...]:
    """Names of the actors of a run."""
    return tuple(f"actor_{index}" for index in range(actors))


def actor_seed(seed: int, actor_index: int) -> int:
    """Seed of an actor's exploration."""
    return _draw(seed, 1, actor_index)


def episode_seed(seed: int, actor_index: int, first_step: int, episode: int) -> int:
    """Seed of an episode's route and traffic; ``first_step`` keeps a continued run from repeating itself."""
    return _draw(seed, 2, actor_index, first_step, episode)


def evaluation_seed(seed: int, route: int) -> int:
    """Seed of route and traffic number ``route`` of an evaluation; the same for every policy that is evaluated."""
    return _draw(seed, 3, route)


def episode_generators(scenario: int, seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Generators of an episode's route and of its traffic: equal routes on every simulator with equal roads."""
    route, traffic = (np.random.default_rng([part, scenario, seed]) for part in (0, 1))
    return route, traffic


def appearance_generator(scenario: int, seed: int) -> np.random.Generator:
    """Generator of how an episode looks; route and traffic do not depend on it."""
    return np.random.default_rng([2, scenario, seed])


def extras_generators(scenario: int, seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Generators of what is parked at the road side and of what unruly drivers do; nothing else depends on them."""
    parking, behaviour = (np.random.default_rng([part, scenario, seed]) for part in (3, 4))
    return parking, behaviour


def practice_generator(seed: int) -> np.random.Generator:
    """Generator of the draw that makes an episode practice; the seed is that of the episode."""
    return np.random.default_rng([seed, 6])


def localisation_generator(seed: int) -> np.random.Generator:
    """Generator of the error that positions have in an episode; the seed is that of the episode."""
    return np.random.default_rng([seed, 2])


def _draw(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1, dtype=np.uint32)[0])

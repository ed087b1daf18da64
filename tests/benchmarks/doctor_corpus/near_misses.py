# SPDX-License-Identifier: Apache-2.0
"""Near misses of known misjudgements: runs made of formulas that look alike and deserve the other verdict.

Each is a learning curve, lengths, losses and values over one million steps with noise, written under the tags of a
library. They stand beside the trained runs and are judged with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from doctor_corpus.truth import GO, INSUFFICIENT, NO_GO
from td3_driving.monitor.event_log import EventLog

POINTS, STEPS = 150, 1_000_000
Series = Mapping[str, NDArray[np.float64]]
SEED = 13
SHARE = np.linspace(1.0 / POINTS, 1.0, POINTS)


def _noisy(rng: Generator, values: NDArray[np.float64], relative: float = 0.08) -> NDArray[np.float64]:
    return values * (1.0 + relative * rng.standard_normal(len(values)))


def _rise(low: float, high: float, middle: float = 0.4, width: float = 0.1) -> NDArray[np.float64]:
    return low + (high - low) / (1.0 + np.exp((middle - SHARE) / width))


def _values(
    rng: Generator, level: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Q, critic loss and actor loss of a healthy critic at ``level``."""
    return _noisy(rng, level, 0.02), _noisy(rng, 0.05 * np.abs(level) ** 1.2 + 0.2, 0.2), -_noisy(rng, level, 0.02)


def _sb3(
    returns: NDArray[np.float64], lengths: NDArray[np.float64], loss: NDArray[np.float64], actor: NDArray[np.float64]
) -> Series:
    names = ("rollout/ep_rew_mean", "rollout/ep_len_mean", "train/critic_loss", "train/actor_loss")
    return dict(zip(names, (returns, lengths, loss, actor)))


def _cleanrl(
    returns: NDArray[np.float64],
    lengths: NDArray[np.float64],
    q: NDArray[np.float64],
    loss: NDArray[np.float64],
    actor: NDArray[np.float64],
) -> Series:
    names = ("charts/episodic_return", "charts/episodic_length", "losses/qf1_values", "losses/qf_loss")
    return dict(zip((*names, "losses/actor_loss"), (returns, lengths, q, loss, actor)))


def _skrl(
    returns: NDArray[np.float64], q: NDArray[np.float64], loss: NDArray[np.float64], actor: NDArray[np.float64]
) -> Series:
    names = ("Reward / Total reward (mean)", "Q-network / Q1 (mean)", "Loss / Critic loss", "Loss / Policy loss")
    return dict(zip(names, (returns, q, loss, actor))) | {"Q-network / Q1 (max)": 2.0 * np.abs(q)}


def _navigation(q: NDArray[np.float64], loss: NDArray[np.float64]) -> Series:
    return {"loss": loss, "Av. Q": q, "Max. Q": np.abs(q) + 60.0}


def late_learner(rng: Generator) -> Series:
    """Flat at episodes of three steps for 55 % of the budget, then a clear rise."""
    q, loss, actor = _values(rng, _rise(22.0, 280.0, 0.7, 0.05))
    return _cleanrl(
        _noisy(rng, _rise(29.0, 3200.0, 0.7, 0.05)), _noisy(rng, _rise(3.3, 950.0, 0.7, 0.05), 0.03), q, loss, actor
    )


def nan_that_stays(rng: Generator) -> Series:
    """Healthy until 60 %, then the critic's loss and the value are NaN to the end."""
    q, loss, actor = _values(rng, _rise(10.0, 280.0))
    series = _cleanrl(_noisy(rng, _rise(20.0, 3000.0)), _noisy(rng, _rise(20.0, 900.0), 0.03), q, loss, actor)
    returns = np.where(SHARE > 0.6, 12.0 + rng.standard_normal(POINTS), series["charts/episodic_return"])
    broken = {tag: np.where(SHARE > 0.6, np.nan, series[tag]) for tag in series if tag.startswith("losses/")}
    return dict(series) | broken | {"charts/episodic_return": returns}


def nan_in_a_foreign_tag(rng: Generator) -> Series:
    """Healthy; a tag of the user's own is NaN from the first point to the last."""
    q, loss, actor = _values(rng, _rise(10.0, 280.0))
    series = _cleanrl(_noisy(rng, _rise(20.0, 3000.0)), _noisy(rng, _rise(20.0, 900.0), 0.03), q, loss, actor)
    return dict(series) | {"debug/curriculum_ratio": np.full(POINTS, np.nan)}


def large_but_earned(rng: Generator) -> Series:
    """Q of 450 and growing losses, and the returns to earn them."""
    q, loss, actor = _values(rng, _rise(40.0, 450.0))
    return _skrl(_noisy(rng, _rise(55.0, 5200.0)), q, loss, actor)


def exploded_and_recovered(rng: Generator) -> Series:
    """Q of 30,000 for a tenth of the run, then sound values and a rise to the end."""
    bump = 3e4 * np.exp(-(((SHARE - 0.25) / 0.04) ** 2))
    q, loss, actor = _values(rng, _rise(20.0, 400.0, 0.6) + bump)
    return _skrl(_noisy(rng, _rise(55.0, 4800.0, 0.65)), q, loss, actor)


def explodes_last(rng: Generator) -> Series:
    """Learns, then in the last third Q and loss grow over decades while the return collapses."""
    growth = np.exp(np.clip(SHARE - 0.65, 0.0, None) * 30.0)
    q, loss, actor = _values(rng, _rise(20.0, 300.0) * growth)
    returns = _rise(55.0, 3000.0) * np.exp(-np.clip(SHARE - 0.65, 0.0, None) * 12.0)
    return _skrl(_noisy(rng, returns), q, loss, actor)


def navigation_sound(rng: Generator) -> Series:
    """Av. Q settles at -150 with a steady loss: values are sound, nothing is known of the learning."""
    return _navigation(
        -_noisy(rng, 150.0 * (1.0 - np.exp(-8.0 * SHARE)) + 0.3, 0.01), _noisy(rng, np.full(POINTS, 110.0), 0.4)
    )


def navigation_learns(rng: Generator) -> Series:
    """A critic whose loss falls from 600 to 40 while Av. Q rises from 0 to 70, and rewards that rise."""
    loss = _noisy(rng, 40.0 + 560.0 * np.exp(-9.0 * SHARE), 0.15)
    return dict(_navigation(_noisy(rng, _rise(0.5, 70.0), 0.02), loss)) | {
        "Episode reward": _noisy(rng, _rise(-95.0, 85.0), 0.1)
    }


def zero_then_reward(rng: Generator) -> Series:
    """Zero return for a third of the run, then 90 of 100 episodes succeed; Q stays below 1."""
    returns = np.clip(_noisy(rng, _rise(0.0, 0.92, 0.5, 0.04), 0.04) - 0.01, 0.0, 1.0)
    _, loss, actor = _values(rng, _rise(0.001, 0.7, 0.5, 0.05))
    return _sb3(returns, _noisy(rng, _rise(400.0, 90.0, 0.5, 0.04), 0.03), 0.01 * loss, actor)


def zero_and_small(rng: Generator) -> Series:
    """Zero return for a whole budget with Q of 0.01: not exploded, and nothing learned."""
    _, loss, actor = _values(rng, np.full(POINTS, 0.01))
    return _sb3(np.zeros(POINTS), np.full(POINTS, 400.0), 1e-4 * loss, actor)


def costs_estimated_rightly(rng: Generator) -> Series:
    """Negative returns that rise from -1,200 to -160, with an actor loss that falls from 150 to 12."""
    level = -_rise(150.0, 12.0)
    loss, actor = _noisy(rng, 0.02 * level**2 + 0.3, 0.2), -_noisy(rng, level, 0.02)
    return _sb3(_noisy(rng, _rise(-1200.0, -160.0)), np.full(POINTS, 200.0), loss, actor)


def falls_back(rng: Generator) -> Series:
    """Learns to 3,000 by half of the budget, and ends where it began, with quiet values."""
    returns = _rise(25.0, 3000.0, 0.3, 0.05) - _rise(0.0, 2960.0, 0.75, 0.03)
    q, loss, actor = _values(rng, np.abs(_rise(10.0, 280.0, 0.3) - _rise(0.0, 240.0, 0.78, 0.04)))
    return _cleanrl(
        _noisy(rng, returns), _noisy(rng, _rise(20.0, 900.0, 0.3) - _rise(0.0, 870.0, 0.75, 0.03), 0.03), q, loss, actor
    )


def dips_and_comes_back(rng: Generator) -> Series:
    """Learns, loses a third of its return for a twentieth of the run, and has it again at the end."""
    dip = 1.0 - 0.35 * np.exp(-(((SHARE - 0.7) / 0.025) ** 2))
    q, loss, actor = _values(rng, _rise(10.0, 280.0, 0.3))
    return _cleanrl(
        _noisy(rng, _rise(25.0, 3000.0, 0.3) * dip), _noisy(rng, _rise(20.0, 900.0, 0.3) * dip, 0.03), q, loss, actor
    )


def parts_explode(rng: Generator) -> Series:
    """Curves of ``add_scalars``, each in a folder of its own: Q and loss leave the returns by decades."""
    q, loss, actor = _values(rng, 20.0 * np.exp(11.0 * SHARE))
    curves = {"charts/episodic_return": _noisy(rng, _rise(20.0, 60.0)), "charts/episodic_length": _rise(20.0, 50.0)}
    return curves | {"losses_actor>losses": actor, "losses_critic>losses": loss, "q_q1>q": q, "q_q2>q": 1.01 * q}


def resumed(rng: Generator) -> Series:
    """A healthy run that was stopped and gone on with: two event files, one after the other."""
    _, loss, actor = _values(rng, _rise(10.0, 250.0))
    return _sb3(_noisy(rng, _rise(-80.0, 290.0)), _noisy(rng, np.full(POINTS, 800.0), 0.03), 0.1 * loss, actor)


MISSES: dict[str, tuple[Callable[[Generator], Series], str]] = {
    "late_learner": (late_learner, GO),
    "nan_that_stays": (nan_that_stays, NO_GO),
    "nan_in_a_foreign_tag": (nan_in_a_foreign_tag, GO),
    "large_but_earned": (large_but_earned, GO),
    "exploded_and_recovered": (exploded_and_recovered, GO),
    "explodes_last": (explodes_last, NO_GO),
    "navigation_sound": (navigation_sound, f"{GO}|{INSUFFICIENT}"),
    "navigation_learns": (navigation_learns, GO),
    "zero_then_reward": (zero_then_reward, GO),
    "zero_and_small": (zero_and_small, NO_GO),
    "costs_estimated_rightly": (costs_estimated_rightly, GO),
    "falls_back": (falls_back, NO_GO),
    "dips_and_comes_back": (dips_and_comes_back, GO),
    "parts_explode": (parts_explode, NO_GO),
    "resumed": (resumed, GO),
}


def write_near_misses(folder: Path) -> dict[str, dict[str, Any]]:
    """Writes all of them as event files; gives back their entries of ``truth.json``."""
    entries = {}
    for index, (name, (make, truth)) in enumerate(MISSES.items()):
        with_name = f"near-{name}"
        if not (folder / with_name).is_dir():
            _write(folder / with_name, make(np.random.default_rng((SEED, index))), files=2 if name == "resumed" else 1)
        entries[with_name] = {"truth": truth, "kind": "near_miss", "library": "near_miss", "task": name, "steps": STEPS}
    return entries


def _write(folder: Path, series: Series, files: int) -> None:
    """Event files one after the other; a tag ``sub>tag`` goes to the folder ``sub``, as ``add_scalars`` does."""
    for part in range(files):
        chosen = slice(part * POINTS // files, (part + 1) * POINTS // files)
        writers: dict[str, EventLog] = {}
        for tag, values in series.items():
            place, _, name = tag.rpartition(">")
            if place not in writers:
                writers[place] = EventLog(folder / place)
            for share, value in zip(SHARE[chosen], values[chosen]):
                writers[place].scalars({name: float(value)}, int(share * STEPS))
        for writer in writers.values():
            writer.close()

# SPDX-License-Identifier: Apache-2.0
"""Run as a process: one rank does one update on its part of a batch and writes its gradients and series to a file.

The place of the rank is in the environment; words: algorithm, file.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from td3_driving.learning.agent import make_agent
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.ranks.joining import RankPlace, enter_group, store_of
from td3_driving.learning.ranks.sharing import ALONE, Alone, Ranks
from td3_driving.learning.replay import ReplayMemory

from ..shared.tiny import small_settings

STATE_DIM, BATCH = 3, 16


def update(ranks: Alone, algorithm: str) -> dict[str, Tensor]:
    """Gradients after one update on this rank's part of a batch, and the series of the update.

    Nothing random takes part: two ranks have two generators. The critic stays as it is: Adam makes large steps of small
    gradients, so also of their rounding, and the actor's gradients come after the critic's step.
    """
    settings = small_settings(
        learning__algorithm=algorithm,
        learning__target_noise=0.0,
        learning__policy_delay=1,
        learning__critic_max_norm=0.01,
        learning__critic_cnn_lr=0.0,
        learning__critic_mlp_lr=0.0,
    )
    memory = ReplayMemory(settings, STATE_DIM, None)
    for experience in made_up_experience(settings, STATE_DIM, 60):
        memory.append(experience, linked=experience.step_index > 0)
    agent = make_agent(settings, STATE_DIM, 0)
    agent.join(ranks)
    slots = memory.sampleable_slots()[:BATCH]
    part = np.array_split(slots, ranks.size)[ranks.rank]
    report = ranks.over_all(agent.update(memory.gather(part)))
    modules = agent.modules().items()
    found = {f"{key}.{name}": one.grad for key, module in modules for name, one in module.named_parameters()}
    return {name: one for name, one in found.items() if one is not None} | report


def main() -> None:
    torch.set_num_threads(1)
    algorithm, path = sys.argv[1:]
    place = RankPlace.of_environment()
    ranks = ALONE
    if place.size > 1:
        enter_group(place, small_settings(learning__learners=place.size), store_of(place))
        ranks = Ranks(place.rank, place.size, place.here)
    save_file(update(ranks, algorithm), path)


if __name__ == "__main__":
    main()

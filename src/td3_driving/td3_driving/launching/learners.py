# SPDX-License-Identifier: Apache-2.0
"""``torchrun ... -m td3_driving.launching.learners -- OPTIONS``: a training whose learners ``torchrun`` starts.

``OPTIONS`` are those of ``td3-driving train``. Rank 0 is the whole training with its own learner; every other rank is
one more learner, which gets all that it needs from rank 0. Without ``--``, ``torchrun`` takes ``--run`` for its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from td3_driving.launching import train
from td3_driving.learning.ranks import follower
from td3_driving.learning.ranks.joining import RankPlace
from td3_driving.runs.refusals import refuse


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, or be one of the other learners.

    Returns:
        The exit code of ``td3-driving train``, or of the rank.
    """
    given = options_of(sys.argv[1:] if arguments is None else arguments)
    try:
        place = RankPlace.of_environment(os.environ)
    except ValueError as error:
        return refuse(error)
    if place.rank:
        return follower.main()
    return train.main([*given, "--set", f"learning.learners={place.size}"])


def options_of(words: Sequence[str]) -> list[str]:
    """``words`` without the ``--`` that may lead them."""
    return list(words[1:] if words[:1] == ["--"] else words)


if __name__ == "__main__":
    sys.exit(main())

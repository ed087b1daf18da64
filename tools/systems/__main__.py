# SPDX-License-Identifier: Apache-2.0
"""``tools/env.sh python -m tools.systems [WORD ...]``: the trials whose names have one of the words in them, or all."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tools.systems.judging import FAILS, NOT_AT_HAND, Outcome
from tools.systems.place import ROOT, NotAtHand, Place
from tools.systems.trials import TRIALS, Trial


def main() -> int:
    """Print a row for each trial as it ends; 1 if one fails."""
    parser = argparse.ArgumentParser("python -m tools.systems", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="parts of names of trials")
    words = parser.parse_args().words
    if not (ROOT / "install" / "setup.bash").is_file():
        print("error: the workspace is not built; run: make build", file=sys.stderr)
        return 2
    print("| system | outcome | what the user reads |\n|---|---|---|", flush=True)
    failed = 0
    for name, trial in TRIALS.items():
        if not words or any(word.lower() in name.lower() for word in words):
            start = time.monotonic()
            outcome = _outcome(trial)
            failed += outcome.word == FAILS
            print(f"| {name} | {outcome.word} | {outcome.sentence.replace('|', '/')} |", flush=True)
            print(f"{outcome.output}{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    return 1 if failed else 0


def _outcome(trial: Trial) -> Outcome:
    try:
        with Place() as place:
            return trial(place)
    except NotAtHand as missing:
        return Outcome(NOT_AT_HAND, str(missing))
    except (OSError, ValueError, RuntimeError, subprocess.SubprocessError) as error:
        return Outcome(FAILS, f"the trial broke: {type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())

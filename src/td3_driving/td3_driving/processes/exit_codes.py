# SPDX-License-Identifier: Apache-2.0
"""Exit codes of the processes of a run and of the commands."""

from __future__ import annotations

BAD_INPUT = 2
"""Exit code of a process that refuses its input; a new start would end the same way."""

LOST_RANK = 4
"""Exit code of a learner that lost one of its ranks; the run ends, and is resumed by its user."""

PLUGIN_FAILED = 5
"""Exit code of a process in which an object of the user's failed; it would fail again after a new start."""

INTERRUPTED = 130
"""Exit code of a run that a person stopped, as a shell reports it."""

PIPE_CLOSED = 141
"""Exit code of a command whose output nobody reads any more, as a shell reports SIGPIPE."""

# SPDX-License-Identifier: Apache-2.0
"""The rules. Every module here that defines a subclass of ``Rule`` takes part; ``ORDER`` says which are asked first.

A module that ``ORDER`` does not name comes after those that it names.
"""

ORDER = (
    "values",
    "bound",
    "growth",
    "honoured",
    "gradients",
    "clipping",
    "policy",
    "environment",
    "graph",
    "episodes",
    "rewards",
    "explosion",
    "critic",
    "course",
    "files",
    "images",
    "evidence",
    "learning",
    "alerts",
    "camera",
)

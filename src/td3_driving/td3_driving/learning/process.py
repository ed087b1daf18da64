# SPDX-License-Identifier: Apache-2.0
"""Sets up the process of the learner, so that the same arithmetic takes less time; no result changes."""

from __future__ import annotations

import ctypes
import os
import platform

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
KEPT_BYTES = 2**31 - 1
LARGEST_BLOCK = 2**30


def prepare_process(threads: int, learners: int = 1) -> None:
    """Give torch ``threads`` CPU threads and keep freed memory for the next update.

    Args:
        threads: 0 = one per usable core, which ``learners`` processes of this machine share.
    """
    torch.set_num_threads(threads or max(usable_cores() // learners, 1))
    keep_freed_memory()


def prepare_to_act() -> None:
    """Set up a thread that runs the network: one observation at a time gives further threads nothing but spinning."""
    prepare_process(threads=1)


def usable_cores() -> int:
    """Cores that this process may run on, which in a container are often fewer than the machine has."""
    return len(os.sched_getaffinity(0))


def keep_freed_memory() -> bool:
    """Let malloc keep the large blocks that every update frees; returns whether the C library could be told.

    By default glibc returns a freed block of some MB to the kernel, and every update takes thousands of page faults to
    get the same memory again.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK) and libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))

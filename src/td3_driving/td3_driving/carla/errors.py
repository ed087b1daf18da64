# SPDX-License-Identifier: Apache-2.0
"""Errors of a CARLA server: one sentence each, with what to check."""

from __future__ import annotations


class CarlaError(RuntimeError):
    """CARLA cannot be used; the message tells a person what to check."""


class ServerLost(CarlaError):
    """The server or the bridge stopped answering; a new start may help."""

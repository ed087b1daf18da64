# SPDX-License-Identifier: Apache-2.0
"""How long tests wait."""

HANG = 600.0
"""Longest wait for what must come [s]: however busy the machine is, only a hang takes longer."""

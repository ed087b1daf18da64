# SPDX-License-Identifier: Apache-2.0
"""Tests of the project; helpers are imported by relative names."""

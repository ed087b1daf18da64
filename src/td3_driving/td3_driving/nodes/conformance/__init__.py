# SPDX-License-Identifier: Apache-2.0
"""A client of the CARLA bridge that checks whether a graph keeps its contract."""

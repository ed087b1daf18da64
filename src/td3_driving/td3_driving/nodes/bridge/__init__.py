# SPDX-License-Identifier: Apache-2.0
"""The simulator's side: what the CARLA bridge publishes, hears and offers."""

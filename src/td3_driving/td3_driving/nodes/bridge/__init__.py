# SPDX-License-Identifier: Apache-2.0
"""The simulator's side: topics, subscriptions and services of the CARLA bridge."""

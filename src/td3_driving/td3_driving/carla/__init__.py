# SPDX-License-Identifier: Apache-2.0
"""A CARLA server and its ROS bridge as a simulator: start, readiness, traffic, routes, resets, watch. No ROS in here.

What this package knows about the server comes from ``carla.Client``; what it knows about the bridge, from the topics
that the CARLA node subscribes to (:class:`td3_driving.carla.sightings.Sightings`).
"""

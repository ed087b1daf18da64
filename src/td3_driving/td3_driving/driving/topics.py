# SPDX-License-Identifier: Apache-2.0
"""Names of topics and services, once for nodes, recordings and start-up.

They are relative: a node's namespace comes before them. Those below ``carla/`` are the names of the CARLA ROS bridge.
"""

from __future__ import annotations

EGO = "carla/ego_vehicle"
"""Prefix of the vehicle's topics on the bridge."""
IMAGE = f"{EGO}/rgb_front/image"
CAMERA_INFO = f"{EGO}/rgb_front/camera_info"
ODOMETRY = f"{EGO}/odometry"
ROUTE = f"{EGO}/waypoints"
COMMAND = f"{EGO}/vehicle_control_cmd"
COLLISION = f"{EGO}/collision"
LANE_INVASION = f"{EGO}/lane_invasion"
OBJECTS = f"{EGO}/objects"
"""The other vehicles."""
ALL_OBJECTS = "carla/objects"
"""All vehicles; some back ends have only this list."""
BRIDGE_STATUS = "carla/status"
SIMULATION_CONTROL = "carla/control"
MANUAL_OVERRIDE = f"{EGO}/vehicle_control_manual_override"
SET_TRANSFORM = f"{EGO}/control/set_transform"
SET_VELOCITY = f"{EGO}/control/set_target_velocity"
SPAWN_OBJECT = "carla/spawn_object"
DESTROY_OBJECT = "carla/destroy_object"
GET_BLUEPRINTS = "carla/get_blueprints"

FRAME = "td3/frame"
"""What an embedded simulator tells the policy of its run, in one message a frame."""
REPLAY = "td3/replay"
POLICY_WEIGHTS = "td3/policy_weights"
FROZEN_WEIGHTS = "td3/frozen_weights"
"""Weights of an encoder that is not trained; published once per run."""
LEARNER_STATUS = "td3/learner_status"
REWARD = "td3/reward"
EPISODE = "td3/episode"
EPISODE_START = "td3/episode_start"
EVALUATION = "td3/evaluation"
GUARD = "td3/guard"
REFUSALS = "td3/refusals"
RUN_OFFER = "td3/run_offer"
"""What actors on other machines ask for."""
RUN_QUESTION = "td3/run_question"
"""How they ask."""
MARKERS = "td3/markers"
VIEW_IMAGE = "td3/view/image"
RESET_EPISODE = "td3/reset_episode"
RESET_ALARMS = "td3/reset_alarms"
SHARED = (
    *(REPLAY, POLICY_WEIGHTS, FROZEN_WEIGHTS, LEARNER_STATUS, REWARD, EPISODE, EPISODE_START, GUARD, EVALUATION),
    REFUSALS,
)
"""Topics that all actors share; what else an actor talks about stays in its namespace."""

AUTOWARE_COMMAND = "control/command/control_cmd"
ACKERMANN_COMMAND = "ackermann_cmd"
POLICY_COMMAND = "policy/command"
POLICY_TICK = "policy/tick"
GATE_STATUS = "gate/status"
GATE_RESET = "gate/reset"
GATE_STOP = "gate/stop"
DIAGNOSTICS = "/diagnostics"
"""One for all robots of a graph."""


def image_of(camera: str) -> str:
    """Topic of the images of a camera on the vehicle."""
    return f"{EGO}/{camera}/image"


def camera_info_of(camera: str) -> str:
    """Topic of what belongs to those images."""
    return f"{EGO}/{camera}/camera_info"

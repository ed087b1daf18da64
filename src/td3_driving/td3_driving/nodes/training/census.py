# SPDX-License-Identifier: Apache-2.0
"""Who may publish what in a run, and who does."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from rclpy.node import Node, NodeNameNonExistentError

from td3_driving.driving import topics
from td3_driving.monitor.writers import LEASE, Writer, Writers, unnamed
from td3_driving.nodes.ros.senders import full_name, guid_of

MANUAL = (f"{topics.COMMAND}_manual", topics.MANUAL_OVERRIDE)
RESETTER = "carla_episodes"
"""The node that commands the vehicle of CARLA while it resets it; the embedded simulator needs none."""
MOVES = (
    topics.SET_TRANSFORM,
    topics.SET_VELOCITY,
    f"{topics.EGO}/enable_autopilot",
)
"""What a reset moves the vehicle with."""
TELEPORTERS = ("/set_initial_pose",)
"""CARLA's node for placing the vehicle from RViz, which stands beside many a bridge."""
INITIAL_POSE, GOAL = "initialpose", f"{topics.EGO}/goal"
BY_HAND = (INITIAL_POSE, GOAL)
RVIZ = ("/rviz", "/rviz2")
"""RViz has a publisher for each of its tools, used or not."""
SENSED = (
    topics.IMAGE,
    topics.ODOMETRY,
    topics.COLLISION,
    topics.LANE_INVASION,
    topics.OBJECTS,
    topics.ALL_OBJECTS,
    topics.BRIDGE_STATUS,
    topics.FRAME,
)
"""What a policy learns from, all from one simulator."""
ASKED = (f"/{topics.RUN_QUESTION}",)
"""Where several nodes of the same name may publish: machines that join at the same time."""
MANUAL_NODES = ("/carla_manual_control", "/carla_manual_control_ego_vehicle")
"""CARLA's window for driving by hand, which stands beside many a bridge."""


def owners(actors: int, cameras: Sequence[str] = (), resetter: str = RESETTER) -> dict[str, Iterable[str] | None]:
    """Topic -> full names of the nodes that may publish there; ``None``: one node, whichever is there first.

    Args:
        actors: of the run.
        cameras: topics of the images of further cameras.
        resetter: name of the node that commands the vehicle while it resets it; "" where none does.
    """
    spaces = [""] if actors == 1 else [f"/actor_{index}" for index in range(actors)]
    policies = [f"{space}/policy" for space in spaces]
    told = (topics.REPLAY, topics.REWARD, topics.EPISODE_START, topics.EPISODE, topics.EVALUATION)
    named: dict[str, Iterable[str] | None] = {f"/{topic}": policies for topic in told}
    named[f"/{topics.REFUSALS}"] = [*policies, "/diagnostics"]
    learners = (topics.POLICY_WEIGHTS, topics.FROZEN_WEIGHTS, topics.LEARNER_STATUS)
    named |= {f"/{topic}": ["/learner"] for topic in learners}
    named[f"/{topics.GUARD}"] = ["/diagnostics"]
    named[f"/{topics.RUN_OFFER}"] = ["/registrar"]
    named[f"/{topics.RUN_QUESTION}"] = ["/joiner"]
    for space in spaces:
        resetters = [f"{space}/{resetter}"] if resetter else []
        named[f"{space}/{topics.COMMAND}"] = [f"{space}/policy", *resetters]
        named |= order_owners(space, resetter)
        named |= {f"{space}/{topic}": None for topic in (*SENSED, *cameras)}
    return named


def order_owners(space: str, resetter: str) -> dict[str, Collection[str]]:
    """Topic -> who may order something of the simulator in the namespace ``space``; see :func:`owners`."""
    space = space.rstrip("/")
    movers = [*([f"{space}/{resetter}"] if resetter else []), *TELEPORTERS]
    named: dict[str, Collection[str]] = {f"{space}/{topics.SIMULATION_CONTROL}": ()}
    named |= {f"{space}/{topic}": MANUAL_NODES for topic in MANUAL}
    named |= {f"{space}/{topic}": movers for topic in MOVES}
    return named | {f"{space}/{topic}": RVIZ for topic in BY_HAND}


def reset_services(actors: int) -> list[str]:
    """The services that begin an episode."""
    spaces = [""] if actors == 1 else [f"/actor_{index}" for index in range(actors)]
    return [f"{space}/{topics.RESET_EPISODE}" for space in spaces]


def calls_of(service: str) -> str:
    """What the calls of ``service`` stand under beside the topics."""
    return f"{service} (calls)"


class Census:
    """Looks at the publishers of all topics that have owners.

    Args:
        node: whose view of the graph is used.
        actors: of the run.
        cameras: topics of the images of further cameras.
        resetter: see :func:`owners`.

    Attributes:
        writers: what was found.
    """

    def __init__(self, node: Node, actors: int, cameras: Sequence[str] = (), resetter: str = RESETTER) -> None:
        self._node = node
        self._services = reset_services(actors)
        callers = {calls_of(service): [service.replace(topics.RESET_EPISODE, "policy")] for service in self._services}
        self.writers = Writers(owners(actors, cameras, resetter) | dict.fromkeys(self._services) | callers, ASKED)

    def look(self, now: float) -> list[str]:
        """Look at wall time ``now`` [s]; returns a sentence for every publisher that is new and no owner."""
        said = []
        for topic, ends in self._ends():
            said += [f"{name} publishes on {topic}" for name in self.writers.see(topic, ends, now)]
        return said

    def _ends(self) -> Iterator[tuple[str, list[Writer]]]:
        """Every topic and service with who writes there."""
        calls = {calls_of(service): service for service in self._services}
        node = self._node
        for topic in self.writers.topics:
            if topic in self._services:
                several = node.count_services(topic) > 1
                yield topic, self._nodes(topic, node.get_service_names_and_types_by_node) if several else []
            elif topic in calls:
                several = node.count_clients(calls[topic]) > 1
                yield topic, self._nodes(calls[topic], node.get_client_names_and_types_by_node) if several else []
            else:
                yield topic, publishers(node, topic)

    def _nodes(self, service: str, of_node: Callable[[str, str], list[tuple[str, list[str]]]]) -> list[Writer]:
        """The nodes that serve or call ``service``; asks every node, so it is called only where there are several."""
        found = []
        for name, space in self._node.get_node_names_and_namespaces():
            # A node may leave between the two questions.
            with suppress(NodeNameNonExistentError):
                if any(known == service for known, _ in of_node(name, space)):
                    found.append(Writer(full_name(name, space), ""))
        return found


def publishers(node: Node, topic: str) -> list[Writer]:
    """The publishers of ``topic`` that ``node`` knows."""
    known = node.get_publishers_info_by_topic(topic)
    return [Writer(full_name(end.node_name, end.node_namespace), guid_of(end)) for end in known]


class SecondWriter:
    """Tells whether anybody but ``node`` commands its vehicle.

    Args:
        node: the policy.
        resetter: see :func:`owners`.
        suspect: gets the topic and the GUID of everybody who does, and the names that may.
    """

    def __init__(self, node: Node, resetter: str, suspect: Callable[[str, bytes, Collection[str]], None]) -> None:
        self._node, self._suspect = node, suspect
        own, space = node.get_name(), node.get_namespace()
        self._topic = full_name(topics.COMMAND, space)
        self._allowed = tuple(full_name(name, space) for name in (own, resetter) if name)
        self._count, self._found, self._mine, self._doubtful = 0, "", "", False
        self._started = time.monotonic()

    def name(self) -> str:
        """What to say of another publisher of the commands; empty where there is none."""
        count = self._node.count_publishers(self._topic)
        if count != self._count or self._doubtful:
            self._count, self._found = count, self._look()
        return self._found

    def _look(self) -> str:
        known = publishers(self._node, self._topic)
        # One that is not named yet is held for a stranger until it has a name.
        others = [end for end in known if end.node not in self._allowed]
        own = [end for end in known if end.node == self._allowed[0]]
        self._doubtful = len(own) > 1 or any(map(unnamed, others))
        # A run that was killed is seen for a while beside the one that goes on in its place.
        self._mine = own[0].guid if len(own) == 1 else self._mine
        doubles = [end for end in own if end.guid != self._mine] if time.monotonic() - self._started > LEASE else []
        for end in others:
            self._suspect(self._topic, end.bytes, self._allowed)
        for end in doubles:
            self._suspect(self._topic, end.bytes, ())
        others += doubles
        return ", ".join(f"{end.node} (GUID {end.guid}) publishes on {self._topic} too" for end in others)

# SPDX-License-Identifier: Apache-2.0
"""Several nodes of one kind in one process: each serves another actor of the run, in the namespace of that actor."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node

TOGETHER, FIRST = "together", "actor_index"
"""Parameters: how many actors a process serves, and the number of the first."""


def arguments_of(index: int, named: Sequence[str] = ()) -> list[str]:
    """The ROS arguments of the node of actor ``index``; they come before those of the process.

    Args:
        named: parameters that hold the name of the actor.
    """
    name = f"actor_{index}"
    words = ["--ros-args", "-r", f"__ns:=/{name}", "-p", f"{FIRST}:={index}", "-p", f"{TOGETHER}:=1"]
    return words + [word for parameter in named for word in ("-p", f"{parameter}:={name}")]


def destroy(nodes: Sequence[Node]) -> None:
    """Let all of them leave the ROS graph."""
    for node in nodes:
        node.destroy_node()

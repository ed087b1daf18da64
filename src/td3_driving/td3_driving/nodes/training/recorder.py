# SPDX-License-Identifier: Apache-2.0
"""The recorder node: writes the topics of a run, as serialised, into a bag in the run folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

from rclpy.node import Node

from td3_driving.bags.topics import recorded_topics
from td3_driving.bags.writing import BagWriter
from td3_driving.driving.topics import REPLAY
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import RunEnd, leave, run, spin
from td3_driving.nodes.ros.optional_messages import message
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.nodes.ros.senders import sender_of
from td3_driving.runs.disk import reason
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import SettingsError
from td3_driving.trust.sources import process_of

LOOK = 1.0
"""Wall time between two checks of which nodes are still alive [s]."""
FOLDER = "bag"


class RecorderNode(Node):
    """Subscribes to every topic of the recording and writes the bytes of each message."""

    def __init__(self) -> None:
        super().__init__("recorder", automatically_declare_parameters_from_overrides=True)
        settings, own = load_settings(self, {"run_dir": ""})
        if not own["run_dir"]:
            raise SettingsError("parameter run_dir is needed: the folder of the run")
        topics = recorded_topics(settings.run.num_actors)
        folder = free_folder(Path(own["run_dir"]))
        prefixes = [Path(entry) for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if entry]
        kinds = {name: topic.kind for name, topic in topics}
        self._held = ExitStack()
        latched = {name for name, topic in topics if topic.latched}
        self._bag = self._held.enter_context(BagWriter(folder, kinds, parameter_file(settings), prefixes, latched))
        for name, topic in topics:
            package, _, kind = topic.kind.split("/")
            profile = qos.RECORDER_LATCHED if topic.latched else qos.RECORDER
            self.create_subscription(message(package, kind), name, self._writer(name, topic.told), profile, raw=True)
        self._policies_seen = False
        self._alone = 0
        self.create_timer(LOOK, self._look)
        self.get_logger().info(f"recording {len(topics)} topics into {folder}")

    def _writer(self, name: str, told: bool) -> Callable[[Any, Mapping[str, Any]], None]:
        def write(data: Any, info: Mapping[str, Any]) -> None:
            process = process_of(sender_of(info)) if told else None
            try:
                self._bag.write(name, time.time_ns(), bytes(data), process)
            except OSError as error:
                raise RunEnd(1, f"the bag ends here, it cannot be written: {reason(error)}") from error

        return write

    def _look(self) -> None:
        """End one check after the policies have ended, so that their last messages arrive."""
        present = self.count_publishers(f"/{REPLAY}") > 0
        self._policies_seen |= present
        self._alone = 0 if present or not self._policies_seen else self._alone + 1
        if self._alone > 2:
            raise RunEnd(0)

    def live(self) -> None:
        """Write every message that arrives."""
        spin(self)

    def close(self) -> None:
        """Finish the bag; without its index, for which a full disk has no space, it is unreadable."""
        with suppress(OSError):
            self._held.close()


def free_folder(run_directory: Path) -> Path:
    """``bag`` in the run folder, or ``bag_1``, ``bag_2`` … when the run is continued."""
    folder, number = run_directory / FOLDER, 0
    while folder.exists():
        number += 1
        folder = run_directory / f"{FOLDER}_{number}"
    return folder


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``recorder``."""
    leave(run(RecorderNode, arguments, (ValueError, OSError, ImportError)))


if __name__ == "__main__":
    main()

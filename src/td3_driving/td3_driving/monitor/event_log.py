# SPDX-License-Identifier: Apache-2.0
"""The TensorBoard event file of a run, written without torch or TensorFlow."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2

from td3_driving.doctor.steps import REWARD_TAG
from td3_driving.monitor.event_writer import EventWriter
from td3_driving.runs.disk import LastingWrites

DASHBOARDS: dict[str, dict[str, tuple[str, ...]]] = {
    "health": {
        "actor-Q beside replay-Q": ("debug/q1_for_actor_mean", "train/q1_value", "debug/target_q_mean"),
        "losses": ("train/actor_loss", "train/critic_loss"),
        "gradient norms before clipping": ("gradients/actor_norm_pre_clip", "gradients/critic_norm_pre_clip"),
        "clip share": ("gradients/actor_clip_share", "gradients/critic_clip_share"),
    },
    "driving": {
        "return": ("train/episode_reward",),
        "length": ("train/episode_length",),
        "reward terms": ("reward/total",),
        "actions": ("action/steer_mean", "action/throttle_mean", "action/saturated_share"),
    },
    "evaluation": {
        "scores": ("eval/driving_score", "eval/route_completion"),
        "success": ("eval/success_rate",),
        "violations per route": ("eval/collisions", "eval/lane_departures", "eval/lane_invasions"),
    },
}
"""Dashboard -> chart -> tags; :meth:`EventLog.layout` adds the terms of the reward."""


def _to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


class EventLog:
    """Writes scalars and texts; :meth:`flush` puts everything on disk.

    A disk that is full loses nothing for a while: what it does not take is written once there is space.

    Args:
        directory: the run folder; a run that is continued gets a further event file there.
        say: gets one sentence when the file cannot be written any more, and one when it can again.

    Raises:
        OSError: the folder cannot be written to.
    """

    def __init__(self, directory: Path, say: Callable[[str], None] = _to_stderr) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._writer = EventWriter(directory)
        self._disk = LastingWrites("the event file", say)
        self._writer.add(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        self.flush()

    @property
    def fault(self) -> str:
        """Why the file cannot be written, in one sentence; "" while it can."""
        lost = f"; {self._writer.dropped} point(s) are lost" if self._writer.dropped else ""
        return self._disk.fault + lost

    def scalars(self, values: dict[str, float], step: int) -> None:
        """One point of each series; a value that is not finite is written as it is."""
        self._write(Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]), step)

    def text(self, tag: str, text: str) -> None:
        """A text, shown by TensorBoard's text dashboard."""
        self._write(_string_summary(tag, text.encode(), "text"), 0)

    def layout(self, terms: Sequence[str]) -> None:
        """The grouping of :data:`DASHBOARDS` for TensorBoard's custom scalars, of a run with these reward ``terms``."""
        more = {"reward terms": [f"{REWARD_TAG}/{name}" for name in terms]}
        categories = [
            layout_pb2.Category(
                title=dashboard,
                chart=[
                    layout_pb2.Chart(
                        title=title, multiline=layout_pb2.MultilineChartContent(tag=[*more.get(title, ()), *tags])
                    )
                    for title, tags in charts.items()
                ],
            )
            for dashboard, charts in DASHBOARDS.items()
        ]
        data = layout_pb2.Layout(category=categories).SerializeToString()
        self._write(_string_summary("custom_scalars__config__", data, "custom_scalars"), 0)

    def flush(self) -> None:
        """Put everything on disk, or keep it for the next time."""
        self._disk.attempt(self._writer.flush)

    def close(self) -> None:
        """Flush and close; the log cannot be written to after it."""
        self.flush()
        self._writer.close()

    def _write(self, summary: Summary, step: int) -> None:
        self._writer.add(Event(wall_time=time.time(), step=step, summary=summary).SerializeToString())


def _string_summary(tag: str, data: bytes, plugin: str) -> Summary:
    tensor = TensorProto(
        dtype=DT_STRING, string_val=[data], tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    )
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata)])

# SPDX-License-Identifier: Apache-2.0
"""For TensorBoard's pages HParams and Images: the settings with the results, and frames as the policy saw them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from td3_driving.doctor.plain_text import counted
from td3_driving.learning.replay_files import HEADER, ReplayError, SlotShape, read_checked, record_type
from td3_driving.loggers.recorded import LoggedRun
from td3_driving.monitor.event_writer import EventWriter

EXPERIMENT, START, END = "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"
"""Tags by which the HParams page knows its records."""
METRICS = ("hparam/final_driving_score", "hparam/final_success_rate", "train/episode_reward")
"""Columns of the HParams page."""
PICTURES = 16
"""Frames that are written, evenly over what the replay memory holds."""
ENLARGED = 4
"""Times that a frame is enlarged; it is of few pixels."""


def write(run: LoggedRun) -> str:
    """Add an event file to the run folder; return in one line what is in it."""
    writer = EventWriter(run.folder)
    try:
        writer.add(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        last = max(run.points, default=0)
        results = {name: value for name, value in run.results.items() if isinstance(value, float)}
        for summary in hyperparameters(run.settings):
            _add(writer, summary, 0)
        for name, value in results.items():
            _add(writer, Summary(value=[Summary.Value(tag=f"hparam/{name}", simple_value=value)]), last)
        count = 0
        for step, picture in frames(run.folder / "replay"):
            _add(writer, Summary(value=[_image("camera/policy_frame", picture)]), step)
            count += 1
        writer.flush()
    finally:
        writer.close()
    return f"TensorBoard   settings on its page HParams, {counted(count, 'frame')} on its page Images"


def hyperparameters(settings: Mapping[str, Any]) -> list[Summary]:
    """The records of the HParams page: the columns, the values, the end of a session that went well."""
    infos = [api_pb2.HParamInfo(name=name, type=_kind(value)) for name, value in settings.items()]
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in METRICS]
    start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    for name, value in settings.items():
        field = start.hparams[name]
        if isinstance(value, bool):
            field.bool_value = value
        elif isinstance(value, (int, float)):
            field.number_value = value
        else:
            field.string_value = str(value)
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData
    return [
        _plugin(EXPERIMENT, data(experiment=api_pb2.Experiment(hparam_infos=infos, metric_infos=metrics))),
        _plugin(START, data(session_start_info=start)),
        _plugin(END, data(session_end_info=end)),
    ]


def frames(memory: Path) -> Iterable[tuple[int, NDArray[np.uint8]]]:
    """Transitions inserted so far and frame, (planes, height, width), evenly over a replay memory on disk; none where
    there is no such memory."""
    try:
        header = read_checked(memory / HEADER)
    except ReplayError:
        return
    shape = SlotShape(tuple(header["frame"]), header["state_dim"], header["privileged_dim"])
    slots = header["capacity"]
    pictures = np.memmap(memory / "frames.u8", np.uint8, "r", shape=(slots, *shape.frame))
    records = np.memmap(memory / "records.bin", record_type(shape), "r", shape=(slots,))
    written = np.flatnonzero(records["ordinal"] > 0)
    chosen = written[np.argsort(records["ordinal"][written])]
    for slot in chosen[np.unique(np.linspace(0, len(chosen) - 1, min(PICTURES, len(chosen))).astype(int))]:
        yield int(records["ordinal"][slot]), np.array(pictures[slot])


def _image(tag: str, frame: NDArray[np.uint8]) -> Summary.Value:
    """PNG of the first plane or, of a colour frame, of all three."""
    planes = frame if frame.ndim == 3 else frame[np.newaxis]
    shown = planes[:3].transpose(1, 2, 0)[:, :, ::-1] if len(planes) >= 3 else planes[0]
    large = cv2.resize(np.ascontiguousarray(shown), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
    _, data = cv2.imencode(".png", large)
    height, width = large.shape[:2]
    colours = 1 if large.ndim == 2 else 3
    image = Summary.Image(height=height, width=width, colorspace=colours, encoded_image_string=data.tobytes())
    return Summary.Value(tag=tag, image=image)


def _plugin(tag: str, data: Any) -> Summary:
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=data.SerializeToString())
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])


def _kind(value: Any) -> Any:
    if isinstance(value, bool):
        return api_pb2.DATA_TYPE_BOOL
    return api_pb2.DATA_TYPE_FLOAT64 if isinstance(value, (int, float)) else api_pb2.DATA_TYPE_STRING


def _add(writer: EventWriter, summary: Summary, step: int) -> None:
    writer.add(Event(wall_time=time.time(), step=step, summary=summary).SerializeToString())

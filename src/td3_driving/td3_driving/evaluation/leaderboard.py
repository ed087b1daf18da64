# SPDX-License-Identifier: Apache-2.0
"""Results in the JSON layout of the CARLA leaderboard, so that its tools can read them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from td3_driving.driving.episode import ExitReason
from td3_driving.evaluation.camera_ablation import NO_CAMERA, UNASKED, CameraNeed
from td3_driving.evaluation.episode import EpisodeResult
from td3_driving.evaluation.scores import COEFFICIENTS, IMPOSSIBLE, VERSION
from td3_driving.evaluation.summary import LATENCIES, summarise

NAMES = (
    "collisions_layout",
    "collisions_pedestrian",
    "collisions_vehicle",
    "red_light",
    "stop_infraction",
    "outside_route_lanes",
    "min_speed_infractions",
    "yield_emergency_vehicle_infractions",
    "scenario_timeouts",
    "route_dev",
    "vehicle_blocked",
    "route_timeout",
)
"""Infractions in the order of a record."""
LABELS = {
    "score_composed": "Avg. driving score",
    "score_route": "Avg. route completion",
    "score_penalty": "Avg. infraction penalty",
    "collisions_pedestrian": "Collisions with pedestrians",
    "collisions_vehicle": "Collisions with vehicles",
    "collisions_layout": "Collisions with layout",
    "red_light": "Red lights infractions",
    "stop_infraction": "Stop sign infractions",
    "outside_route_lanes": "Off-road infractions",
    "route_dev": "Route deviations",
    "route_timeout": "Route timeouts",
    "vehicle_blocked": "Agent blocked",
    "yield_emergency_vehicle_infractions": "Yield emergency vehicles infractions",
    "scenario_timeouts": "Scenario timeouts",
    "min_speed_infractions": "Min speed infractions",
}
"""Values of the document in their order."""
SCORES = ("score_composed", "score_route", "score_penalty")
FAILURES = {
    ExitReason.OFF_LANE: "Failed - Agent deviated from the route",
    ExitReason.WRONG_WAY: "Failed - Agent deviated from the route",
    ExitReason.STANDSTILL: "Failed - Agent got blocked",
    ExitReason.TIME_LIMIT: "Failed - Agent timed out",
    ExitReason.SIMULATOR_FAULT: "Failed - Simulation crashed",
}


def document(
    results: Sequence[EpisodeResult], about: Mapping[str, Any], camera: bool, need: CameraNeed = UNASKED
) -> dict[str, Any]:
    """The whole file for one agent on one scenario.

    Args:
        about: agent, plan, map and versions; stored with the metrics under the extra key ``td3_driving``.
        camera: the agent used the camera; need: whether it needed it.
    """
    needed = need if camera else CameraNeed(NO_CAMERA)
    records = [_record(index, result) for index, result in enumerate(results)]
    total = _global_record(records)
    values = {**total["scores_mean"], **total["infractions"]}
    crashed = any(result.ended is ExitReason.SIMULATOR_FAULT for result in results)
    own = {
        "scores_by": VERSION,
        "cannot_occur": list(IMPOSSIBLE),
        **about,
        "needs_its_camera": needed.document(),
        "metrics": _plain(summarise(results)),
        "machine_dependent": _plain(summarise(results, LATENCIES)),
    }
    return {
        "_checkpoint": {"global_record": total, "progress": [len(records)] * 2, "records": records},
        "entry_status": "Crashed" if crashed else "Finished",
        "eligible": not crashed,
        "sensors": ["carla_camera"] if camera else [],
        "values": [str(values[name]) for name in LABELS],
        "labels": list(LABELS.values()),
        "td3_driving": own,
    }


def bundled(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one file for several documents; a single document is the file itself."""
    return documents[0] if len(documents) == 1 else {"evaluations": list(documents)}


def _record(index: int, result: EpisodeResult) -> dict[str, Any]:
    infractions = _messages(result)
    count = sum(len(messages) for messages in infractions.values())
    return {
        "index": index,
        "route_id": f"RouteScenario_{index}_rep0",
        "status": _status(result, count),
        "num_infractions": count,
        "infractions": infractions,
        "scores": {
            "score_route": round(100.0 * result.route_completion, 6),
            "score_penalty": round(result.penalty, 6),
            "score_composed": round(result.driving_score, 6),
        },
        "meta": {
            "route_length": round(result.log.route.length, 3),
            "duration_game": round(result.duration, 3),
            "duration_system": -1,
        },
        "td3_driving": {
            "scenario": result.scenario,
            "seed": result.seed,
            "ended": result.ended.name.lower(),
            "success": result.success,
            "metrics": _plain(summarise([result])),
        },
    }


def _status(result: EpisodeResult, infractions: int) -> str:
    if result.ended is ExitReason.GOAL:
        return "Completed" if infractions else "Perfect"
    return FAILURES.get(result.ended, "Failed")


def _messages(result: EpisodeResult) -> dict[str, list[str]]:
    """One text per infraction; that of leaving the lane is worded for the leaderboard, which reads its ninth word."""
    found, infractions = {name: list[str]() for name in NAMES}, result.infractions
    for name in COEFFICIENTS:
        found[name] = [f"{name} {number + 1}" for number in range(infractions.counts.get(name, 0))]
    if infractions.outside_length > 0.0:
        length, share = round(infractions.outside_length, 3), round(100.0 * infractions.outside_share, 2)
        found["outside_route_lanes"] = [
            f"Agent went outside its route lanes for about {length} meters ({share}% of the completed route)"
        ]
    found["min_speed_infractions"] = [
        f"Average speed is {round(100.0 * ratio, 2)}% of the surrounding traffic's one"
        for ratio in infractions.slow_parts
    ]
    if infractions.ended_by:
        found[infractions.ended_by] = [FAILURES[result.ended].partition(" - ")[2]]
    return found


def _global_record(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = {name: [record["scores"][name] for record in records] for name in SCORES}
    kilometres = sum(r["meta"]["route_length"] / 1000.0 * r["scores"]["score_route"] / 100.0 for r in records)
    failed = [record for record in records if record["status"].startswith("Failed")]
    perfect = all(record["status"] == "Perfect" for record in records)
    return {
        "index": -1,
        "route_id": -1,
        "status": "Failed" if failed else "Perfect" if perfect else "Completed",
        "infractions": {name: _rate(name, records, max(kilometres, 0.001)) for name in NAMES},
        "scores_mean": {name: round(statistics.fmean(values), 6) for name, values in scores.items()},
        "scores_std_dev": {
            name: round(statistics.stdev(values), 3) if len(values) > 1 else 0 for name, values in scores.items()
        },
        "meta": {
            "total_length": sum(record["meta"]["route_length"] for record in records),
            "duration_game": sum(record["meta"]["duration_game"] for record in records),
            "duration_system": -1,
            "exceptions": [[record["route_id"], record["index"], record["status"]] for record in failed],
        },
    }


def _rate(name: str, records: Sequence[Mapping[str, Any]], kilometres: float) -> float:
    """Infractions per kilometre; of the way outside the lane, its length in kilometres, as on the leaderboard."""
    messages = [record["infractions"][name] for record in records]
    if name == "outside_route_lanes":
        return round(sum(float(found[0].split(" ")[8]) / 1000.0 for found in messages if found), 3)
    return round(sum(len(found) for found in messages) / kilometres, 3)


def _plain(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Replace infinity and NaN by null, because JSON has neither."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}

# SPDX-License-Identifier: Apache-2.0
"""The scorer of episodes: ends, scores and metrics of made-up episodes."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from td3_driving.driving.episode import ExitReason
from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.episode import EpisodeResult, EpisodeScorer, FrameEvents, Others
from td3_driving.evaluation.leaderboard import LABELS, NAMES, document
from td3_driving.evaluation.summary import METRICS, per_kilometre, summarise
from td3_driving.settings import Settings

COAST = np.array([0.0, 0.5], dtype=np.float32)
Make = Callable[..., VehicleState]
Conf = Callable[..., Settings]
Lane = Callable[[float], Route]


def judge(
    settings: Settings, route: Route, frames: Iterable[FrameEvents], ending: str = "leaderboard"
) -> EpisodeResult:
    scorer = EpisodeScorer(settings, ending, route, 1.75)
    for index, seen in enumerate(frames):
        ended = scorer.watch(seen, COAST if index else None)
        if ended is not None:
            return scorer.result(0, 7, ended)
    return scorer.result(0, 7, ExitReason.RUN_END)


def drive(along: Make, length: float, **changes: float) -> list[FrameEvents]:
    """At 10 m/s along the route, half a metre per frame."""
    return [FrameEvents(along(index, 0.5 * index, **changes)) for index in range(round(2 * length) + 2)]


def test_a_clean_drive_to_the_goal_is_perfect(settings: Conf, along: Make, straight: Lane) -> None:
    result = judge(settings(), straight(100.0), drive(along, 100.0))
    assert result.ended is ExitReason.GOAL and result.success
    assert (result.route_completion, result.penalty, result.driving_score) == (1.0, 1.0, 100.0)
    assert result.duration == pytest.approx(194 * 0.05), "the goal zone begins 3 m before the end"
    assert result.driven == 100.0
    record = document([result], {}, camera=True)["_checkpoint"]["records"][0]
    assert record["status"] == "Perfect" and record["num_infractions"] == 0


def test_leaving_the_lane_costs_its_share_of_the_route(settings: Conf, along: Make, straight: Lane) -> None:
    frames = drive(along, 100.0)
    for index in range(41, 81):
        frames[index] = FrameEvents(along(index, 0.5 * index, 3.0))
    result = judge(settings(), straight(100.0), frames)
    assert result.ended is ExitReason.GOAL and not result.success
    assert result.infractions.outside_length == pytest.approx(20.0)
    assert result.penalty == pytest.approx(1.0 - 20.0 / 97.0)
    assert result.departures == 1
    whole = document([result], {}, camera=True)
    assert whole["_checkpoint"]["records"][0]["status"] == "Completed"
    assert whole["_checkpoint"]["global_record"]["infractions"]["outside_route_lanes"] == 0.02


def test_in_training_the_first_violation_is_the_end(settings: Conf, along: Make, straight: Lane) -> None:
    frames = [FrameEvents(along(index, 0.5 * index, 3.0 if index > 100 else 0.0)) for index in range(300)]
    result = judge(settings(), straight(100.0), frames, "violation")
    assert result.ended is ExitReason.OFF_LANE
    assert result.route_completion == pytest.approx(0.505)
    assert result.infractions.ended_by == "route_dev"
    hit = [FrameEvents(along(index, 0.5 * index), contacts=[5] if index == 50 else []) for index in range(300)]
    assert judge(settings(), straight(100.0), hit, "violation").ended is ExitReason.COLLISION
    assert judge(settings(), straight(100.0), hit).ended is ExitReason.GOAL


def test_collisions_weigh_as_on_the_leaderboard(settings: Conf, along: Make, straight: Lane) -> None:
    contacts = {50: [5], 51: [5], 170: [6]}
    frames = [FrameEvents(along(index, 0.5 * index), contacts=contacts.get(index, [])) for index in range(300)]
    result = judge(settings(), straight(100.0), frames)
    assert result.collisions == 2
    assert result.driving_score == pytest.approx(100.0 / 2.4)
    assert per_kilometre([result], lambda e: e.collisions) == pytest.approx(20.0)
    rates = document([result], {}, camera=True)["_checkpoint"]["global_record"]["infractions"]
    assert rates["collisions_vehicle"] == 20.0


def test_standing_still_for_three_minutes_is_blocked(settings: Conf, along: Make, straight: Lane) -> None:
    result = judge(settings(), straight(100.0), (FrameEvents(along(index, 10.0, speed=0.0)) for index in range(4000)))
    assert result.ended is ExitReason.STANDSTILL
    assert len(result.log.actions) == 3600
    assert (result.route_completion, result.driving_score) == (0.0, 0.0)
    record = document([result], {}, camera=True)["_checkpoint"]["records"][0]
    assert record["status"] == "Failed - Agent got blocked"
    assert record["infractions"]["vehicle_blocked"] == ["Agent got blocked"]


def test_a_crawling_vehicle_runs_out_of_time(settings: Conf, along: Make, straight: Lane) -> None:
    """300 s and 80 m at a tenth of 8 m/s are 400 s, 8,000 frames."""
    result = judge(settings(), straight(80.0), (FrameEvents(along(index, 0.0, speed=0.2)) for index in range(9000)))
    assert result.ended is ExitReason.TIME_LIMIT
    assert len(result.log.actions) == 8000


def test_slower_than_the_traffic_is_an_infraction_but_no_failure(settings: Conf, along: Make, straight: Lane) -> None:
    others = Others(np.array([[0.0, 500.0, 0.0, 4.0, 2.0]] * 2), np.array([15.0, 25.0]))
    frames = [FrameEvents(along(index, 0.5 * index), others=others) for index in range(300)]
    result = judge(settings(), straight(100.0), frames)
    assert result.infractions.speed_ratios == [0.5] * 4
    assert result.success and result.penalty == pytest.approx(1.0 / 1.8)
    assert summarise([result])["speed_of_traffic"] == 50.0
    assert (
        document([result], {}, camera=True)["_checkpoint"]["global_record"]["infractions"]["min_speed_infractions"]
        == 40.0
    )


def test_summary_by_hand(settings: Conf, along: Make, straight: Lane) -> None:
    good = judge(settings(), straight(100.0), drive(along, 100.0, y=0.3))
    half = judge(settings(), straight(100.0), drive(along, 100.0, y=-0.4)[:101])
    metrics = summarise([good, half])
    assert set(metrics) == {metric.key for metric in METRICS}
    assert metrics["driving_score"] == pytest.approx(75.0)
    assert metrics["success_rate"] == 50.0
    assert metrics["mean_speed"] == 10.0
    assert metrics["lateral_error_rms"] == pytest.approx(math.sqrt((194 * 0.09 + 100 * 0.16) / 294))
    assert metrics["lateral_error_p95"] == pytest.approx(0.4)
    assert metrics["saturated_share"] == metrics["steer_change"] == metrics["longitudinal_jerk_rms"] == 0.0
    assert metrics["comfort_share"] == 100.0
    assert math.isnan(metrics["least_time_to_collision"]), "nobody said where the others are"
    with pytest.raises(ValueError, match="without episodes"):
        summarise([])


def test_document_has_the_layout_of_the_leaderboard(settings: Conf, along: Make, straight: Lane) -> None:
    results = [judge(settings(), straight(100.0), drive(along, 100.0)[:count]) for count in (300, 101)]
    whole = document(results, {"agent": "somebody"}, camera=False)
    assert whole["entry_status"] == "Finished" and whole["eligible"] is True
    assert whole["_checkpoint"]["progress"] == [2, 2]
    assert set(whole["_checkpoint"]["global_record"]["infractions"]) == set(NAMES)
    assert whole["_checkpoint"]["global_record"]["scores_mean"] == {
        "score_composed": 75.0,
        "score_route": 75.0,
        "score_penalty": 1.0,
    }
    assert whole["_checkpoint"]["global_record"]["scores_std_dev"]["score_route"] == round(50.0 / math.sqrt(2.0), 3)
    assert len(whole["values"]) == len(whole["labels"]) == len(LABELS) == 15
    assert whole["values"][:3] == ["75.0", "75.0", "1.0"]
    assert whole["td3_driving"]["metrics"]["least_time_to_collision"] is None

# SPDX-License-Identifier: Apache-2.0
"""Blur and noise, pixel by pixel."""

import numpy as np
import pytest

from td3_driving.sim.sensor import MAX_BLUR, PERFECT, ImageSensor, Optics

FIRST = 5_000_000_000


def picture(value: int = 0) -> np.ndarray:
    return np.full((40, 60, 4), value, dtype=np.uint8)


def test_blur_spreads_a_point_over_nine_pixels() -> None:
    # Three taps of variance s^2 are s^2/2, 1 - s^2, s^2/2: with s = 0.6 these are 0.18, 0.64, 0.18.
    image = picture()
    image[20, 30] = 250
    ImageSensor(Optics(blur=0.6), 40, 60).expose(image, FIRST)
    taps = np.array([0.18, 0.64, 0.18])
    assert image[19:22, 29:32, 0].astype(float) == pytest.approx(250.0 * np.outer(taps, taps), abs=0.51)
    image[19:22, 29:32, :3] = 0
    assert not image[..., :3].any()
    assert (image[..., 3] == 255).all()


def test_blur_leaves_a_plain_picture_alone() -> None:
    image = picture(77)
    ImageSensor(Optics(blur=MAX_BLUR), 40, 60).expose(image, FIRST)
    assert (image[..., :3] == 77).all()


def test_noise_has_the_spread_that_was_asked_for_and_no_mean() -> None:
    image = picture(128)
    ImageSensor(Optics(noise=6.0, seed=3), 40, 60).expose(image, FIRST)
    noise = image[..., :3].astype(float) - 128.0
    # 7200 values: the mean is known to 6 / sqrt(7200) = 0.07, the deviation to 0.05.
    assert abs(noise.mean()) < 0.3
    assert noise.std() == pytest.approx(6.0, abs=0.25)
    assert (image[..., 3] == 255).all()


def test_noise_stops_at_black_and_white() -> None:
    for value in (0, 255):
        image = picture(value)
        ImageSensor(Optics(noise=20.0), 40, 60).expose(image, FIRST)
        assert np.abs(image[..., :3].astype(int) - value).max() < 100, "nothing runs over"
        assert (image[..., :3] != value).mean() == pytest.approx(0.5, abs=0.05)


def test_noise_follows_from_seed_and_time_alone() -> None:
    def exposed(sensor: ImageSensor, stamp: int) -> bytes:
        image = picture(128)
        sensor.expose(image, stamp)
        return image.tobytes()

    first, second = (ImageSensor(Optics(noise=6.0, seed=3), 40, 60, FIRST) for _ in range(2))
    later = ImageSensor(Optics(noise=6.0, seed=3), 40, 60, 2 * FIRST)
    other = ImageSensor(Optics(noise=6.0, seed=4), 40, 60, FIRST)
    frames = [exposed(first, FIRST + 50_000_000 * step) for step in range(40)]
    assert len(set(frames)) > 30, "it changes from frame to frame"
    assert exposed(second, FIRST + 50_000_000 * 7) == frames[7]
    assert exposed(later, 2 * FIRST + 50_000_000 * 7 - 1) == frames[7], "stamps are truncated to nanoseconds"
    assert exposed(other, FIRST) != frames[0]


def test_optics_are_bounded() -> None:
    assert PERFECT.perfect
    assert not Optics(noise=1.0).perfect
    with pytest.raises(ValueError, match=r"0 \.\. 0.8 px"):
        Optics(blur=1.0)

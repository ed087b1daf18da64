# SPDX-License-Identifier: Apache-2.0
"""Documents on which CARLA's parser ends its process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from td3_driving.sim.opendrive import MapError, document
from td3_driving.sim.parser_trial import readable

from . import road_files as files

DEADLY = '<signals><signalReference s="50" t="-4" id="77" orientation="+"/></signals>'
"""Refers to no signal."""


def test_signals_that_end_the_parser_are_left_out_and_their_road_is_named() -> None:
    good = document(files.document(*(files.road(number) for number in range(1, 6))), "map")
    assert readable(good, "map") is good
    deadly = replace(good, text=good.text.replace("</lanes></road>", f"</lanes>{DEADLY}</road>", 3))
    third = deadly.text.replace(DEADLY, "", 2)
    made = readable(replace(good, text=third), "map")
    assert "signalReference" not in made.text
    (note,) = map(str, made.notes)
    assert "dies by SIG" in note and "on road 3" in note and "left out" in note


def test_the_road_on_which_the_parser_ends_is_named() -> None:
    """A reference line without a beginning; :func:`document` refuses it before the parser sees it."""
    good = document(files.document(*(files.road(number) for number in range(1, 6))), "map")
    parts = good.text.split('<geometry s="0"')
    assert len(parts) == 6
    odd = replace(good, text='<geometry s="0"'.join(parts[:4]) + '<geometry s="60"' + '<geometry s="0"'.join(parts[4:]))
    with pytest.raises(MapError, match=r"^map 'map' .* it dies by SIG[A-Z]+, on road 4$"):
        readable(odd, "map")

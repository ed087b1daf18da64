# SPDX-License-Identifier: Apache-2.0
"""Namespaces, encodings and compression of OpenDRIVE files."""

from __future__ import annotations

import gzip

import pytest

from td3_driving.sim.roads import MapError

from .conftest import Load, told
from .road_files import document, lane, road

BOTH = {"left": (lane(1),), "right": (lane(-1),)}


@pytest.mark.parametrize("prefix", ["", "odr:"])
def test_namespaces_do_not_matter(load: Load, prefix: str) -> None:
    text = document(road(1, 300.0, **BOTH))
    name = f"xmlns{':odr' if prefix else ''}"
    text = text.replace("<OpenDRIVE>", f'<OpenDRIVE {name}="http://example.org/odr">')
    if prefix:
        text = text.replace("</", "\0").replace("<", f"<{prefix}").replace("\0", f"</{prefix}")
        text = text.replace(f"<{prefix}?xml", "<?xml")
    assert len(load(text).lanes) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "iso-8859-1", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_encodings(load: Load, encoding: str) -> None:
    declared = encoding.removesuffix("-sig").removesuffix("-le")
    text = document(road(1, 300.0), name="Straße").replace('"1.0"', f'"1.0" encoding="{declared}"', 1)
    roads = load(text.encode(encoding))
    assert 'name="Straße"' in roads.opendrive and not roads.notes
    assert "encoding" not in roads.opendrive or declared == "utf-8"


@pytest.mark.parametrize("before", ["\n  ", "<!-- whose -->\n", "<!-- <?xml -->\n<!---->  "])
def test_what_stands_before_the_declaration_does_not_matter(load: Load, before: str) -> None:
    assert load(before + document(road(1))).lanes[0].length == pytest.approx(150.0, abs=0.1)
    assert load(before + document(road(1)).partition("?>")[2]).lanes[0].length == pytest.approx(150.0, abs=0.1)


@pytest.mark.parametrize("text", ["", " ", "<!--", "<!-- a", "<!-- a -->", " " * 10**6 + "x", "<!---->" * 10**5])
def test_what_is_no_document_is_refused_at_once(load: Load, text: str) -> None:
    with pytest.raises(MapError):
        load(text)


def test_undeclared_latin_1_and_gzip(load: Load) -> None:
    text = document(road(1, 300.0), name="Straße")
    assert "read as Latin-1" in told(load(text.encode("latin-1")))
    assert len(load(gzip.compress(text.encode())).lanes) == 1
    for broken, reason in (
        (gzip.compress(text.encode())[:-20], "ends too early|broken gzip"),
        (b"\x1f\x8b" + b"x" * 30, "broken gzip"),
        (text.replace('"1.0"', '"1.0" encoding="klingon"', 1).encode(), "unknown encoding 'klingon'"),
        (text.replace('"1.0"', '"1.0" encoding="rot13"', 1).encode(), "no text encoding"),
        (text.replace('"1.0"', '"1.0" encoding="ascii"', 1).encode(), "is not ASCII text"),
    ):
        with pytest.raises(MapError, match=reason):
            load(broken)

# SPDX-License-Identifier: Apache-2.0
"""From the bytes of an OpenDRIVE file to its elements: compression, encodings and XML namespaces."""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path
from xml.etree.ElementTree import Element

MAX_BYTES = 64 * 2**20
"""Largest document read; CARLA's largest town has about 20 MB."""
GZIP = b"\x1f\x8b"
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32 before UTF-16: the marks begin alike."""
DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")

BLANKS = re.compile(r"\s*")
DEEPEST = 100
"""Elements within elements; OpenDRIVE has about ten levels."""
LONGEST = 600
"""Characters of a sentence about a map: names in the file may be of any length."""


class MapError(ValueError):
    """A map is missing or cannot be used; the message is one sentence for the user."""

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


def one_line(sentence: str) -> str:
    """A sentence in one line of bounded length, whatever names it holds."""
    line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in sentence)
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def read(path: Path) -> bytes:
    """The bytes of the OpenDRIVE file at ``path``, unpacked if it is a gzip file.

    Raises:
        MapError: there is no such file, it is empty, too large, or a broken archive.
    """
    try:
        if path.is_dir():
            raise MapError(f"map {str(path)!r} is a folder")
        if not path.is_file():
            raise MapError(f"map {str(path)!r} does not exist")
        size = path.stat().st_size
        if not 0 < size <= MAX_BYTES:
            raise MapError(f"map {str(path)!r} has {size} bytes, 1 to {MAX_BYTES} are possible")
        data = path.read_bytes()
    except OSError as error:
        raise MapError(f"map {str(path)!r} cannot be read: {error.strerror}") from error
    return _unpacked(data, path) if data.startswith(GZIP) else data


def _unpacked(data: bytes, path: Path) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise MapError(f"map {str(path)!r} is a broken gzip file: {error}") from error
    if len(unpacked) > MAX_BYTES:
        raise MapError(f"map {str(path)!r} has more than {MAX_BYTES} bytes when unpacked")
    if not unpacker.eof:
        raise MapError(f"map {str(path)!r} is a gzip file that ends too early")
    return unpacked


def decoded(data: bytes, name: str) -> tuple[str, list[str], bool]:
    """The text of a document by its byte-order mark or its XML declaration, what is to be said about it, and whether
    it is in another encoding than UTF-8.

    What calls itself UTF-8, or says nothing, and is not, is read as Latin-1: every byte has a meaning there, and an
    OpenDRIVE document has letters beyond ASCII in names alone.

    Raises:
        MapError: the encoding is unknown, or the bytes are not in it.
    """
    encoding, start = _encoding(data)
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise MapError(f"map {name!r} declares the unknown encoding {encoding!r}") from error
    try:
        return data[start:].decode(encoding), [], codecs.lookup(encoding).name != "utf-8"
    except UnicodeDecodeError as error:
        if codecs.lookup(encoding).name != "utf-8" or b"\0" in data:
            raise MapError(f"map {name!r} is not {encoding.upper()} text") from error
        return data.decode("latin-1"), ["it is not UTF-8 as it should be; read as Latin-1"], True
    except (LookupError, ValueError) as error:
        raise MapError(f"map {name!r} cannot be decoded by {encoding!r}, which is no text encoding") from error


def _encoding(data: bytes) -> tuple[str, int]:
    """Name of the encoding, and where the text begins."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return encoding, len(mark)
    for encoding in ("utf-16-le", "utf-16-be"):
        if data.startswith("<".encode(encoding)):
            return encoding, 0
    declared = DECLARED.match(data[:400])
    encoding = declared[1].decode("ascii").lower() if declared else "utf-8"
    # A declaration that can be read byte by byte is not in such an encoding, whatever it says.
    return ("utf-8" if encoding.startswith(("utf-16", "utf_16", "utf16", "utf-32", "utf_32", "utf32")) else encoding), 0


def parsed(text: str, name: str) -> tuple[Element, bool]:
    """The root element ``OpenDRIVE`` of ``text``, and whether it lost what stood before its declaration, entities of
    its own, or namespaces.

    Raises:
        MapError: the text is no OpenDRIVE document.
    """
    whole = text[_start(text) :]
    try:
        root = ElementTree.fromstring(whole)
    except (ElementTree.ParseError, ValueError) as error:
        raise MapError(f"map {name!r} is not well-formed XML: {error}") from error
    if _deeper(root, DEEPEST):
        raise MapError(f"map {name!r} has elements within elements, more than {DEEPEST} deep")
    renamed = whole != text or "<!DOCTYPE" in whole
    for element in root.iter():
        for key in [key for key in element.attrib if "}" in key]:
            element.attrib[key.rpartition("}")[2]] = element.attrib.pop(key)
            renamed = True
        renamed = renamed or "}" in element.tag
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != "OpenDRIVE":
        raise MapError(f"map {name!r} is no OpenDRIVE document: its root element is <{root.tag}>")
    return root, renamed


def _deeper(root: Element, depth: int) -> bool:
    """Whether elements lie more than ``depth`` levels below ``root``."""
    level = [root]
    for _ in range(depth):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True


def _start(text: str) -> int:
    """Where a document begins: blanks and comments may not stand before ``<?xml``, and do in some files."""
    first = at = _behind_blanks(text, 0)
    while text.startswith("<!--", at) and (end := text.find("-->", at + 4)) >= 0:
        at = _behind_blanks(text, end + 3)
    return at if text.startswith("<?xml", at) else first


def _behind_blanks(text: str, at: int) -> int:
    found = BLANKS.match(text, at)
    return found.end() if found else at


def plain(raw: str) -> str:
    """A number as XML writes it: Python reads ``3_5`` and the digits of other scripts too, CARLA's parser does not.

    Raises:
        ValueError: it is not.
    """
    if not raw.isascii() or "_" in raw:
        raise ValueError
    return raw

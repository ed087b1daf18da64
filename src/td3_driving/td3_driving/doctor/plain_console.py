# SPDX-License-Identifier: Apache-2.0
"""A console whose tables and panels stay straight on terminals that cannot show every character."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from td3_driving.doctor.plain_text import plain


class PlainConsole(Console):
    """Writes what the terminal lacks with what it has before the columns are laid out, for that may be longer."""

    def render_str(self, text: str, **options: Any) -> Text:
        """As in the base class."""
        return super().render_str(shown(text, self.encoding), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As in the base class."""
        options = self.options if options is None else options
        if options.overflow == "ellipsis" and not _has("…", self.encoding):
            options = options.update(overflow="crop")
        if isinstance(renderable, Text):
            renderable = shown_text(renderable, self.encoding)
        return super().render(renderable, options)


def shown(text: str, encoding: str) -> str:
    """The text in the characters of ``encoding``."""
    return text if _has(text, encoding) else "".join(c if _has(c, encoding) else plain(c) for c in text)


def shown_text(text: Text, encoding: str) -> Text:
    """The styled text in the characters of ``encoding``; what is too long for its line is cut where it has no dots."""
    made = text.copy()
    if made.overflow == "ellipsis" and not _has("…", encoding):
        made.overflow = "crop"
    if _has(text.plain, encoding):
        return made
    foreign = [index for index, character in enumerate(text.plain) if not _has(character, encoding)]
    cuts = sorted({cut for index in foreign for cut in (index, index + 1)})
    whole = made.blank_copy()
    for piece in made.divide(cuts):
        piece.plain = shown(piece.plain, encoding)
        whole.append_text(piece)
    return whole


def _has(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True

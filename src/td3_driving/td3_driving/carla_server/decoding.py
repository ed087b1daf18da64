# SPDX-License-Identifier: Apache-2.0
"""Converts received values to the argument types of a call, or explains what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

MOST_ITEMS = 4096
"""Longest list in an argument, for example commands of a batch."""
LONGEST_TEXT = 4096
"""Longest text in an argument that is not a document [characters]."""
GREATEST = 1e12
"""Greatest magnitude of a number in an argument."""
Decoder = Callable[[Any], Any]


class WireError(ValueError):
    """An argument has the wrong type or range; the message is one sentence for the client."""


@cache
def decoder(kind: Any) -> Decoder:
    """Return the converter to ``kind``: bool, int, float, str, bytes, Any, a list, a tuple, or a record."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    origin = get_origin(kind)
    if origin is Annotated:
        return _annotated(*get_args(kind))
    if origin is list:
        return _list(decoder(get_args(kind)[0]))
    if origin is tuple:
        return _tuple([decoder(part) for part in get_args(kind)])
    return _record(kind)


def _annotated(kind: Any, *bounds: Any) -> Decoder:
    if kind is int:
        return _integer(*bounds)
    if kind is str:
        return _text(bounds[0])
    return _maybe(decoder(bounds[0]))


def _integer(low: int, high: int) -> Decoder:
    def integer(value: Any) -> int:
        if type(value) is int and low <= value <= high:
            return value
        # Clients send whole numbers as floats where a field was one in an older release.
        if type(value) is float and value == int(value) if _finite(value) else False:
            return integer(int(value))
        raise WireError(f"{_shown(value)} is not a whole number in {low} .. {high}")

    return integer


def _finite(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _number(value: Any) -> float:
    if type(value) in (float, int) and -GREATEST <= value <= GREATEST:
        return float(value)
    raise WireError(f"{_shown(value)} is not a number up to {GREATEST:g}")


def _flag(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise WireError(f"{_shown(value)} is not true or false")


def _text(longest: int) -> Decoder:
    def text(value: Any) -> str:
        if type(value) is str and len(value) <= longest:
            return value
        raise WireError(f"{_shown(value)} is not a text of up to {longest} characters")

    return text


def _bytes(value: Any) -> bytes:
    if type(value) is bytes and len(value) <= LONGEST_TEXT:
        return value
    raise WireError(f"{_shown(value)} is not a byte string of up to {LONGEST_TEXT}")


def _list(item: Decoder) -> Decoder:
    def items(value: Any) -> list[Any]:
        if type(value) is list and len(value) <= MOST_ITEMS:
            return [item(entry) for entry in value]
        raise WireError(f"{_shown(value)} is not a list of up to {MOST_ITEMS}")

    return items


def _tuple(parts: list[Decoder]) -> Decoder:
    def fields(value: Any) -> tuple[Any, ...]:
        if type(value) is list and len(value) >= len(parts):
            return tuple(part(entry) for part, entry in zip(parts, value))
        raise WireError(f"{_shown(value)} is not a list of {len(parts)}")

    return fields


def _maybe(item: Decoder) -> Decoder:
    def maybe(value: Any) -> tuple[Any, ...]:
        if type(value) is list and value[:1] == [False]:
            return (False,)
        if type(value) is list and len(value) == 2 and value[0] is True:
            return True, item(value[1])
        raise WireError(f"{_shown(value)} is neither [false] nor [true, value]")

    return maybe


def _record(kind: Any) -> Decoder:
    """Trailing fields that are missing keep their defaults, those that are too many are left out, as in the client."""
    hints = get_type_hints(kind, include_extras=True)
    parts = [decoder(hints[name]) for name in kind._fields]
    least = len(parts) - len(kind._field_defaults)
    name = kind.__name__

    def record(value: Any) -> Any:
        if type(value) is not list or len(value) < least:
            raise WireError(f"{_shown(value)} is no {name} of at least {least} fields")
        return kind(*[part(entry) for part, entry in zip(parts, value)])

    return record


def _shown(value: Any) -> str:
    """A value in a sentence; a long one is cut before it is written out."""
    if isinstance(value, (str, bytes)):
        return repr(value[:40])
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value)[:40]


SIMPLE: dict[Any, Decoder] = {
    bool: _flag,
    int: _integer(-(2**63), 2**64 - 1),
    float: _number,
    str: _text(LONGEST_TEXT),
    bytes: _bytes,
    Any: lambda value: value,
}

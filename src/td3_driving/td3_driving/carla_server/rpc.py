# SPDX-License-Identifier: Apache-2.0
"""The calls of clients: msgpack-RPC over TCP, one connection per client, answers matched by number.

A request is ``[0, number, method, [meta, argument …]]``, an answer ``[1, number, nil, result]``. The result of a call
with a value is ``[[1, value]]``, of one without ``[[false]]``, and an error ``[[0, ["text"]]]``; the client raises it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, NamedTuple, get_type_hints

import msgpack

from td3_driving.carla_server.decoding import Decoder, WireError, decoder
from td3_driving.carla_server.framing import Framer, FramingError

log = logging.getLogger(__name__)
MOST_CLIENTS = 64
"""Connections for calls at one time; further ones are closed at once."""
UNSENT = 32 * 2**20
"""Unread answers at which a client is disconnected [bytes]."""
REQUEST = 0
DONE = ((False,),)


class CallError(Exception):
    """A call cannot be carried out; the message is one sentence for the client."""


class Method(NamedTuple):
    """One call.

    Attributes:
        run: what carries it out, with the simulation and the arguments.
        decoders: of the arguments; least: how many of these must come.
        waits: whether the client waits for the answer.
        bare: the answer is not wrapped.
        group, summary: for the table of the manual.
    """

    name: str
    run: Callable[..., Any]
    decoders: tuple[Decoder, ...]
    least: int
    waits: bool
    bare: bool
    group: str
    summary: str
    returns: bool


TABLE: dict[str, Method] = {}
"""Every call that is answered, by its name."""


def call(group: str, waits: bool = True, bare: bool = False, name: str = "") -> Callable[[Any], Any]:
    """Put a function into the table; its annotations say what comes, its docstring what it does."""

    def enter(function: Any) -> Any:
        hints = get_type_hints(function, include_extras=True)
        returns = hints.pop("return", None) is not type(None)
        kinds = list(hints.values())[1:]
        known = name or function.__name__
        decoders = tuple(decoder(kind) for kind in kinds)
        least = len(kinds) - len(function.__defaults__ or ())
        summary = (function.__doc__ or "").strip().split("\n")[0].rstrip(".")
        TABLE[known] = Method(known, function, decoders, least, waits, bare, group, summary, returns)
        return function

    return enter


class Connection(asyncio.Protocol):
    """One client.

    Args:
        host: the simulation, which is the first argument of every method; it gets the calling connection.
        others: all connections that are open.
    """

    def __init__(self, host: Any, others: set[Connection]) -> None:
        self._host, self._others = host, others
        self._framer = Framer()
        self.address = ""
        self._transport: Any = None
        self._later: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        """Take the client in, unless there are too many."""
        self._transport = transport
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        if len(self._others) >= MOST_CLIENTS:
            log.warning("more than %d clients; one was sent away", MOST_CLIENTS)
            transport.abort()
            return
        self._others.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget what is bound to this client; its actors stay, as on a CARLA server."""
        self._others.discard(self)
        for task in self._later:
            task.cancel()
        self._host.client_left(self)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        """A client that does not fetch its answers is not listened to until it does."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It fetched them."""
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Carry out the calls in ``data``; a stream that is no msgpack-RPC ends the connection."""
        try:
            answers = [self._answer(message) for message in self._framer.feed(data)]
        except FramingError as error:
            log.warning("a client was disconnected: %s", error)
            self._transport.abort()
            return
        self._send(b"".join(answers))

    def _send(self, data: bytes) -> None:
        if self._transport.is_closing() or not data:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > UNSENT:
            log.warning("a client was disconnected: it does not fetch its answers")
            self._transport.abort()

    def _answer(self, message: Any) -> bytes:
        if type(message) is not list or len(message) != 4 or message[0] != REQUEST or type(message[1]) is not int:
            raise FramingError("no msgpack-RPC request")
        _, number, name, arguments = message
        result = self._carried_out(name, arguments)
        if isawaitable(result):
            task = asyncio.ensure_future(self._answer_later(number, name, result))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
            return b""
        return packed(number, result)

    async def _answer_later(self, number: int, name: str, result: Awaitable[Any]) -> None:
        try:
            answer = wrapped(TABLE[name], await result)
        except Exception as error:  # noqa: BLE001 - one bad call must not end the server
            answer = refused(name, error)
        self._send(packed(number, answer))

    def _carried_out(self, name: Any, arguments: Any) -> Any:
        try:
            method = TABLE.get(name) if type(name) is str else None
            if method is None:
                raise CallError(f"this server has no method {name!r:.80}")
            self._host.caller = self
            result = method.run(self._host, *decoded(method, arguments))
            return result if isawaitable(result) else wrapped(method, result)
        except Exception as error:  # noqa: BLE001 - one bad call must not end the server
            return refused(name, error)


def decoded(method: Method, arguments: Any) -> list[Any]:
    """The arguments of a request, without its meta data.

    Raises:
        WireError: they are not what the method takes.
    """
    if type(arguments) is not list or len(arguments) <= method.least:
        raise WireError(f"{method.name} takes {method.least} arguments and the meta data before them")
    values = arguments[1 : 1 + len(method.decoders)]
    try:
        return [decode(value) for decode, value in zip(method.decoders, values)]
    except (TypeError, OverflowError) as error:
        raise WireError(f"{method.name}: {error}") from error
    except WireError as error:
        raise WireError(f"{method.name}: {error}") from None


def wrapped(method: Method, result: Any) -> Any:
    """A result as the client expects it."""
    if method.bare:
        return result
    return ((1, result),) if method.returns else DONE


def refused(name: Any, error: Exception) -> Any:
    """Return an error as the client expects it; log an unexpected one."""
    if isinstance(error, (CallError, WireError)):
        log.debug("%s: %s", name, error)
        return ((0, (str(error),)),)
    log.error("%r failed", name, exc_info=error)
    return ((0, (f"{name!r:.80} failed: {error}",)),)


def packed(number: int, result: Any) -> bytes:
    """An answer as bytes."""
    return bytes(msgpack.packb((1, number, None, result)))

# SPDX-License-Identifier: Apache-2.0
"""Objects from outside the package, named in the settings by their import path ``package.module:Name``.

A setting of the kind :func:`td3_driving.bounded.named` takes a known name or such a path. Reading the settings checks
the form of the path; :func:`load` imports what it names.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from td3_driving.bounded import IMPORT_PATH, SettingsError, import_paths, is_import_path


class PluginError(SettingsError):
    """What an import path names cannot be imported, or lacks what its user needs."""


class PluginFault(ValueError):
    """A user's object did in the course of a run what it must not do; the run cannot go on."""


_users: dict[str, dict[str, None]] = {}
"""Source file of each module that an import path led to -> what names it, such as ``learning.teacher: 'mine:IDLE'``."""


def load(path: str, needs: Sequence[str] = (), role: str = "plugin") -> Any:
    """Import the object that ``path`` names.

    Args:
        path: ``package.module:Name``; the module must be installed or lie on ``PYTHONPATH``.
        needs: attributes that the object must have; ``"__call__"`` asks for something that can be called.
        role: what the object is for, as error messages say it, e.g. ``learning.algorithm``.

    Raises:
        PluginError: the form is wrong, the module cannot be imported, has no such name, or the object lacks one of
            ``needs``; always one sentence.
    """
    if not is_import_path(path):
        raise PluginError(f"{role}: {path!r} is no import path of the form {IMPORT_PATH}")
    module_name, name = path.split(":")
    module = _imported(module_name, path, role)
    if not hasattr(module, name):
        raise PluginError(f"{role}: {path!r}: module {module_name} has no {name}")
    found = getattr(module, name)
    missing = [need for need in needs if not hasattr(found, need)]
    if missing:
        raise PluginError(f"{role}: {path!r} lacks {', '.join(missing)}")
    _users.setdefault(_source(module), {})[f"{role}: {path!r}"] = None
    return found


def blame(error: BaseException) -> str:
    """Where a user's object raised ``error``, in one sentence; empty where none of them has a part in it.

    It names the setting with the import path, the error, and the line of the user's module that led to it.
    """
    if isinstance(error, (PluginError, PluginFault)):
        return ""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in _users:
            who, place = ", or ".join(_users[frame.filename]), f"{frame.filename}, line {frame.lineno}"
            return f"{who}: {in_one_line(error)}, in {frame.name} ({place})"
    return ""


def in_one_line(error: BaseException) -> str:
    """Type and message of an error, without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _source(module: object) -> str:
    return str(getattr(module, "__file__", None) or "")


def resolve(name: str, known: Mapping[str, Any], needs: Sequence[str] = (), role: str = "plugin") -> Any:
    """The object behind ``name``: one of ``known`` (names and their objects), or what an import path leads to.

    Raises:
        PluginError: ``name`` is neither, or see :func:`load`.
    """
    if name not in known and ":" not in name:
        raise PluginError(f"{role}: {name!r} is not one of {', '.join(known)}, nor an import path {IMPORT_PATH}")
    return known[name] if name in known else load(name, needs, role)


def plugins_in(values: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The import paths among ``{setting: value}``, by setting, each with the SHA-256 of its module's source.

    "unknown" stands for a module without a readable source.
    """
    named = {key: import_paths(value) for key, value in values.items() if isinstance(value, str)}
    return {
        key: {path: _source_digest(path) for path in paths}
        for key, paths in named.items()
        if paths and all(is_import_path(path) for path in paths)
    }


def _source_digest(path: str) -> str:
    spec = find_spec(path.split(":")[0])
    try:
        return hashlib.sha256(Path(str(spec.origin if spec else "")).read_bytes()).hexdigest()
    except OSError:
        return "unknown"


def _imported(module: str, path: str, role: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        hint = "install it, or put its folder on PYTHONPATH" if _is_part(error.name, module) else "it is not installed"
        raise PluginError(f"{role}: {path!r}: there is no module {error.name!r}; {hint}") from error
    except Exception as error:
        raise PluginError(f"{role}: {path!r}: module {module} cannot be imported ({in_one_line(error)})") from error


def _is_part(missing: str | None, module: str) -> bool:
    """Whether ``missing`` is ``module`` or a package that holds it, not something that the module imports."""
    return missing is not None and (module == missing or module.startswith(missing + "."))

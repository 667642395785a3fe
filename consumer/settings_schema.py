"""Questions about the settings' types: which keys exist, which are secrets, which are text."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr

from consumer.settings import Section, Settings

KeyPath = tuple[str | int, ...]
"""Where a setting stands: keys from the outside in, and places in a list."""

# Properties of librdkafka that are passed through and must not be shown either.
_SECRET_WORDS = ("password", "passphrase", "secret", ".pem", "oauthbearer.config")


def dotted(path: KeyPath) -> str:
    """`("input", "half_lives_s", 0)` as `input.half_lives_s[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def type_at(path: KeyPath) -> Any:
    """The declared type of what stands there; None where nothing can."""
    declared: Any = Settings
    for part in path:
        declared = _inner(declared, part)
    return declared


def is_section(declared: Any) -> bool:
    """Whether it is a section, with keys of its own, that is always there (null is no value for it)."""
    return isinstance(declared, type) and issubclass(declared, Section)


def is_free_mapping(declared: Any) -> bool:
    """Whether it is a mapping whose keys the user chooses, such as the event types."""
    return get_origin(_plain(declared)) is dict


def is_text(declared: Any) -> bool:
    """Whether only text (or null) fits there."""
    plain = _plain(declared)
    return plain is str or (get_origin(plain) is Literal and all(isinstance(a, str) for a in get_args(plain)))


def is_secret(path: KeyPath) -> bool:
    """Whether what stands there must never be shown."""
    if _plain(type_at(path)) is SecretStr:
        return True
    return is_free_mapping(type_at(path[:-1])) and any(word in str(path[-1]).lower() for word in _SECRET_WORDS)


def keys_of(section: type[Section]) -> Sequence[str]:
    return tuple(section.model_fields)


def is_number(declared: Any) -> bool:
    return _plain(declared) in (int, float)


def section_at(path: KeyPath) -> type[Section] | None:
    plain = _plain(type_at(path))
    return plain if is_section(plain) else None


def nearest(path: KeyPath) -> str | None:
    """The known key that an unknown one was most likely meant to be, dotted; first among its neighbours."""
    *outer, last = path
    section = section_at(tuple(outer))
    beside = difflib.get_close_matches(str(last), keys_of(section), n=1) if section else []
    if beside:
        return dotted((*outer, beside[0]))
    everywhere = {dotted(known): known for known in _all_keys(Settings, ())}
    same_name = [name for name, known in everywhere.items() if known[-1] == last]
    found = same_name or difflib.get_close_matches(dotted(path), everywhere, n=1, cutoff=0.7)
    return found[0] if found else None


def _all_keys(section: type[Section], path: KeyPath) -> Iterator[KeyPath]:
    for key, field in section.model_fields.items():
        yield (*path, key)
        inner = _plain(field.annotation)
        if is_section(inner):
            yield from _all_keys(inner, (*path, key))


def _inner(declared: Any, part: str | int) -> Any:
    plain = _plain(declared)
    if is_section(plain):
        field = plain.model_fields.get(part)
        return field.annotation if field else None
    if get_origin(plain) is dict:
        return get_args(plain)[1]
    if get_origin(plain) is tuple:
        return get_args(plain)[0]
    return None


def _plain(declared: Any) -> Any:
    """Without bounds and without `| None`."""
    if get_origin(declared) is Annotated:
        return _plain(get_args(declared)[0])
    if get_origin(declared) in (Union, types.UnionType):
        others = [option for option in get_args(declared) if option is not types.NoneType]
        return _plain(others[0]) if len(others) == 1 else declared
    return declared

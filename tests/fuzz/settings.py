"""Settings from files and the environment: they load, or BadSettings says why not, and nothing else ever happens.

A case is a file, and behind it variables, `KEY=value`, without the prefix."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from hypothesis import strategies as st

from consumer.errors import BadSettings
from consumer.settings_loading import load, shown
from tests.fuzz.target import SEPARATOR, Target, mangled, told

LONGEST: Final = 1 << 16
"""Of what is said about a case that is no longer than a page or two."""
_TOKENS: Final = """
input: kafka: publish: models: users: batch: event_types: fields: sasl: tls: consumer: topic: max_events: half_lives_s:
popularity: password: user_id: weight: history: bootstrap_servers: view: [ ] { } , : - ? | > & * ! &a *a <<: !!int
!!float !!bool !!str !!binary !!set !!omap !!pairs !!timestamp !!null !!python/name:os.system %YAML --- ... # " ' ~ null
true 1 -0 1e400 .nan .inf -.inf 0x 0b1 0o7 1:60:60 1_000 2026-11-23 2026-99-99 12345678901234567890123 = a.b é
"""
_SPACES: Final = [b"\n", b"\n  ", b"\t", b"\0", b"\xff", b"\xfe\xff", b" ", b"\\x"]
_PIECES: Final = [*(token.encode() for token in _TOKENS.split()), *_SPACES]
_FILES: Final = (
    b"",
    b"model: shop\ninput: {topic: events, event_types: {view: 1, cart: {weight: 4}}, fields: {user_id: uid}}\n",
    b"kafka:\n  sasl: {username: u, password: p}\n  consumer: {fetch.min.bytes: 1}\n  tls: {}\n",
    b"models:\n  popularity:\n    half_lives_s: [60, 3600.5]\nusers: &u {history: 20}\nbatch: {max_events: !!int 7}\n",
)
_VARIABLES: Final = (
    b"INPUT__TOPIC=2024",
    b"KAFKA__SASL__PASSWORD=a: [b",
    b"KAFKA__SASL__PASSWORD_FILE=/dev/null",
    b"INPUT__EVENT_TYPES__VIEW=2",
    b"MODELS__POPULARITY__HALF_LIVES_S=[1, 2]",
    b"INPUT__EVENT_TYPES={a: {weight: 1}}",
    b"KAFKA__CONSUMER__FETCH.MIN.BYTES=1",
    b"BATCH=",
)


class SettingsTarget(Target):
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="freshrank-fuzz-")
        self._file = Path(self._folder.name) / "settings.yaml"

    def check(self, case: bytes) -> int:
        file, *variables = case.split(SEPARATOR)
        self._file.write_bytes(file)
        environment = {}
        for variable in variables:
            key, _, value = variable.decode("utf-8", "surrogateescape").partition("=")
            if not value.startswith("/") or value == "/dev/null":  # what the machine has is no part of a case
                environment[f"FRESHRANK__{key}"] = value
        try:
            settings = load([self._file], environment)
        except BadSettings as error:
            told(error, most=LONGEST + 20 * len(case))
            return 1
        text = shown(settings)
        self._file.write_text(text, encoding="utf-8")
        assert shown(load([self._file], {})) == text
        return 1

    def cases(self) -> st.SearchStrategy[bytes]:
        pieces = st.lists(st.sampled_from(_PIECES), max_size=25).map(b" ".join)
        scrambled = st.tuples(st.sampled_from(_FILES), st.randoms(use_true_random=False)).map(
            lambda pair: mangled(pair[1], pair[0], _PIECES, 5)
        )
        variables = st.one_of(
            st.sampled_from(_VARIABLES),
            st.tuples(st.sampled_from(_VARIABLES), pieces).map(
                lambda pair: pair[0].partition(b"=")[0] + b"=" + pair[1]
            ),
            st.binary(max_size=12),
        )
        files = st.one_of(scrambled, pieces, st.binary(max_size=30))
        return st.tuples(files, st.lists(variables, max_size=2)).map(lambda pair: SEPARATOR.join((pair[0], *pair[1])))

    def seeds(self) -> Sequence[bytes]:
        return [*_FILES, SEPARATOR.join((_FILES[1], *_VARIABLES))]

    def changed(self, random: Random) -> bytes:
        variables = [mangled(random, random.choice(_VARIABLES), _PIECES, 2) for _ in range(random.randrange(3))]
        return SEPARATOR.join((mangled(random, random.choice(_FILES), _PIECES, 6), *variables))

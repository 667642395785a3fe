"""README's table of rights is exactly what a worker needs: each line is, and no other is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.settings import Settings
from tests.cli.conftest import Freshrank, Started
from tests.security.conftest import SecuredModel, written
from tests.security.rights import documented, grant

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

ALL = documented(Settings())


def test_the_table_is_read_in_full() -> None:
    publish, input_ = Settings().publish, Settings().input.topic
    output = {publish.scores_topic, publish.related_topic, publish.manifests_topic, Settings().dead_letters_topic}
    assert {right.name for right in ALL if right.kind == "topic"} == output | {input_}
    assert {right.name for right in ALL if right.kind != "topic"} == {Settings().group_id}
    assert len(ALL) == len(set(ALL)) == 16


@pytest.mark.parametrize("n", range(len(ALL)), ids=[str(right) for right in ALL])
def test_without_any_one_of_them_it_is_said_which_is_missing(
    freshrank: Freshrank, started: Started, secured_model: SecuredModel, tmp_path: Path, n: int
) -> None:
    rights = documented(secured_model.settings)
    lacking, user = rights.pop(n), f"{secured_model.prefix}lacks-{n}"
    secured_model.broker.add_user(user)
    grant(secured_model.broker, user, rights)
    settings = secured_model.signed_in(sasl={"username": user})
    file = written(settings, tmp_path)
    if lacking.kind == "transactional id":  # nobody tells a user without rights on the cluster about these
        with started("run", "-c", file) as worker:
            assert worker.wait(180) == 1
        told = [(tmp_path / "stderr").read_text()]
    else:
        ended = freshrank("doctor", "--records", 1, "--json", "-c", file)
        assert ended.code == 1
        findings = json.loads(ended.out)["findings"]
        told = [f"{found['saw']} {found['advice']}" for found in findings if found["severity"] == "problem"]
    assert any(lacking.operation in one and lacking.name in one for one in told), told

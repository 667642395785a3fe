"""Settings as they are shown, and the files that come with the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from consumer.settings import Settings
from consumer.settings_loading import load, shown

CONFIG = Path(__file__).parents[2] / "config"

SECRETS = """
kafka:
  sasl: {username: reader, password: hunter2}
  tls: {key_password: hunter2, ca_file: ca.pem}
  producer: {ssl.keystore.password: hunter2, sasl.oauthbearer.client.secret: hunter2, linger.ms: 5}
"""


def test_secrets_are_shown_as_stars_and_all_else_as_it_is(yaml_file: Callable[[str], Path]) -> None:
    text = shown(load([yaml_file(SECRETS)], {}))
    assert "hunter2" not in text
    kafka = yaml.safe_load(text)["kafka"]
    assert kafka["sasl"] == {"mechanism": "SCRAM-SHA-512", "username": "reader", "password": "***"}
    assert (kafka["tls"]["key_password"], kafka["tls"]["ca_file"]) == ("***", "ca.pem")
    assert kafka["producer"]["linger.ms"] == 5


def test_what_is_shown_loads_to_the_same_settings(yaml_file: Callable[[str], Path]) -> None:
    settings = load([CONFIG / "taobao.yaml"], {"FRESHRANK__MODELS__POPULARITY__HALF_LIVES_S": "[60, 3600]"})
    assert load([yaml_file(shown(settings))], {}) == settings


@pytest.mark.parametrize("file", sorted(CONFIG.glob("*.yaml")), ids=lambda file: file.name)
def test_every_file_in_config_loads(file: Path) -> None:
    assert load([file], {}).model


def test_the_example_shows_the_defaults() -> None:
    assert load([CONFIG / "freshrank.yaml"], {}) == Settings()


def test_the_data_sets_files_read_their_own_column_names() -> None:
    taobao, rees46 = (load([CONFIG / f"{name}.yaml"], {}).input for name in ("taobao", "rees46"))
    assert (taobao.fields.event_type, taobao.fields.event_time) == ("behaviour", "epoch_seconds")
    assert taobao.time_format == "epoch_seconds"
    assert set(taobao.event_types) == {"pv", "cart", "fav", "buy"}
    assert (rees46.fields.item_id, rees46.fields.session_id, rees46.fields.value) == (
        "product_id",
        "user_session",
        "price",
    )

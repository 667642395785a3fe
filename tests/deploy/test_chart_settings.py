"""The chart and the program agree: what the chart renders is what freshrank's own loader takes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer import settings_loading
from consumer.kafka.client_config import check_properties
from consumer.settings import Settings
from tests.deploy.charts import EXAMPLES, Rendered

POD = "shop-freshrank-1"
MOUNTED = "/etc/freshrank/"


def secrets(folder: Path) -> None:
    """What the production example's Secrets hold."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is missing"
    (folder / "password").mkdir()
    (folder / "password" / "password").write_text("geheim\n")
    tls = folder / "tls"
    tls.mkdir()
    request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=freshrank", "-days", "2"]
    files = ["-keyout", str(tls / "tls.key"), "-out", str(tls / "tls.crt")]
    subprocess.run([*request, *files], check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    shutil.copy(tls / "tls.crt", tls / "ca.crt")


def loaded(rendered: Rendered, folder: Path) -> Settings:
    """As the container does, with its mounts in this folder instead."""
    file = folder / "freshrank.yaml"
    file.write_text(rendered.settings_file.replace(MOUNTED, f"{folder}/"))
    environment = {entry["name"]: _value(entry).replace(MOUNTED, f"{folder}/") for entry in rendered.worker["env"]}
    assert environment.pop("FRESHRANK_CONFIG") == str(file)
    settings = settings_loading.load([file], environment)
    check_properties(settings)
    return settings


def _value(entry: dict[str, Any]) -> str:
    return str(entry["value"]) if "value" in entry else POD


@pytest.mark.parametrize("example", [(), ("minimal.yaml",)])
def test_the_loader_takes_the_settings_file(example: tuple[str, ...], tmp_path: Path) -> None:
    rendered = Rendered(*(EXAMPLES / name for name in example))
    settings = loaded(rendered, tmp_path)
    assert settings.kafka.instance_id == POD
    assert settings.kafka.tls is None
    assert settings.telemetry.host == "0.0.0.0"
    mounts = {mount["name"]: mount["mountPath"] for mount in rendered.worker["volumeMounts"]}
    assert Path(settings.checkpoints.directory).is_relative_to(mounts["checkpoints"])


def test_secrets_reach_the_settings_by_file_and_stand_in_no_resource(production: Rendered, tmp_path: Path) -> None:
    secrets(tmp_path)
    settings = loaded(production, tmp_path)
    assert settings.kafka.sasl is not None
    assert settings.kafka.sasl.password.get_secret_value() == "geheim"
    assert settings.kafka.tls is not None
    assert settings.kafka.tls.key_file == f"{tmp_path}/tls/tls.key"
    mounts = {mount["mountPath"] for mount in production.worker["volumeMounts"]}
    assert {"/etc/freshrank/tls", "/etc/freshrank/password"} <= mounts
    assert "Secret" not in production.kinds


def test_numbers_stay_numbers(production: Rendered, tmp_path: Path) -> None:
    secrets(tmp_path)
    settings = loaded(production, tmp_path)
    assert settings.catalogue.max_items == 2_000_000
    assert settings.catalogue.item_ttl_s == 15_552_000
    assert settings.input.event_types["purchase"].weight == 10


def test_the_port_is_the_one_that_is_probed_and_scraped(tmp_path: Path) -> None:
    rendered = Rendered(settings=["monitoring.port=9999"])
    (port,) = rendered.worker["ports"]
    assert loaded(rendered, tmp_path).telemetry.port == port["containerPort"] == 9999


def test_tls_without_a_secret_trusts_the_images_authorities() -> None:
    rendered = Rendered(settings=["kafka.tls.enabled=true"])
    written = yaml.safe_load(rendered.settings_file)
    assert written["kafka"]["tls"] == {"ca_file": "/etc/ssl/certs/ca-certificates.crt"}

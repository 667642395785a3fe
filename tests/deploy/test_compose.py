"""The local stack: valid, on this machine's loopback only, started in order, and of one mind with the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer import settings_loading
from producer_tools.cli import app as tools
from tests.broker.sources import IMAGE as BROKER_IMAGE
from tests.broker.sources import FromContainer
from tests.deploy.charts import DEPLOY
from tests.end_to_end.waiting import until

COMPOSE = DEPLOY / "compose.yaml"
STACK: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = ("topics", "worker", "standby", "load")
PROMETHEUS: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text(encoding="utf-8"))


def test_the_file_is_valid_by_the_compose_specification() -> None:
    program = Path(sys.executable).parent / "check-jsonschema"
    command = [str(program), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stdout


def test_docker_compose_itself_takes_the_file() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is missing")
    command = ["docker", "compose", "--file", str(COMPOSE), "--profile", "standby", "config", "--quiet"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_reached_from_another_machine(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_when_what_it_needs_is_well(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        is_job = needed == "topics"
        assert how["condition"] == ("service_completed_successfully" if is_job else "service_healthy")
        assert is_job or "healthcheck" in SERVICES[needed]


def test_the_load_waits_for_the_worker_and_the_worker_for_kafka() -> None:
    def needs(name: str) -> set[str]:
        direct = set(SERVICES[name].get("depends_on", {}))
        return direct | {further for one in direct for further in needs(one)}

    assert needs("load") == {"worker", "topics", "kafka"}
    assert needs("grafana") >= {"prometheus", "worker"}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_foreign_images_are_pinned_to_a_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


def test_the_broker_is_the_one_that_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"] == BROKER_IMAGE


def test_the_settings_fit_the_stack() -> None:
    settings = settings_loading.load([DEPLOY / "compose" / "freshrank.yaml"], {})
    kafka = SERVICES["kafka"]["environment"]
    assert f"INSIDE://{settings.kafka.bootstrap_servers}" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")
    for name in ("worker", "standby"):
        volumes = dict(volume.split(":")[:2] for volume in SERVICES[name]["volumes"])
        assert Path(settings.checkpoints.directory).is_relative_to(volumes["checkpoints"])
    assert settings.telemetry.host == "0.0.0.0"
    assert SERVICES["worker"]["ports"] == [f"127.0.0.1:{settings.telemetry.port}:{settings.telemetry.port}"]
    (scraped,) = PROMETHEUS["scrape_configs"][0]["dns_sd_configs"]
    assert (scraped["names"], scraped["port"]) == (["worker", "standby"], settings.telemetry.port)


def test_the_load_is_a_command_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Its options are parsed; the first thing it then needs is a broker, which there is none of here."""
    arguments = [value for value in SERVICES["load"]["command"] if not value.startswith("--bootstrap-servers")]
    at = "--bootstrap-servers=127.0.0.1:1"
    events = [value for value in arguments if not value.startswith("--events")]
    with pytest.raises(Exception, match=r"127\.0\.0\.1:1|broker|reach"):
        tools([*events, at, "--events=10"], standalone_mode=False)


def test_promtool_takes_the_scrape_configuration(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing; Debian's package prometheus has it")
    rules = DEPLOY / "prometheus" / "rules"
    text = (
        (DEPLOY / "compose" / "prometheus.yml").read_text(encoding="utf-8").replace("/etc/prometheus/rules", str(rules))
    )
    config = tmp_path / "prometheus.yml"
    config.write_text(text, encoding="utf-8")
    ended = subprocess.run([promtool, "check", "config", str(config)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_what_prometheus_and_grafana_mount_is_where_they_look() -> None:
    prometheus = dict(volume.split(":")[:2] for volume in SERVICES["prometheus"]["volumes"])
    assert prometheus["./prometheus/rules"] == "/etc/prometheus/rules"
    assert PROMETHEUS["rule_files"] == ["/etc/prometheus/rules/*.yml"]
    grafana = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert grafana["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert "./grafana/dashboards" in grafana


@pytest.mark.timeout(1_800)
def test_the_whole_stack_starts_and_shows_scores() -> None:
    """Builds the image and takes the stack's ports, so only where that is asked for."""
    if os.environ.get("FRESHRANK_TEST_STACK") != "1":
        pytest.skip("starts the whole stack only with FRESHRANK_TEST_STACK=1")
    lacks = FromContainer().lacks()
    if lacks:
        pytest.skip(f"{lacks[0]} is missing")
    compose = ["docker", "compose", "--file", str(COMPOSE), "--profile", "standby"]
    try:
        subprocess.run([*compose, "up", "--build", "--detach", "--wait"], check=True)
        top = [*compose, "exec", "--no-TTY", "worker", "freshrank", "top", "--json"]
        until(lambda: subprocess.run(top, capture_output=True, check=False).returncode == 0, "scores are shown", 120)
    finally:
        subprocess.run([*compose, "down", "--volumes"], check=True)

"""Values that can't work are refused before anything is deployed, and the message says what to do."""

from __future__ import annotations

import pytest

from tests.deploy.charts import EXAMPLES, template

PRODUCTION = EXAMPLES / "production.yaml"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("replicsa=2", "Additional property replicsa is not allowed"),
        ("replicas=0", "replicas"),
        ("replicas=two", "replicas"),
        ("checkpoints.accessMode=ReadOnlyMany", "checkpoints.accessMode"),
        ("checkpoints.size=10", "checkpoints.size"),
        ("image.digest=latest", "image.digest"),
        ("monitoring.port=70000", "monitoring.port"),
        ("monitoring.podMonitor.interval=often", "monitoring.podMonitor.interval"),
        ("terminationGracePeriodSeconds=5", "terminationGracePeriodSeconds"),
        ("settings.kafka.bootstrap_servers=", "settings.kafka.bootstrap_servers"),
        ("kafka.tls.existingSecret=Not_A_Name", "kafka.tls.existingSecret"),
    ],
)
def test_a_value_that_is_wrong_by_itself_is_refused_by_the_schema(value: str, complaint: str) -> None:
    answer = template(settings=[value])
    assert answer.code != 0
    assert "don't meet the specifications of the schema" in answer.err
    assert complaint in answer.err


@pytest.mark.parametrize("mode", ["ReadWriteOnce", "ReadWriteOncePod"])
def test_a_standby_without_a_volume_that_both_see_is_refused(mode: str) -> None:
    answer = template(settings=["replicas=2", f"checkpoints.accessMode={mode}"])
    assert answer.code != 0
    assert f"replicas is 2, but checkpoints.accessMode is {mode}" in answer.err
    assert "Set checkpoints.accessMode to ReadWriteMany" in answer.err


def test_a_worker_alone_may_have_any_volume() -> None:
    codes = [
        template(settings=[f"checkpoints.accessMode={mode}"]).code
        for mode in ("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany")
    ]
    assert codes == [0, 0, 0]


@pytest.mark.parametrize(
    "setting",
    [
        "checkpoints.directory=/x",
        "telemetry.host=::1",
        "telemetry.port=1",
        "kafka.instance_id=a",
        "kafka.tls.ca_file=x",
    ],
)
def test_a_setting_that_is_the_charts_own_is_refused(setting: str) -> None:
    answer = template(settings=[f"settings.{setting}"])
    assert answer.code != 0
    assert "is set by the chart" in answer.err


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (["settings.kafka.sasl.password=geheim"], "would stand in a ConfigMap"),
        (["kafka.password.existingSecret="], "settings.kafka.sasl needs a password"),
        (["settings.kafka.sasl=null"], "is for settings.kafka.sasl"),
        (["kafka.tls.key="], "belong together"),
        (["kafka.tls.existingSecret="], "is a key of a Secret"),
        (["kafka.tls.enabled=false"], "would not encrypt"),
    ],
)
def test_secrets_that_do_not_fit_together_are_refused(values: list[str], complaint: str) -> None:
    answer = template(PRODUCTION, settings=values)
    assert answer.code != 0
    assert complaint in answer.err

"""What the chart makes is valid, locked down, and runs the worker as the worker needs it."""

from __future__ import annotations

import kubernetes_validate
import pytest
import yaml

from consumer.durability import FINISH_TIMEOUT_S
from consumer.kafka.input import LEAVE_TIMEOUT_S
from tests.deploy.charts import CHART, DEPLOY, EXAMPLES, KUBERNETES, Rendered, helm, template

CUSTOM = {"PodMonitor", "PrometheusRule"}
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))


@pytest.mark.parametrize("values", [None, "minimal.yaml", "production.yaml"])
def test_helm_has_nothing_to_say_against_the_chart(values: str | None) -> None:
    given = () if values is None else ("--values", EXAMPLES / values)
    answer = helm("lint", "--strict", CHART, *given)
    assert (answer.code, "0 chart(s) failed" in answer.out) == (0, True), answer.out + answer.err


def test_every_resource_is_valid_for_kubernetes(rendered: Rendered) -> None:
    version = KUBERNETES.rpartition(".")[0]
    judged = [
        kubernetes_validate.validate(resource, version, strict=True)
        for resource in rendered.all
        if resource["kind"] not in CUSTOM
    ]
    assert len(judged) >= 4


def test_by_default_no_custom_resource_is_needed(defaults: Rendered) -> None:
    assert defaults.kinds == {"StatefulSet", "Service", "ConfigMap", "PersistentVolumeClaim", "NetworkPolicy"}


def test_all_resources_of_a_release_have_its_name_and_labels(rendered: Rendered) -> None:
    names = {resource["metadata"]["name"] for resource in rendered.all}
    assert names == {"shop-freshrank", "shop-freshrank-checkpoints"}
    for resource in rendered.all:
        assert resource["metadata"]["labels"]["app.kubernetes.io/instance"] == "shop"


def test_pods_and_containers_are_restricted(rendered: Rendered) -> None:
    pod = rendered.pod
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10_000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= container["resources"].keys()


def test_a_slot_is_named_after_its_pod(rendered: Rendered) -> None:
    (instance,) = [entry for entry in rendered.worker["env"] if entry["name"] == "FRESHRANK__KAFKA__INSTANCE_ID"]
    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_a_stop_has_more_time_than_the_worker_tries_to_publish_and_to_leave(rendered: Rendered) -> None:
    assert rendered.pod["terminationGracePeriodSeconds"] >= 2 * (FINISH_TIMEOUT_S + LEAVE_TIMEOUT_S)


def probed(rendered: Rendered) -> dict[str, str]:
    return {
        probe: rendered.worker[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }


def test_a_worker_alone_is_ready_once_it_reads(defaults: Rendered) -> None:
    assert probed(defaults) == {
        "startupProbe": "/startupz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }


def test_a_standby_does_not_hold_a_rollout_up(production: Rendered) -> None:
    assert probed(production)["readinessProbe"] == "/startupz"
    assert production["StatefulSet"]["spec"]["podManagementPolicy"] == "Parallel"


def test_a_start_may_take_as_long_as_the_worker_allows_itself(rendered: Rendered) -> None:
    probe = rendered.worker["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 300


def test_a_drain_takes_one_of_several_slots_at_a_time(production: Rendered) -> None:
    budget = production["PodDisruptionBudget"]["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["selector"] == production["StatefulSet"]["spec"]["selector"]


def test_a_worker_alone_does_not_keep_its_node_from_being_drained(defaults: Rendered) -> None:
    assert "PodDisruptionBudget" not in defaults.kinds


def test_all_slots_see_one_volume_that_outlives_the_release(production: Rendered) -> None:
    claim = production["PersistentVolumeClaim"]
    (volume,) = [volume for volume in production.pod["volumes"] if volume["name"] == "checkpoints"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_claim_that_is_there_is_used_as_it_is() -> None:
    rendered = Rendered(settings=["checkpoints.existingClaim=learned"])
    (volume,) = [volume for volume in rendered.pod["volumes"] if volume["name"] == "checkpoints"]
    assert volume["persistentVolumeClaim"]["claimName"] == "learned"
    assert "PersistentVolumeClaim" not in rendered.kinds


def test_workers_reach_the_brokers_ports_and_nothing_else(production: Rendered) -> None:
    policy = production["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert sorted({port["port"] for rule in policy["egress"] for port in rule["ports"]}) == [53, 9093]


def test_several_ports_are_allowed_where_brokers_advertise_others() -> None:
    settings = [r"settings.kafka.bootstrap_servers=a:9094\, b:9095\,c", "networkPolicy.kafkaPorts={9096,9094}"]
    policy = Rendered(settings=settings)["NetworkPolicy"]["spec"]
    assert [port["port"] for port in policy["egress"][1]["ports"]] == [9094, 9095, 9092, 9096]


def test_only_monitoring_may_scrape(production: Rendered) -> None:
    (rule,) = production["NetworkPolicy"]["spec"]["ingress"]
    assert rule["ports"] == [{"port": "metrics"}]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_the_pod_monitor_finds_the_pods_and_their_port(production: Rendered) -> None:
    monitor = production["PodMonitor"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    labels = production["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    (port,) = production.worker["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")


def test_a_change_of_the_settings_restarts_the_workers() -> None:
    def checksum(interval: str) -> str:
        rendered = Rendered(settings=[f"settings.publish.interval_s={interval}"])
        return str(rendered["StatefulSet"]["spec"]["template"]["metadata"]["annotations"]["checksum/settings"])

    assert checksum("0.5") == checksum("0.5") != checksum("0.6")


def test_an_image_can_be_pinned_by_its_digest() -> None:
    digest = f"sha256:{'0a' * 32}"
    rendered = Rendered(settings=["image.repository=registry.example.com/x", f"image.digest={digest}"])
    assert rendered.worker["image"] == f"registry.example.com/x@{digest}"


def test_topics_are_created_before_the_worker_starts_where_that_is_wanted(production: Rendered) -> None:
    (topics,) = production.pod["initContainers"]
    assert topics["args"] == ["topics", "--create", "--replication-factor=3", "--partitions=12"]
    assert topics["env"] == production.worker["env"]


def test_the_name_of_a_release_that_says_freshrank_is_not_doubled() -> None:
    answer = template(release="freshrank")
    assert "\n  name: freshrank\n" in answer.out


def test_the_rules_of_the_chart_are_those_of_prometheus() -> None:
    copies = {file.name: file.read_text() for file in (CHART / "rules").glob("*.yml")}
    assert copies == {file.name: file.read_text() for file in RULES}, (
        "make them equal: cp deploy/prometheus/rules/*.yml deploy/helm/freshrank/rules/"
    )


def test_the_operator_gets_every_group_of_rules(production: Rendered) -> None:
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    assert ("PrometheusRule" in production.kinds) == bool(groups)
    if groups:
        rule = production["PrometheusRule"]
        assert (rule["apiVersion"], rule["metadata"]["labels"]["release"]) == (
            "monitoring.coreos.com/v1",
            "prometheus",
        )
        assert rule["spec"]["groups"] == groups

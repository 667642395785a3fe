"""The dashboards' files: what was generated, complete, and about metrics that exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.telemetry.catalogue import CATALOGUE, Metric
from deploy.grafana.__main__ import DASHBOARDS, FOLDER
from deploy.grafana.panels import Dashboard, Panel
from deploy.grafana.rendering import FULL_WIDTH, as_text
from tests.watching.promql import exposed, metrics_in
from tests.watching.rules import DEPLOY, RECORDED

PROVISIONING = DEPLOY / "grafana" / "provisioning"
OF_A_WORKER = [metric for metric in CATALOGUE if not metric.name.startswith("freshrank_replay_")]
"""A replay has an end, and says in its terminal how far it is."""

every_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


def rendered(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


def panels(dashboard: Dashboard) -> list[Panel]:
    return [panel for row in dashboard.rows for panel in row.panels]


def named(dashboard: Dashboard) -> set[str]:
    queries = [query.promql for panel in panels(dashboard) for query in panel.queries]
    queries += [annotation.query.promql for annotation in dashboard.annotations]
    return {metric for query in queries for metric in metrics_in(query)}


@every_dashboard
def test_the_file_is_what_make_dashboards_writes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == as_text(DASHBOARDS[name])


def test_there_is_no_other_file() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(DASHBOARDS)


@every_dashboard
def test_only_metrics_of_the_catalogue_are_named(name: str) -> None:
    assert named(DASHBOARDS[name]) <= exposed() | set(RECORDED)


@pytest.mark.parametrize("metric", OF_A_WORKER, ids=lambda metric: metric.name)
def test_every_metric_of_a_worker_is_on_a_dashboard(metric: Metric) -> None:
    recorded = {name for rule in RECORDED.values() for name in metrics_in(rule["expr"])}
    shown = recorded.union(*map(named, DASHBOARDS.values()))
    assert {metric.name, f"{metric.name}_bucket", f"{metric.name}_sum"} & shown


@every_dashboard
def test_every_panel_says_what_it_is_about_and_has_a_title_of_its_own(name: str) -> None:
    shown = panels(DASHBOARDS[name])
    assert all(panel.about and panel.unit and panel.queries for panel in shown)
    assert len({panel.title for panel in shown}) == len(shown)


@every_dashboard
def test_several_queries_of_a_panel_have_legends(name: str) -> None:
    for panel in panels(DASHBOARDS[name]):
        assert all(query.legend for query in panel.queries), panel.title


@every_dashboard
def test_panels_do_not_overlap_and_fit_in_the_width(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in rendered(name)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= FULL_WIDTH
        assert not taken & cells, panel["title"]
        taken |= cells


@every_dashboard
def test_every_query_goes_to_the_data_source_that_is_chosen(name: str) -> None:
    board = rendered(name)
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert board["templating"]["list"][0]["type"] == "datasource"
    asking = [panel for panel in board["panels"] if panel["type"] != "row"]
    asking += [target for panel in asking for target in panel["targets"]]
    asking += board["annotations"]["list"] + board["templating"]["list"][1:]
    assert all(question["datasource"] == chosen for question in asking)


def test_restarts_rollbacks_and_held_versions_are_annotated() -> None:
    for dashboard in DASHBOARDS.values():
        assert {"started", "rolled back", "held"} <= {annotation.name for annotation in dashboard.annotations}


def test_grafana_is_told_where_the_dashboards_and_the_data_are() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "freshrank.yaml").read_text())["providers"]
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert Path(provider["options"]["path"]).name == FOLDER.name
    assert (source["type"], source["access"]) == ("prometheus", "proxy")

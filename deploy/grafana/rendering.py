"""Dashboards as Grafana's JSON (schema 41, Grafana 11.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.grafana.panels import Annotation, Dashboard, Panel, Row, Variable

Json = dict[str, Any]

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
FULL_WIDTH = 24
HEIGHTS: Mapping[str, int] = {"timeseries": 8, "stat": 4, "state-timeline": 8}
ANNOTATION_STEP = "60s"


def as_text(dashboard: Dashboard) -> str:
    """The file that is provisioned."""
    return json.dumps(as_json(dashboard), indent=2, ensure_ascii=False) + "\n"


def as_json(dashboard: Dashboard) -> Json:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["freshrank"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": dashboard.since, "to": "now"},
        "links": [_link_to_the_others()],
        "templating": {"list": [_source_variable(), *map(_variable, dashboard.variables)]},
        "annotations": {"list": [_annotation(annotation) for annotation in dashboard.annotations]},
        "panels": _panels(dashboard.rows),
    }


def _link_to_the_others() -> Json:
    return {
        "title": "freshrank", "type": "dashboards", "tags": ["freshrank"], "asDropdown": False,
        "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": "",
    }  # fmt: skip


def _source_variable() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": SOURCE,
        "definition": variable.query,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,  # whenever the time range changes
        "sort": 1,
        "multi": variable.is_many,
        "includeAll": variable.is_many,
        "current": {"text": ["All"], "value": ["$__all"]} if variable.is_many else {},
    }


def _annotation(annotation: Annotation) -> Json:
    return {
        "name": annotation.name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": annotation.color,
        "expr": annotation.query.promql,
        "step": ANNOTATION_STEP,
        "titleFormat": annotation.name,
        "textFormat": annotation.query.legend,
        "useValueForTime": annotation.value_is_time,
    }


def _panels(rows: Sequence[Row]) -> list[Json]:
    """Rows from top to bottom, panels from left to right as far as they fit."""
    placed: list[Json] = []
    y = 0
    for row in rows:
        placed.append({"type": "row", "title": row.title, "collapsed": False, "panels": [], **_grid(y, 0, 24, 1)})
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > FULL_WIDTH:
                x, y, height = 0, y + height, 0
            placed.append(_panel(panel) | _grid(y, x, panel.width, HEIGHTS[panel.kind]))
            x, height = x + panel.width, max(height, HEIGHTS[panel.kind])
        y += height
    return [{"id": number, **panel} for number, panel in enumerate(placed, start=1)]


def _grid(y: int, x: int, width: int, height: int) -> Json:
    return {"gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": SOURCE, "expr": query.promql, "legendFormat": query.legend}
            for n, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> Json:
    steps = [{"value": None, "color": panel.base}, *({"value": s.value, "color": s.color} for s in panel.steps)]
    return {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [
            {"type": "value", "options": {f"{value:g}": {"text": word, "color": color}}}
            for value, word, color in panel.values
        ],
        "custom": _drawing(panel) if panel.kind == "timeseries" else {},
    }


def _drawing(panel: Panel) -> Json:
    return {
        "lineWidth": 1,
        "fillOpacity": 30 if panel.is_stacked else 5,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.is_stacked else "none"},
        "scaleDistribution": {"type": "log", "log": 10} if panel.is_logarithmic else {"type": "linear"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


def _options(panel: Panel) -> Json:
    if panel.kind == "stat":
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"reduceOptions": reduced, "colorMode": "background", "graphMode": "area", "textMode": "auto"}
    if panel.kind == "state-timeline":
        return {"showValue": "never", "mergeValues": True, "legend": {"displayMode": "list", "placement": "bottom"}}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }

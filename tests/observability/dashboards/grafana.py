"""How Grafana is told of a dashboard. What it fills in by itself is left out: the files stay short."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.observability.dashboards.sources import Dashboard, Kind, Panel, Query, Row

_COLUMNS: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA: Final = 41  # of Grafana 12
_TRACES: Final = '/explore?schemaVersion=1&panes={"t":{"datasource":"jaeger","queries":[{"refId":"A"}]}}'


def written(name: str, dashboard: Dashboard) -> Mapping[str, object]:
    """Give it as Grafana's model of a dashboard."""
    variables = [_variable(name, query) for name, query in dashboard.variables.items()]
    return {
        "uid": f"isthmus-{name}",
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["isthmus"],
        "schemaVersion": _SCHEMA,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "graphTooltip": 1,  # a time that is pointed at is shown in all panels
        "editable": False,
        "links": _links(),
        "templating": {"list": [_source_variable(), *variables]},
        "panels": list(_placed(dashboard.rows)),
    }


def _links() -> Sequence[Mapping[str, object]]:
    others = {"type": "dashboards", "title": "Isthmus", "tags": ["isthmus"], "asDropdown": False}
    traces = {"type": "link", "title": "Traces", "icon": "external link", "url": _TRACES}
    return [{**others, "includeVars": True, "keepTime": True}, {**traces, "keepTime": True}]


def _source_variable() -> Mapping[str, object]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "Prometheus", "value": "prometheus"},
    }


def _variable(name: str, query: str) -> Mapping[str, object]:
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # when the time range changes too: origins come and go
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(rows: Sequence[Row]) -> Iterator[Mapping[str, object]]:
    """Number the panels, and set them from the left to the right."""
    number, top = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
        heading = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
        yield {"id": number, "gridPos": place, **heading}
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            width, height = panel.size
            if left + width > _COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            number += 1
            place = {"x": left, "y": top, "w": width, "h": height}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left, tallest = left + width, max(tallest, height)
        top += tallest


def _panel(panel: Panel) -> Mapping[str, object]:
    return {
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [_target(panel.kind, number, query) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
    }


def _target(kind: Kind, number: int, query: Query) -> Mapping[str, object]:
    is_instant = kind in (Kind.NUMBER, Kind.TABLE)
    return {
        "refId": chr(ord("A") + number),
        "datasource": _SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "range": not is_instant,
        "instant": is_instant,
        **({"format": "table"} if kind is Kind.TABLE else {}),
    }


def _defaults(panel: Panel) -> Mapping[str, object]:
    steps: list[Mapping[str, object]] = [{"color": "green", "value": None}]
    steps += [{"color": colour, "value": bound} for colour, bound in panel.bounds.items()]
    defaults: dict[str, object] = {
        "unit": panel.unit.value,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.kind is Kind.LINES:
        defaults["min"] = 0
        defaults["custom"] = {
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if panel.bounds else "off"},
        }
    if panel.words:
        words = {value: {"text": word, "color": colour} for value, (word, colour) in panel.words.items()}
        defaults["mappings"] = [{"type": "value", "options": words}]
    return defaults


def _options(kind: Kind) -> Mapping[str, object]:
    match kind:
        case Kind.LINES:
            legend = {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        case Kind.NUMBER:
            last = {"calcs": ["lastNotNull"]}
            return {"reduceOptions": last, "colorMode": "background", "graphMode": "none"}
        case Kind.STATES:
            return {"showValue": "never", "legend": {"displayMode": "list", "placement": "bottom"}}
        case Kind.TABLE:
            return {"showHeader": True}

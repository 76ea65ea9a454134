"""The Grafana dashboard of the chart: rows of panels, each with a question, its queries and their unit."""

import json
from itertools import count
from typing import Any, NamedTuple

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 8
OF_POLICY = 'namespace=~"$namespace", policy=~"$policy"'
OF_BACKEND = 'namespace=~"$namespace", backend=~"$backend"'
BACKEND = "{{namespace}}/{{backend}}"
TARGET = "{{policy}}/{{route}}: {{target}}"


class Panel(NamedTuple):
    """Queries are pairs of PromQL and a legend. ``most`` bounds the axis, ``stacked`` adds the series up."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    most: float | None = None
    stacked: bool = False


def _rate(metric: str, by: str, of: str = OF_POLICY) -> str:
    return f"sum by ({by}) (rate({metric}{{{of}}}[$__rate_interval]))"


def _quantile(metric: str, quantile: float, by: str, of: str) -> str:
    return f"histogram_quantile({quantile}, {_rate(f'{metric}_bucket', f'le, {by}' if by else 'le', of)})"


def _backend(metric: str, by: str = "namespace, backend") -> str:
    return f"max by ({by}) (signalbox_backend_{metric}{{{OF_BACKEND}}})"


def _all(more: str = "") -> str:
    """Requests of a policy, with those that were never sent; each of the two counters lacks the other's label."""
    name = '__name__=~"signalbox_router_(requests|rejected)_total"'
    return f"sum by (policy) (rate({{{name}, {OF_POLICY}{more}}}[$__rate_interval]))"


_FAILURES = _all(', status=~"5..|", code=~"no_backend|no_healthy_target|no_route|internal_error|"')
_FAILED = f"({_FAILURES} or on (policy) 0 * {_all()}) / {_all()}"
_WAY = "policy, route, target"
_TTFT, _LASTS = "gen_ai_server_time_to_first_token_seconds", "gen_ai_client_operation_duration_seconds"

ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Requests",
        (
            Panel("Requests", "reqps", ((_rate("signalbox_router_requests_total", _WAY), TARGET),), stacked=True),
            Panel("Failed, of all", "percentunit", ((_FAILED, "{{policy}}"),), most=1.0),
            Panel(
                "Never sent to a backend",
                "reqps",
                ((_rate("signalbox_router_rejected_total", "policy, code"), "{{policy}} {{code}}"),),
            ),
            Panel(
                "Time to first token",
                "s",
                tuple(
                    (_quantile(_TTFT, q, "policy", OF_POLICY), f"{{{{policy}}}} p{int(q * 100)}") for q in (0.5, 0.99)
                ),
            ),
            Panel(
                "Duration of requests",
                "s",
                tuple(
                    (_quantile(_LASTS, q, "policy", OF_POLICY), f"{{{{policy}}}} p{int(q * 100)}") for q in (0.5, 0.99)
                ),
            ),
            Panel(
                "Tokens",
                "short",
                (
                    (
                        _rate("gen_ai_client_token_usage_sum", "backend, gen_ai_token_type"),
                        "{{backend}} {{gen_ai_token_type}}",
                    ),
                ),
            ),
        ),
    ),
    (
        "Weights",
        (
            Panel(
                "In force, as the operator says",
                "percentunit",
                ((f"max by ({_WAY}) (signalbox_target_weight_ratio{{{OF_POLICY}}})", TARGET),),
                most=1.0,
            ),
            Panel(
                "Without regard to load",
                "percentunit",
                ((f"max by ({_WAY}) (signalbox_target_base_weight_ratio{{{OF_POLICY}}})", TARGET),),
                most=1.0,
            ),
            Panel(
                "Requests that each target got, of a route's",
                "percentunit",
                (
                    (
                        f"{_rate('signalbox_router_requests_total', _WAY)} / on (policy, route) group_left "
                        f"{_rate('signalbox_router_requests_total', 'policy, route')}",
                        TARGET,
                    ),
                ),
                most=1.0,
            ),
            Panel(
                "Targets by the reason of their weight",
                "short",
                (
                    (
                        "sum by (reason) (max by (namespace, policy, route, tier, target, reason) "
                        f"(signalbox_target_weight_reason{{{OF_POLICY}}}))",
                        "{{reason}}",
                    ),
                ),
                stacked=True,
            ),
        ),
    ),
    (
        "Backends",
        (
            Panel("Utilisation (0.9 is overloaded)", "percentunit", ((_backend("utilization_ratio"), BACKEND),)),
            Panel(
                "Requests in engines",
                "short",
                (
                    (_backend("running_requests"), f"{BACKEND} running"),
                    (_backend("waiting_requests"), f"{BACKEND} waiting"),
                ),
            ),
            Panel("KV cache", "percentunit", ((_backend("kv_cache_usage_ratio"), BACKEND),), most=1.0),
            Panel(
                "Tokens a second, and what they can do",
                "short",
                (
                    (_backend("tokens_per_second"), BACKEND),
                    (_backend("capacity_tokens_per_second"), f"{BACKEND} capacity"),
                ),
            ),
            Panel(
                "Endpoints that are there, and wanted",
                "short",
                ((_backend("usable_endpoints"), BACKEND), (_backend("demand_replicas"), f"{BACKEND} wanted")),
            ),
            Panel("Age of signals", "s", ((_backend("signal_age_seconds"), BACKEND),)),
            Panel(
                "Attempts at backends",
                "reqps",
                (
                    (
                        _rate("signalbox_router_attempts_total", "backend, outcome", OF_BACKEND),
                        "{{backend}} {{outcome}}",
                    ),
                ),
            ),
            Panel(
                "Engines that cannot be read, endpoints taken out",
                "short",
                (
                    (_backend("unreadable_endpoints", "namespace, backend, error"), f"{BACKEND} {{{{error}}}}"),
                    (
                        "sum by (backend, cause) "
                        f"(increase(signalbox_router_ejections_total{{{OF_BACKEND}}}[$__rate_interval]))",
                        "{{backend}} {{cause}} out",
                    ),
                ),
            ),
        ),
    ),
    (
        "Operator and routers",
        (
            Panel("Leader", "short", (("sum(signalbox_operator_leader)", "replicas that lead"),)),
            Panel(
                "Reconciles",
                "s",
                (
                    (_quantile("signalbox_operator_reconcile_duration_seconds", 0.99, "", ""), "p99"),
                    ("max(signalbox_operator_queue_oldest_seconds)", "oldest in the queue"),
                ),
            ),
            Panel(
                "The loop",
                "s",
                (
                    (_quantile("signalbox_feedback_step_duration_seconds", 0.99, "", ""), "step p99"),
                    (_quantile("signalbox_scrape_duration_seconds", 0.99, "", ""), "reading an engine p99"),
                    (_quantile("signalbox_scrape_lateness_seconds", 0.99, "", ""), "lateness p99"),
                ),
            ),
            Panel(
                "Reconciles by result",
                "short",
                (("sum by (result) (rate(signalbox_operator_reconciles_total[$__rate_interval]))", "{{result}}"),),
            ),
            Panel(
                "Memory",
                "bytes",
                (
                    (
                        "sum by (pod) (process_resident_memory_bytes * on (instance) signalbox_operator_leader)",
                        "leader",
                    ),
                    (
                        "sum by (namespace, pod) (signalbox_router_worker_resident_memory_bytes)",
                        "{{namespace}}/{{pod}}",
                    ),
                ),
            ),
            Panel(
                "Workers that serve",
                "short",
                (
                    (
                        'sum by (namespace, pod) (signalbox_router_worker_state{state="serving"})',
                        "{{namespace}}/{{pod}}",
                    ),
                ),
            ),
        ),
    ),
)


def render() -> str:
    """As Grafana imports it."""
    identity = count(1)
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        panels.append({"id": next(identity), "type": "row", "title": title, "gridPos": place, "panels": []})
        top += 1
        across = 2 if len(row) % 3 else 3
        for number, panel in enumerate(row):
            width = WIDTH // across
            at = {"x": number % across * width, "y": top + number // across * HEIGHT, "w": width, "h": HEIGHT}
            panels.append(_drawn(next(identity), panel, at))
        top += -(-len(row) // across) * HEIGHT
    dashboard = {
        "title": "Signalbox",
        "uid": "signalbox",
        "tags": ["signalbox"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), *map(_variable, ("namespace", "policy", "backend"))]},
        "panels": panels,
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _drawn(identity: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    drawing = {"fillOpacity": 20 if panel.stacked else 0, "showPoints": "never"}
    drawing |= {"stacking": {"mode": "normal"}} if panel.stacked else {}
    defaults = {"unit": panel.unit, "min": 0, "custom": drawing}
    if panel.most is not None:
        defaults["max"] = panel.most
    targets = [
        {"refId": chr(ord("A") + number), "expr": query, "legendFormat": legend, "datasource": SOURCE}
        for number, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "id": identity,
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _variable(label: str) -> dict[str, Any]:
    """All values of a label that routers or the loop know."""
    metric = "signalbox_router_attempts_total" if label == "backend" else "signalbox_router_requests_total"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": f"label_values({metric}, {label})", "refId": label},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }

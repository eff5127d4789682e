"""What the chart uses of the kinds that KEDA and the operator of Prometheus bring, and no field beyond."""

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_TEXT: Final = {"type": "string", "minLength": 1}
_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}


def _exactly(optional: Mapping[str, Schema] | None = None, **required: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": [*required],
        "additionalProperties": False,
    }


def _several(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _resource(version: str, kind: str, spec: Schema) -> Schema:
    return _exactly(
        apiVersion={"const": version},
        kind={"const": kind},
        metadata=_exactly(name=_TEXT, labels=_TEXTS),
        spec=spec,
    )


_SCALING: Final = _exactly(
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    policies=_several(
        _exactly(
            type={"enum": ["Pods", "Percent"]},
            value={"type": "integer", "minimum": 1},
            periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
        )
    ),
)
_TRIGGER: Final = {
    "oneOf": [
        _exactly(
            type={"const": "prometheus"},
            metricType={"const": "AverageValue"},
            metadata=_exactly(
                serverAddress=_TEXT,
                query=_TEXT,
                ignoreNullValues={"enum": ["true", "false"]},
                threshold={"type": "string", "pattern": "^[0-9]+$"},
            ),
        ),
        _exactly(
            type={"const": "cpu"},
            metricType={"const": "Utilization"},
            metadata=_exactly(value={"type": "string", "pattern": "^[0-9]+$"}),
        ),
    ]
}
_REQUIREMENT: Final = _exactly(key=_TEXT, operator={"enum": ["In"]}, values=_several(_TEXT))
_RULE: Final = {
    "oneOf": [
        _exactly(
            {"for": _TEXT, "keep_firing_for": _TEXT, "labels": _TEXTS, "annotations": _TEXTS},
            alert=_TEXT,
            expr=_TEXT,
        ),
        _exactly({"labels": _TEXTS}, record=_TEXT, expr=_TEXT),
    ]
}

SCHEMAS: Final[Mapping[str, Schema]] = {
    "ScaledObject": _resource(
        "keda.sh/v1alpha1",
        "ScaledObject",
        _exactly(
            scaleTargetRef=_exactly(name=_TEXT),
            minReplicaCount=_COUNT,
            maxReplicaCount=_COUNT,
            fallback=_exactly(
                failureThreshold=_COUNT,
                replicas=_COUNT,
                behavior={
                    "enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]
                },
            ),
            advanced=_exactly(
                horizontalPodAutoscalerConfig=_exactly(
                    behavior=_exactly(scaleUp=_SCALING, scaleDown=_SCALING)
                )
            ),
            triggers=_several(_TRIGGER),
        ),
    ),
    "ServiceMonitor": _resource(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        _exactly(
            selector=_exactly({"matchExpressions": _several(_REQUIREMENT)}, matchLabels=_TEXTS),
            endpoints=_several(
                _exactly(
                    {"authorization": _exactly(credentials=_exactly(name=_TEXT, key=_TEXT))},
                    port=_TEXT,
                    path=_TEXT,
                    interval={"type": "string", "pattern": "^[0-9]+(s|m)$"},
                    relabelings=_several(
                        _exactly({"replacement": _TEXT, "sourceLabels": _several(_TEXT)}, targetLabel=_TEXT)
                    ),
                )
            ),
        ),
    ),
    "PrometheusRule": _resource(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        _exactly(groups=_several(_exactly({"interval": _TEXT}, name=_TEXT, rules=_several(_RULE)))),
    ),
}
"""By the kind."""

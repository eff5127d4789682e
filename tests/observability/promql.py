"""Which metrics a query names, and which labels of each it looks at; by a parser of PromQL."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import promql_parser as promql

_VARIABLES: Final = {"$__rate_interval": "5m", "$__range": "1h", "$origin": ".*", "$service": ".*"}
_LABEL_VALUES: Final = re.compile(r"label_values\((.+), (\w+)\)")


def filled_in(expression: str) -> str:
    """Give a query as Grafana sends it, with all origins and services chosen."""
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def named(expression: str) -> Mapping[str, frozenset[str]]:
    """Give the metrics of a query, each with the labels that it chooses by, or is grouped by.

    Raises:
        ValueError: it is no PromQL.
    """
    return _joined(_named(expression))


def words(expression: str) -> Iterator[tuple[str, str]]:
    """Give the labels by which a query chooses, each with a value or a pattern of values that it names."""
    for selector, _ in _selectors(promql.parse(filled_in(expression)), frozenset()):
        for matcher in selector.matchers.matchers:
            yield from ((matcher.name, word) for word in matcher.value.split("|"))


def named_by_variable(query: str) -> Mapping[str, frozenset[str]]:
    """Give likewise what the values of a variable of Grafana come from."""
    found = _LABEL_VALUES.fullmatch(query)
    assert found is not None, query
    return {metric: labels | {found[2]} for metric, labels in named(found[1]).items()}


def _joined(pairs: Iterable[tuple[str, frozenset[str]]]) -> Mapping[str, frozenset[str]]:
    metrics: dict[str, frozenset[str]] = {}
    for name, labels in pairs:
        metrics[name] = metrics.get(name, frozenset()) | labels
    return metrics


def _named(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    for selector, wanted in _selectors(promql.parse(filled_in(expression)), frozenset()):
        assert selector.name is not None, "a metric is named, not chosen by a matcher"
        yield selector.name, wanted | {matcher.name for matcher in selector.matchers.matchers}


def _selectors(
    expression: promql.Expr, wanted: frozenset[str]
) -> Iterator[tuple[promql.VectorSelector, frozenset[str]]]:
    """Walk down; what is grouped above is wanted of everything below."""
    match expression:
        case promql.VectorSelector():
            yield expression, wanted
        case promql.MatrixSelector():
            yield from _selectors(expression.vector_selector, wanted)
        case promql.AggregateExpr():
            below = frozenset[str]()
            if expression.modifier is not None and expression.modifier.type == promql.AggModifierType.By:
                below = frozenset(expression.modifier.labels)
            yield from _selectors(expression.expr, wanted | below)
        case promql.BinaryExpr():
            yield from _selectors(expression.lhs, wanted | _matched(expression))
            yield from _selectors(expression.rhs, wanted | _matched(expression))
        case promql.Call():
            for argument in expression.args:
                yield from _selectors(argument, wanted | _needed(expression))
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _selectors(expression.expr, wanted)
        case promql.NumberLiteral() | promql.StringLiteral():
            return
        case _:
            raise TypeError(type(expression))


def _matched(expression: promql.BinaryExpr) -> frozenset[str]:
    """The labels by which both sides are matched, where they are named."""
    matching = expression.modifier.matching if expression.modifier is not None else None
    if matching is None or matching.type != promql.LabelModifierType.Include:
        return frozenset()
    return frozenset(matching.labels)


def _needed(call: promql.Call) -> frozenset[str]:
    return frozenset({"le"}) if call.func.name == "histogram_quantile" else frozenset()

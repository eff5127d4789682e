"""Spans are kept in memory, to be looked at."""

from tests.ended_spans import ended

__all__ = ["ended"]  # a fixture

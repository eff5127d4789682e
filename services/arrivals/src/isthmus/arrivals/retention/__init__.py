"""Retention: what need not stay in an inbox any more goes, by age, or because it is wherever it is to be."""

from isthmus.arrivals.retention.serve import retention

__all__ = ["retention"]

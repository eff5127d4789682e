"""Retrieving: the catalogue of what is held; and jobs, submitted or joined, and read while they run."""

from isthmus.common.retrieval.manifest import HeldInstance, HeldSeries, Manifest
from isthmus.common.retrieval.read import read

__all__ = ["HeldInstance", "HeldSeries", "Manifest", "read"]

"""Retrieving: the catalogue of what is held; and jobs, submitted or joined, and read while they run."""

from isthmus.common.retrieval.catalogue import Catalogue
from isthmus.common.retrieval.manifest import HeldInstance, HeldSeries, Manifest
from isthmus.common.retrieval.read import read

__all__ = ["Catalogue", "HeldInstance", "HeldSeries", "Manifest", "read"]

"""Retrieving: the catalogue of what is held; and jobs, submitted or joined, and read while they run."""

from isthmus.common.retrieval.catalogue import Catalogue
from isthmus.common.retrieval.manifest import HeldInstance, HeldSeries, Manifest
from isthmus.common.retrieval.read import Reading, Retrieval
from isthmus.common.retrieval.reads import LastReads

__all__ = ["Catalogue", "HeldInstance", "HeldSeries", "LastReads", "Manifest", "Reading", "Retrieval"]

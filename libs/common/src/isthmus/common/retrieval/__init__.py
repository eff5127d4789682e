"""Retrieving over the bus: submit a job or join the one that is there, and read what arrives."""

from isthmus.common.retrieval.read import read

__all__ = ["read"]

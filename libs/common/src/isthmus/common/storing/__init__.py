"""Store jobs, from the worker's end: what all kinds of origins have in common."""

from isthmus.common.storing.job import Answer, Numbered, not_stored, work_off

__all__ = ["Answer", "Numbered", "not_stored", "work_off"]

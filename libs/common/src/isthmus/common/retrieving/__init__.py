"""The work on a retrieve job, whatever its origin speaks: survey, plan, sweep, listing, repair, record.

A worker has a `Source` for each of its origins, and `RetrieveWork` does the jobs with it.
"""

from isthmus.common.retrieving.retrieve import RetrieveWork
from isthmus.common.retrieving.source import Pull, Pulls, Source

__all__ = ["Pull", "Pulls", "RetrieveWork", "Source"]

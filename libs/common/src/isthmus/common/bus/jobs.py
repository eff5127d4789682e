"""Work queues: the retrieve jobs, of which each study has one at most in each lane, and the store jobs."""

from isthmus.common.bus.generations import sequence_of
from isthmus.common.bus.queues import durable_name, has_job, is_queued, require_worker, withdraw
from isthmus.common.bus.submit import submit_retrieve, submit_store
from isthmus.common.bus.submitted import Lane, Submitted
from isthmus.common.bus.worker import MAX_DELIVERIES, Running, work

__all__ = [
    "MAX_DELIVERIES",
    "Lane",
    "Running",
    "Submitted",
    "durable_name",
    "has_job",
    "is_queued",
    "require_worker",
    "sequence_of",
    "submit_retrieve",
    "submit_store",
    "withdraw",
    "work",
]

"""NATS: requests with streamed answers, work queues, and the progress of jobs."""

from isthmus.common.bus.client import Bus, Serving
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.search import MatchWriter, search, serve_queries, serve_worklists

__all__ = ["Bus", "MatchWriter", "Serving", "end_tasks", "search", "serve_queries", "serve_worklists"]

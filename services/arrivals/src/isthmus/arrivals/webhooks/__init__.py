"""Webhooks: events by POST, for those without NATS (Standard Webhooks; CloudEvents 1.0, structured mode)."""

from isthmus.arrivals.webhooks.pace import Pace
from isthmus.arrivals.webhooks.serve import webhooks

__all__ = ["Pace", "webhooks"]

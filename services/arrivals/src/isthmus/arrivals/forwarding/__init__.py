"""Forwarding: what arrives goes where the rules of `arrivals.forward` send it."""

from isthmus.arrivals.forwarding.serve import forwarding

__all__ = ["forwarding"]

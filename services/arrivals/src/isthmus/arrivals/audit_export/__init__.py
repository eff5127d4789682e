"""Audit records, told to a syslog server as PS3.15 A.5 and A.6 have it."""

from isthmus.arrivals.audit_export.serve import audit_export

__all__ = ["audit_export"]

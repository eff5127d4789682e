"""Answers of application/problem+json (RFC 9457)."""

from collections.abc import Mapping

import httpx2

Problem = Mapping[str, object]


def problem(response: httpx2.Response, status: int) -> Problem:
    """Check what every error has, and give its members."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    members: Problem = response.json()
    assert members["status"] == status
    assert members["title"]
    assert members["detail"]
    assert members["trace_id"] == response.headers["traceresponse"].split("-")[1]
    return members

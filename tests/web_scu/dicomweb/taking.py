"""A DICOMweb server that is stored to, and says of each instance what a test tells it to (PS3.18 10.5.3)."""

import asyncio
import json
from collections.abc import Mapping
from email import message_from_bytes
from email.message import Message
from io import BytesIO

from pydicom import dcmread

from tests.common.webclient.web_origin import Request, says


def instances_in(request: Request) -> list[str]:
    """Give the SOP Instance UIDs of the parts, in their order."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + request.body).get_payload()
    assert isinstance(parts, list)
    found = []
    for part in parts:
        assert isinstance(part, Message)
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append(str(dcmread(BytesIO(content)).SOPInstanceUID))
    return found


class Takes:
    """Answers a store: what fails is listed with its reason, what is said nothing of is in neither list."""

    def __init__(
        self,
        status: str = "200 OK",
        *,
        failed: Mapping[str, int] | None = None,
        warned: Mapping[str, int] | None = None,
        unsaid: tuple[str, ...] = (),
    ) -> None:
        self._status = status
        self._failed = failed or {}
        self._warned = warned or {}
        self._unsaid = unsaid

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer."""
        sent = [uid for uid in instances_in(request) if uid not in self._unsaid]
        response = {
            "00081198": _sequence(
                [_item(uid, "00081197", self._failed[uid]) for uid in sent if uid in self._failed]
            ),
            "00081199": _sequence(
                [_item(uid, "00081196", self._warned.get(uid)) for uid in sent if uid not in self._failed]
            ),
        }
        await says(self._status, json.dumps(response))(request, writer)


def _sequence(items: list[dict[str, object]]) -> dict[str, object]:
    return {"vr": "SQ", "Value": items}


def _item(uid: str, tag: str, reason: int | None) -> dict[str, object]:
    item: dict[str, object] = {"00081155": {"vr": "UI", "Value": [uid]}}
    return item | ({tag: {"vr": "US", "Value": [reason]}} if reason is not None else {})

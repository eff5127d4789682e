"""DICOM JSON in answers."""

import json
from collections.abc import AsyncIterator

import pytest

from isthmus.common.dicomweb import DicomJsonResponse, json_array


async def objects(count: int, *, then_fail: bool = False) -> AsyncIterator[bytes]:
    for number in range(count):
        yield b'{"00200013":{"vr":"IS","Value":[%d]}}' % number
    if then_fail:
        raise ConnectionError


async def test_an_array_whose_objects_end_in_an_error_is_never_closed() -> None:
    chunks = json_array(objects(2, then_fail=True))
    written = await anext(chunks) + await anext(chunks)
    with pytest.raises(ConnectionError):
        await anext(chunks)
    with pytest.raises(json.JSONDecodeError):
        json.loads(written)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_an_array_has_all_its_objects(count: int) -> None:
    written = b"".join([chunk async for chunk in json_array(objects(count))])
    assert len(json.loads(written)) == count


def test_the_media_type_is_dicom_json_unless_told_otherwise() -> None:
    matches = [{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]
    assert DicomJsonResponse(matches).headers["Content-Type"] == "application/dicom+json"
    response = DicomJsonResponse(matches, media_type="application/json")
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(bytes(response.body)) == matches

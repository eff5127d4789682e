"""Searches, and what their answers say of the keys."""

import re
from collections.abc import Mapping
from typing import Final

import httpx2

from tests.system.conformance.answers import all_values, matches, warnings
from tests.system.conformance.archive import UNIQUE, Archive

PATIENT: Final = {"PatientID": "98890234"}
"""Has four studies with eight series, of CT and MR."""
_NOT_GIVEN: Final = re.compile(r"The origin \S+ does not give (\S+): ")


def search(http: httpx2.Client, archive: Archive, level: str, key: Mapping[str, str]) -> set[str]:
    """The UIDs of what is found, of that which is in the archive: other tests may have stored more."""
    response = http.get(f"{archive.root}/{level}", params=key)
    assert not_given(response) == set()
    return all_values(matches(response), UNIQUE[level]) & archive.uids(level)


def not_given(response: httpx2.Response) -> set[str]:
    """The keys of which the answer says that an origin does not give them."""
    return {said[1] for text in warnings(response) if (said := _NOT_GIVEN.match(text))}

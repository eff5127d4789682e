"""A data set as PDUs: each as long as the peer takes, all but the last with more to come."""

from collections.abc import Sequence
from io import BytesIO

import pytest
from pynetdicom.pdu import P_DATA_TF

from isthmus.common.dimse.pdus import data_set_pdus

CONTEXT = 5


def decoded(run: bytes) -> Sequence[tuple[int | None, bytes]]:
    """What pynetdicom reads of PDUs in one piece: the context id of each PDV, and its value."""
    values = []
    while run:
        end = 6 + int.from_bytes(run[2:6], "big")
        pdu = P_DATA_TF()
        pdu.decode(run[:end])
        values += [
            (item.presentation_context_id, item.presentation_data_value or b"")
            for item in pdu.presentation_data_value_items
        ]
        run = run[end:]
    return values


def test_no_data_set_is_one_empty_last_fragment() -> None:
    assert [decoded(run) for run in data_set_pdus(BytesIO(), CONTEXT, 10, 100)] == [[(CONTEXT, b"\x02")]]


def test_an_odd_length_is_made_even_at_the_very_end() -> None:
    (run,) = data_set_pdus(BytesIO(b"abc"), CONTEXT, 10, 100)
    assert decoded(run) == [(CONTEXT, b"\x02abc\0")]


def test_fragments_are_even_though_the_peer_takes_an_odd_number() -> None:
    (run,) = data_set_pdus(BytesIO(b"abcdef"), CONTEXT, 5, 100)
    assert decoded(run) == [(CONTEXT, b"\x00abcd"), (CONTEXT, b"\x02ef")]


def test_a_pdu_that_is_longer_than_a_piece_is_a_piece() -> None:
    runs = list(data_set_pdus(BytesIO(bytes(50)), CONTEXT, 20, 10))
    assert [len(decoded(run)) for run in runs] == [1, 1, 1]


@pytest.mark.parametrize("length", [19, 20, 39, 40, 41, 60, 80])
def test_only_the_last_fragment_of_the_last_piece_says_so(length: int) -> None:
    data = bytes(range(length))
    values = [value for run in data_set_pdus(BytesIO(data), CONTEXT, 10, 40) for _, value in decoded(run)]
    assert [value[0] for value in values] == [0] * (len(values) - 1) + [2]
    assert b"".join(value[1:] for value in values) == data + b"\0" * (length % 2)

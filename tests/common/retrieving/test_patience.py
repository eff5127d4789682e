"""Which failures of an origin may pass by themselves, and which are about the words it was asked in."""

import pytest

from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    HttpOperationFailed,
    MalformedAnswer,
    NoAcceptedContext,
    NotDelivered,
    OperationFailed,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    TruncatedAnswer,
)
from isthmus.common.retrieving import patience
from isthmus.common.retrieving.patience import (
    is_transient,
    may_pass,
    meets_all,
    was_turned_away,
    with_a_second_try,
)
from isthmus.common.retrieving.wording import is_not_understood


def status(number: int) -> OperationFailed:
    return OperationFailed("it failed", origin="pacs", status=number)


def http(number: int) -> HttpOperationFailed:
    return HttpOperationFailed("it failed", origin="cloud", http_status=number)


def plain(kind: type[OriginError]) -> OriginError:
    return kind("it failed", origin="cloud")


PASSING = [status(0xA700), status(0xA702), *map(http, (408, 429, 502, 503, 504))]
PASSING += map(plain, (AssociationAborted, AssociationRejected, TruncatedAnswer))
LASTING = [status(0xC000), status(0x0124), *map(http, (400, 401, 403, 404, 406, 410, 500, 501))]
LASTING += map(plain, (MalformedAnswer, NoAcceptedContext, OriginTimeout, OriginUnreachable))


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_by_itself(error: OriginError) -> None:
    assert is_transient(error)
    assert may_pass(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_stays(error: OriginError) -> None:
    assert not is_transient(error)
    assert not may_pass(error)


def test_success_with_nothing_sent_is_no_failure_but_may_be_otherwise_later() -> None:
    assert not is_transient(plain(NotDelivered))
    assert may_pass(plain(NotDelivered))


EVERYTHING = [
    *map(plain, (OriginUnreachable, OriginTimeout, NoAcceptedContext)),
    *map(http, (401, 403, 406, 501)),
]
ALONE = [
    *map(plain, (TruncatedAnswer, MalformedAnswer, NotDelivered)),
    *map(http, (400, 404, 500, 503)),
    None,
]


@pytest.mark.parametrize("error", EVERYTHING, ids=repr)
def test_what_whatever_else_is_asked_for_would_meet_too(error: OriginError) -> None:
    assert meets_all(error)


@pytest.mark.parametrize("error", ALONE, ids=repr)
def test_what_says_nothing_of_the_rest(error: OriginError | None) -> None:
    assert not meets_all(error)


@pytest.mark.parametrize("error", [plain(AssociationRejected), http(429), http(503)], ids=repr)
def test_who_was_turned_away_was_not_heard(error: OriginError) -> None:
    assert was_turned_away(error)


@pytest.mark.parametrize("error", [plain(AssociationAborted), http(500), status(0xA702), None], ids=repr)
def test_who_got_another_answer_was_heard(error: OriginError | None) -> None:
    assert not was_turned_away(error)


@pytest.mark.parametrize("error", [status(0xA900), *map(http, (400, 405, 501))], ids=repr)
def test_an_origin_says_that_it_does_not_understand(error: OriginError) -> None:
    assert is_not_understood(error)


@pytest.mark.parametrize("error", [status(0xA702), *map(http, (401, 404, 500, 503)), None], ids=repr)
def test_all_else_is_not_about_the_words(error: OriginError | None) -> None:
    assert not is_not_understood(error)


@pytest.mark.parametrize(("error", "tries"), [(http(503), 2), (http(500), 1)], ids=repr)
async def test_what_may_pass_is_tried_once_more(
    error: OriginError, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECOND_TRY", 0.0)
    tried = []

    async def attempt() -> None:
        tried.append(1)
        raise error

    with pytest.raises(HttpOperationFailed):
        await with_a_second_try(attempt)
    assert len(tried) == tries

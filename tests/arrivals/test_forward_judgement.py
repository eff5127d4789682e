"""What the results of a store job say of its instances."""

from collections.abc import Mapping

import pytest

from isthmus.arrivals.forwarding.judgement import Judgement, judge, later, letter, retried
from isthmus.common.messages import BlobRef, Failure, Forwarding, InstanceStored, decode


def ref(uid: str) -> BlobRef:
    return BlobRef("bucket", f"inbox/{uid}", 100, "1.2", "1.2.3", uid, "1.2.840.10008.5.1.4.1.1.2", "1.2.1")


REFS = (ref("1"), ref("2"), ref("3"))
FORWARDING = Forwarding("id", "inbox", "1.2", "pacs", REFS, 1000.0, attempts=2)


def answers(*kinds: str | None, status: int = 0xA900) -> Mapping[int, InstanceStored]:
    """None is a success."""
    return {
        index: InstanceStored(index, "1.2.840.10008.5.1.4.1.1.2", REFS[index].sop_instance_uid, *said)
        for index, said in enumerate(
            (0, None) if kind is None else (status, Failure(kind, "", "pacs", status)) for kind in kinds
        )
    }


def judged(*kinds: str | None, is_there: bool = False) -> Judgement:
    return judge(FORWARDING, answers(*kinds), is_there=is_there)


def test_all_that_was_stored_leaves_nothing() -> None:
    assert judged(None, None, None) == Judgement(3, (), (), (), is_silent=False)


def test_what_was_refused_is_told_from_what_was_stored() -> None:
    found = judged(None, "OperationFailed", None)
    assert found.stored == 2
    assert [(one.key, refusal.status) for one, refusal in found.refused] == [("inbox/2", 0xA900)]
    assert not found.is_away


@pytest.mark.parametrize(
    "kind", ["OriginUnreachable", "CircuitOpen", "AssociationRejected", "NoWorker", "StoreUnavailable"]
)
def test_a_destination_that_is_away_has_refused_nothing(kind: str) -> None:
    found = judged(kind, kind, kind)
    assert found.is_away
    assert (found.away, found.refused, found.is_silent) == (REFS, (), False)
    assert judged(kind, kind, kind, is_there=True).is_away


def http(http_status: int, status: int | None = None) -> Judgement:
    failure = Failure("HttpOperationFailed", "", "pacs", status, http_status=http_status)
    results = {
        n: InstanceStored(n, "1.2", one.sop_instance_uid, 0x0110, failure) for n, one in enumerate(REFS)
    }
    return judge(FORWARDING, results, is_there=True)


@pytest.mark.parametrize("http_status", [408, 429, 502, 503, 504])
def test_a_server_that_is_busy_or_away_has_refused_nothing(http_status: int) -> None:
    assert (http(http_status).away, http(http_status).refused) == (REFS, ())


@pytest.mark.parametrize("http_status", [400, 401, 403, 409, 415, 500, 501])
def test_what_a_server_says_otherwise_is_a_refusal(http_status: int) -> None:
    assert [one for one, _ in http(http_status).refused] == list(REFS)


def test_what_a_server_says_of_an_instance_is_a_refusal_whatever_its_status_is() -> None:
    assert [one for one, _ in http(503, 0xA900).refused] == list(REFS)


@pytest.mark.parametrize("kind", ["OriginTimeout", "AssociationAborted"])
def test_silence_is_a_refusal_where_the_destination_is_known_to_answer(kind: str) -> None:
    silent = judged(kind, "OriginUnreachable", "OriginUnreachable")
    assert (silent.is_away, silent.is_silent) == (True, True)
    there = judged(kind, "OriginUnreachable", "OriginUnreachable", is_there=True)
    assert [one.key for one, _ in there.refused] == ["inbox/1"]
    assert there.away == REFS[1:]
    answered = judged(kind, None, "OriginUnreachable")
    assert [one.key for one, _ in answered.refused] == ["inbox/1"]
    assert not answered.is_silent


def test_what_was_not_tried_is_refused_by_nobody() -> None:
    """A destination that is there was silent about two, so that it was not asked for the third."""
    found = judged("OriginTimeout", "OriginTimeout", "NotTried", is_there=True)
    assert [one for one, _ in found.refused] == list(REFS[:2])
    assert found.away == REFS[2:]
    assert not found.is_away
    assert judged("OriginTimeout", "OriginTimeout", "NotTried").is_away


def test_an_instance_without_a_result_was_refused() -> None:
    found = judge(FORWARDING, answers(None, None), is_there=False)
    assert [(refusal.sop_instance_uid, refusal.status) for _, refusal in found.refused] == [("3", 0x0110)]


def test_a_blob_that_is_gone_says_nothing_of_the_destination() -> None:
    found = judged("BlobMissing", "OriginTimeout", "OriginTimeout")
    assert [one.key for one, _ in found.missing] == ["inbox/1"]
    assert (found.refused, found.is_silent) == ((), True)


def test_an_attempt_is_counted_for_what_was_refused_alone() -> None:
    found = judged("OperationFailed", "OriginUnreachable", None)
    again, rest = retried(FORWARDING, found.refused, 60.0), later(FORWARDING, found.away)
    assert (again.attempts, again.blobs) == (3, REFS[:1])
    assert again.not_before == again.tried + 60.0
    assert (rest.attempts, rest.blobs, rest.not_before) == (2, REFS[1:2], 0.0)
    assert len({FORWARDING.id, again.id, rest.id}) == 3
    assert retried(FORWARDING, found.refused, 1.0).id == again.id


def test_a_dead_letter_says_why_and_holds_what_is_needed_to_try_anew() -> None:
    given_up = retried(FORWARDING, judged("OperationFailed", "OperationFailed", "BlobMissing").refused, 0.0)
    dead = letter(given_up)
    assert (dead.what, dead.name, dead.attempts) == ("forward", "pacs", 3)
    assert dead.reason == "2 x A900"
    assert (dead.first, dead.last) == (1000.0, given_up.tried)
    assert decode(dead.payload, Forwarding) == given_up

"""What is read where."""

import pytest

from isthmus.common.federation.whereabouts import Contents, Listing, Wanted, Whereabouts
from isthmus.common.messages import MissingInstance, Retrieve

STUDY = Wanted("1.2")


def has(**series: str) -> Contents:
    """Series by name, each with the names of its instances: `has(ct="abc")`."""
    return {uid: frozenset(instances) for uid, instances in series.items()}


def where(**contents: Contents) -> Whereabouts:
    return Whereabouts(tuple(contents), (), Listing.of(contents))


def planned(whereabouts: Whereabouts, wanted: Wanted = STUDY) -> list[tuple[str, str | None]]:
    """The origins and series of a plan."""
    return [(part.origin, part.series) for part in whereabouts.plan(wanted)]


def test_what_one_origin_has_is_read_there() -> None:
    for wanted in (STUDY, Wanted("1.2", "ct"), Wanted("1.2", "ct", "a")):
        assert Whereabouts(("a",)).plan(wanted) == (wanted.at("a"),)


def test_what_no_origin_has_is_read_nowhere() -> None:
    assert Whereabouts(()).plan(STUDY) == ()


class TestAStudyOfSeveralOrigins:
    def test_is_read_from_the_first_that_has_all_of_it(self) -> None:
        both = has(ct="abc", sr="d")
        assert planned(where(a=both, b=both)) == [("a", None)]
        assert planned(where(a=has(ct="abc"), b=both)) == [("b", None)]
        assert planned(where(a=has(ct="ab", sr="d"), b=both)) == [("b", None)]

    def test_is_read_from_all_of_them_where_each_has_a_part(self) -> None:
        assert planned(where(a=has(ct="abc"), b=has(sr="d"))) == [("a", None), ("b", None)]

    def test_is_read_by_series_where_an_origin_has_copies_too(self) -> None:
        mixed = where(a=has(ct="abc", pt="e"), b=has(ct="abc", sr="d", ko="f"))
        assert planned(mixed) == [("a", None), ("b", "sr"), ("b", "ko")]

    def test_has_each_series_from_the_first_that_has_all_of_it(self) -> None:
        mixed = where(a=has(ct="ab", pt="e"), b=has(ct="abc"))
        assert planned(mixed) == [("a", "pt"), ("b", None)]

    def test_has_a_series_that_nobody_has_whole_from_all(self) -> None:
        mixed = where(a=has(ct="ab"), b=has(ct="bc"), c=has(sr="d"))
        assert planned(mixed) == [("a", None), ("b", None), ("c", None)]

    def test_may_hold_what_nobody_can_deliver(self) -> None:
        assert planned(where(a=has(ct="", sr="d"), b=has(ct=""))) == [("a", None)]


class TestASeriesOfSeveralOrigins:
    def test_is_read_from_the_first_that_has_all_of_it(self) -> None:
        mixed = where(a=has(ct="ab"), b=has(ct="abc"), c=has(ct="abc"))
        assert planned(mixed, Wanted("1.2", "ct")) == [("b", "ct")]

    def test_is_read_from_all_where_nobody_has_it_whole(self) -> None:
        mixed = where(a=has(ct="ab"), b=has(ct="bc"))
        assert planned(mixed, Wanted("1.2", "ct")) == [("a", "ct"), ("b", "ct")]

    def test_that_nobody_lists_is_read_nowhere(self) -> None:
        assert planned(where(a=has(ct="ab"), b=has(ct="ab")), Wanted("1.2", "mr")) == []


class TestAnInstanceOfSeveralOrigins:
    @pytest.mark.parametrize(("instance", "origin"), [("a", "a"), ("b", "a"), ("c", "b")])
    def test_is_read_from_the_first_that_has_it(self, instance: str, origin: str) -> None:
        mixed = where(a=has(ct="ab"), b=has(ct="bc"))
        wanted = Wanted("1.2", "ct", instance)
        assert mixed.plan(wanted) == (Retrieve(origin, "1.2", "ct", instance),)

    def test_that_nobody_lists_is_read_nowhere(self) -> None:
        assert where(a=has(ct="ab"), b=has(ct="bc")).plan(Wanted("1.2", "ct", "z")) == ()


class TestAnOriginThatFails:
    def test_is_left_out_where_another_has_the_same(self) -> None:
        both = has(ct="abc")
        others = where(a=both, b=both).without("a", STUDY)
        assert others is not None
        assert others.origins == ("b",)
        assert planned(others) == [("b", None)]

    def test_is_needed_for_what_it_alone_has(self) -> None:
        mixed = where(a=has(ct="abc", sr="d"), b=has(ct="abc"))
        assert mixed.without("a", STUDY) is None
        assert mixed.without("a", Wanted("1.2", "sr")) is None
        assert mixed.without("a", Wanted("1.2", "ct")) is not None
        assert mixed.without("b", STUDY) is not None

    def test_is_needed_for_its_part_of_a_series(self) -> None:
        mixed = where(a=has(ct="ab"), b=has(ct="bc"))
        assert mixed.without("a", STUDY) is None
        assert mixed.without("a", Wanted("1.2", "ct", "a")) is None
        assert mixed.without("a", Wanted("1.2", "ct", "b")) is not None

    def test_is_needed_where_it_is_the_only_one(self) -> None:
        assert Whereabouts(("a",)).without("a", STUDY) is None


def test_what_one_lacks_of_a_series_may_be_read_from_another() -> None:
    listing = Listing.of({"a": has(ct="ab"), "b": has(ct="bc")})
    assert listing.is_elsewhere(MissingInstance("ct", "c"), "a")
    assert not listing.is_elsewhere(MissingInstance("ct", "z"), "a")
    assert not listing.is_elsewhere(MissingInstance("sr", "c"), "a")

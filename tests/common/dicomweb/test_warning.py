"""The texts of Warning, which clients compare."""

from isthmus.common.dicomweb import additional_results, warning_header


def test_a_line_break_cannot_open_another_header() -> None:
    assert warning_header("http://h/aets/demo", "one\r\nSet-Cookie: \u00e4") == (
        "299 http://h/aets/demo: one??Set-Cookie: ?"
    )


def test_more_results_are_counted_where_their_number_is_known() -> None:
    assert additional_results(7) == "There are 7 additional results that can be requested"
    assert additional_results(None) == "There are additional results that can be requested"

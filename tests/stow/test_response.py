import json
from dataclasses import replace

import pytest

from isthmus.stow.reasons import explain
from isthmus.stow.response import Outcome, Report

STUDIES = "http://host/aets/pacs/studies"


def outcome(status: int, *, study: str = "1", instance: str = "1.1.1") -> Outcome:
    return Outcome(study, "1.1", instance, "1.2.840.10008.5.1.4.1.1.2", status)


@pytest.mark.parametrize(
    ("statuses", "others", "expected"),
    [
        ([0x0000], (), 200),
        ([0x0000, 0x0000], (), 200),
        ([0xB000], (), 202),
        ([0x0000, 0xB007], (), 202),
        ([0x0000, 0xC000], (), 202),
        ([0x0000, 0xA700], (), 202),
        ([0x0000], (0xC005,), 202),
        ([0xC000], (), 409),
        ([0x0122, 0xA901], (), 409),
        ([0xA700, 0xC000], (), 409),
        ([0xA700], (0xC000,), 409),
        ([0xA700, 0xA7FF], (), 503),
    ],
)
def test_the_status_says_how_much_was_stored(
    statuses: list[int], others: tuple[int, ...], expected: int
) -> None:
    report = Report(tuple(outcome(status) for status in statuses), others)
    assert report.status_code == expected


def test_a_failed_instance_is_named_with_its_reason() -> None:
    assert Report((outcome(0xA700),)).module(STUDIES) == {
        "00081190": {"vr": "UR"},
        "00081198": {
            "vr": "SQ",
            "Value": [
                {
                    "00000902": {"vr": "LO", "Value": ["Refused: out of resources"]},
                    "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
                    "00081155": {"vr": "UI", "Value": ["1.1.1"]},
                    "00081197": {"vr": "US", "Value": [0xA700]},
                }
            ],
        },
    }


def test_parts_that_are_no_objects_are_other_failures() -> None:
    module = Report((), (0xC000, 0xC005)).module(STUDIES)
    assert module == {
        "00081190": {"vr": "UR"},
        "0008119A": {
            "vr": "SQ",
            "Value": [
                {
                    "00000902": {"vr": "LO", "Value": ["No DICOM object or metadata, or cut off"]},
                    "00081197": {"vr": "US", "Value": [0xC000]},
                },
                {
                    "00000902": {"vr": "LO", "Value": ["No metadata refer to the bulkdata"]},
                    "00081197": {"vr": "US", "Value": [0xC005]},
                },
            ],
        },
    }


def test_what_is_wrong_with_an_instance_is_said_in_as_many_characters_as_a_value_may_have() -> None:
    failed = replace(outcome(0xC001), detail="(0010,0010): " + "long " * 20)
    (item,) = json.loads(json.dumps(Report((failed,)).module(STUDIES)))["00081198"]["Value"]
    assert item["00000902"]["Value"] == [failed.detail[:64]]
    assert list(item) == sorted(item)


@pytest.mark.parametrize("status", [0x0110, 0xA901, *range(0xC000, 0xC006), 0xC122, 0xA700, 0x0122, 0xB007])
def test_every_reason_has_words_that_fit_into_an_error_comment(status: int) -> None:
    assert 0 < len(explain(status)) <= 64


def test_a_stored_instance_is_named_with_its_url() -> None:
    assert Report((outcome(0x0000),)).module(STUDIES) == {
        "00081190": {"vr": "UR", "Value": [f"{STUDIES}/1"]},
        "00081199": {
            "vr": "SQ",
            "Value": [
                {
                    "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
                    "00081155": {"vr": "UI", "Value": ["1.1.1"]},
                    "00081190": {"vr": "UR", "Value": [f"{STUDIES}/1/series/1.1/instances/1.1.1"]},
                }
            ],
        },
    }


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0107])
def test_a_warning_is_a_stored_instance_with_a_warning_reason(status: int) -> None:
    module = json.loads(json.dumps(Report((outcome(status),)).module(STUDIES)))
    assert "00081198" not in module
    assert module["00081199"]["Value"][0]["00081196"] == {"vr": "US", "Value": [status]}


def test_instances_of_several_studies_have_no_common_url() -> None:
    module = Report((outcome(0), outcome(0, study="2"))).module(STUDIES)
    assert module["00081190"] == {"vr": "UR"}


def test_attributes_are_in_ascending_order() -> None:
    module = json.loads(json.dumps(Report((outcome(0xB000), outcome(0xC000)), (0xC000,)).module(STUDIES)))
    assert list(module) == sorted(module)
    assert list(module["00081199"]["Value"][0]) == ["00081150", "00081155", "00081190", "00081196"]

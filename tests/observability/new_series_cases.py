"""Alerts of what is counted, where the first that Prometheus sees of a counter is all that happened."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tests.observability.origin_cases import SERVICES, answered, received, retrieved
from tests.observability.rules import Case, Told

UP: Final = {f'up{{job="isthmus",service="{service}"}}': "1+0x60" for service in SERVICES}
AWAY: Final = "away:8000"
AT_ONCE: Final = "_x20 200+0x40"
"""After twenty minutes there is a counter, and it stays as it is."""


def at_once(series: Iterable[str]) -> Mapping[str, str]:
    """So much was there at one time, while Prometheus looked."""
    return {**dict.fromkeys(series, AT_ONCE), **UP}


_REFUSED: Final = 'isthmus_associations_refused_total{dicom_origin="pacs",isthmus_reason="timeout"}'
_CLIENTS: Final = 'isthmus_scp_associations_refused_total{isthmus_reason="identity"}'
_CASES: Final = {
    "AssociationsRefused": (
        at_once([_REFUSED]),
        Told(
            {"dicom_origin": "pacs", "isthmus_reason": "timeout"},
            "pacs refuses associations (timeout)",
            "pacs gave no association 200 times in 15 minutes. Each is tried again, so clients wait longer.",
        ),
    ),
    "ClientsRefused": (
        at_once([_CLIENTS]),
        Told(
            {"isthmus_reason": "identity"},
            "scp refuses clients (identity)",
            "Modalities or workstations were refused 200 times in 15 minutes. What they send stays"
            " with them.",
        ),
    ),
    "RetrievesFail": (
        at_once(retrieved("failed", 1)),
        Told(
            {"dicom_origin": "pacs"},
            "Studies do not come whole from pacs",
            "100% of what was fetched from pacs in 15 minutes failed, or lacks instances. Nobody is shown it"
            " as whole.",
        ),
    ),
    "ReceiveFails": (
        at_once(received("0xA700", 1)),
        Told(
            {"dicom_origin": "inbox"},
            "Images are not taken for inbox",
            "200 instances in 15 minutes were answered with a failure of ours. They stay with the modalities"
            " that sent them.",
        ),
    ),
}
_FAILING: Final = dict.fromkeys(answered("500", 1, "500"), "_x20 200+20x40")


def _of(alert: str, series: Mapping[str, str], told: Told) -> Sequence[Case]:
    known = dict.fromkeys(series.keys() - UP.keys(), "200+0x60")
    unseen = {**known, **UP}
    kept_away = {
        f'up{{job="isthmus",instance="{AWAY}"}}': "1+0x9 0+0x88 1+0x30",
        'up{job="isthmus",instance="another:8000"}': "1+0x130",
    }
    return [
        Case("all of it is there at once", alert, series, "27m", told),
        Case("it was so more than a quarter of an hour ago", alert, series, "36m"),
        Case("it was there when Prometheus began to look", alert, unseen, "10m"),
        Case("it was there before Prometheus began", alert, unseen, "30m"),
        Case(
            "Prometheus did not reach it for twenty minutes",
            alert,
            {**dict.fromkeys(known, "200+0x10 _x20 200+0x30"), **UP},
            "37m",
        ),
        *(
            Case(
                "Prometheus could not read it for an hour and a half, though others",
                alert,
                {**{_at(AWAY, name): "200+0x9 _x89 200+0x30" for name in known}, **kept_away},
                at,
            )
            for at in ("106m", "113m", "120m")
        ),
    ]


def _at(instance: str, series: str) -> str:
    """Give the name of a series with its process."""
    return series.replace("{", f'{{instance="{instance}",', 1)


CASES: Final[Sequence[Case]] = [
    *(case for alert, (series, told) in _CASES.items() for case in _of(alert, series, told)),
    Case(
        "all requests fail from the first one on",
        "RequestsFail",
        _FAILING,
        "28m",
        Told(
            {"service": "wado"},
            "100% of the requests to wado fail",
            "They are answered with a status from 500 on, or their answers are broken off.",
        ),
    ),
]

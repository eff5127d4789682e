"""Of each alert what makes it fire, and what by a little does not: of origins, clients and our services."""

from collections.abc import Mapping, Sequence
from typing import Final

from tests.observability.rules import Case, Told

SERVICES: Final = ("qido", "wado", "stow", "scp", "dimse-scu", "web-scu", "arrivals")
_DOWN: Final = (
    "Nothing can be searched, fetched or stored at pacs. What is held of it is still served, and what is to"
    " go there waits."
)
_UNSEEN: Final = "Images may flow without that, but less of them is seen."
_DURATION: Final = "isthmus_retrieve_duration_seconds"


def retrieved(outcome: str, each_minute: float) -> Mapping[str, str]:
    """So many studies that somebody waits for end so in a minute."""
    labels = f'dicom_origin="pacs",isthmus_lane="interactive",isthmus_outcome="{outcome}"'
    return {f"{_DURATION}_count{{{labels}}}": f"0+{each_minute}x40"}


def received(status: str, each_minute: float) -> Mapping[str, str]:
    """So many instances that modalities send are answered so in a minute."""
    labels = 'service="scp",dicom_role="scp",dicom_operation="C-STORE",dicom_origin="inbox"'
    series = f'isthmus_dimse_operation_duration_seconds_count{{{labels},dicom_status="{status}"}}'
    return {series: f"0+{each_minute}x40"}


def within(bounds: Mapping[str, float]) -> Mapping[str, str]:
    """So many of them, each minute, take no longer than so many seconds."""
    labels = 'dicom_origin="pacs",isthmus_lane="interactive",isthmus_outcome="complete"'
    return {f'{_DURATION}_bucket{{{labels},le="{le}"}}': f"0+{number}x40" for le, number in bounds.items()}


def up(**values: str) -> Mapping[str, str]:
    """All services are up, but for some."""
    told = dict.fromkeys(SERVICES, "1+0x10") | {
        name.replace("_", "-"): value for name, value in values.items()
    }
    return {
        f'up{{job="isthmus",service="{name}",instance="{name}:8000"}}': value
        for name, value in told.items()
        if value
    }


def answered(status: str, each_minute: float, error: str = "") -> Mapping[str, str]:
    """So many requests are answered so in a minute."""
    labels = f'service="wado",http_response_status_code="{status}",error_type="{error}"'
    return {f"http_server_request_duration_seconds_count{{{labels}}}": f"0+{each_minute}x20"}


PACS: Final[Sequence[Case]] = [
    Case(
        "a worker leaves it alone",
        "PacsDown",
        {
            'isthmus_circuit_open{dicom_origin="pacs",instance="a"}': "1+0x5",
            'isthmus_circuit_open{dicom_origin="pacs",instance="b"}': "0+0x5",
        },
        "3m",
        Told({"dicom_origin": "pacs"}, "pacs does not answer", _DOWN),
    ),
    Case(
        "it answered nobody who asked",
        "PacsDown",
        {
            'isthmus_origin_up{dicom_origin="pacs",instance="a"}': "0+0x5",
            'isthmus_origin_up{dicom_origin="pacs",instance="b"}': "0+0x5",
            'isthmus_circuit_open{dicom_origin="pacs",instance="a"}': "0+0x5",
        },
        "3m",
        Told({"dicom_origin": "pacs"}, "pacs does not answer", _DOWN),
    ),
    Case(
        "it answers another",
        "PacsDown",
        {
            'isthmus_origin_up{dicom_origin="pacs",instance="a"}': "0+0x5",
            'isthmus_origin_up{dicom_origin="pacs",instance="b"}': "1+0x5",
        },
        "3m",
    ),
    Case(
        "a workstation is switched off",
        "PacsDown",
        {
            'isthmus_circuit_open{dicom_origin="WORKSTATION",service="scp"}': "1+0x5",
            'isthmus_origin_up{dicom_origin="WORKSTATION",service="scp"}': "0+0x5",
        },
        "3m",
    ),
    Case("it is back", "PacsDown", {'isthmus_circuit_open{dicom_origin="pacs"}': "1 1 0 0"}, "3m"),
    Case("it is away for a minute", "PacsDown", {'isthmus_circuit_open{dicom_origin="pacs"}': "1+0x5"}, "1m"),
    Case(
        "it has no room for us",
        "AssociationsRefused",
        {'isthmus_associations_refused_total{dicom_origin="pacs",isthmus_reason="rejected"}': "0+0.4x40"},
        "30m",
        Told(
            {"dicom_origin": "pacs", "isthmus_reason": "rejected"},
            "pacs refuses associations (rejected)",
            "pacs gave no association 6 times in 15 minutes. Each is tried again, so clients wait longer.",
        ),
    ),
    Case(
        "now and then it has no room",
        "AssociationsRefused",
        {'isthmus_associations_refused_total{dicom_origin="pacs",isthmus_reason="rejected"}': "0+0.3x40"},
        "30m",
    ),
    Case(
        "it is away, of which PacsDown tells",
        "AssociationsRefused",
        {
            'isthmus_associations_refused_total{dicom_origin="pacs",isthmus_reason="unreachable"}': "0+9x40",
            'isthmus_circuit_open{dicom_origin="pacs"}': "1+0x40",
        },
        "30m",
    ),
    Case(
        "it was away, and nobody has asked since",
        "AssociationsRefused",
        {
            'isthmus_associations_refused_total{dicom_origin="pacs",isthmus_reason="other"}': "0+9x15 135x9",
            'isthmus_circuit_open{dicom_origin="pacs"}': "0+0x10 1+0x10 stale",
        },
        "28m",
    ),
    Case(
        "modalities whom nobody knows",
        "ClientsRefused",
        {
            'isthmus_scp_associations_refused_total{isthmus_reason="calling",instance="a"}': "0+0.2x40",
            'isthmus_scp_associations_refused_total{isthmus_reason="calling",instance="b"}': "0+0.2x40",
        },
        "30m",
        Told(
            {"isthmus_reason": "calling"},
            "scp refuses clients (calling)",
            "Modalities or workstations were refused 6 times in 15 minutes. What they send stays with them.",
        ),
    ),
    Case(
        "somebody mistyped an AE title",
        "ClientsRefused",
        {'isthmus_scp_associations_refused_total{isthmus_reason="calling"}': "0+0.3x40"},
        "30m",
    ),
]

RECEIVED: Final[Sequence[Case]] = [
    Case(
        "S3 has no room",
        "ReceiveFails",
        received("0xA700", 0.4),
        "30m",
        Told(
            {"dicom_origin": "inbox"},
            "Images are not taken for inbox",
            "6 instances in 15 minutes were answered with a failure of ours. They stay with the modalities"
            " that sent them.",
        ),
    ),
    Case("now and then one is not taken", "ReceiveFails", received("0xC000", 0.3), "30m"),
    *(
        Case(f"a modality is answered {status}", "ReceiveFails", received(status, 9), "30m")
        for status in ("0x0000", "0x0122", "0x0124", "0xA900", "0xB000")
    ),
    Case(
        "a workstation has no room for what we send",
        "ReceiveFails",
        {
            name.replace('"scp",dicom_o', '"scu",dicom_o'): told
            for name, told in received("0xA700", 9).items()
        },
        "30m",
    ),
]

RETRIEVES: Final[Sequence[Case]] = [
    Case(
        "more than one in ten takes over a minute",
        "RetrievesSlow",
        {**within({"60.0": 0.89, "300.0": 1, "+Inf": 1}), **retrieved("complete", 1)},
        "30m",
        Told(
            {"dicom_origin": "pacs"},
            "Studies come slowly from pacs",
            "One in ten studies that somebody waits for takes more than 1m 21s to come from pacs.",
        ),
    ),
    Case(
        "fewer than one in ten do",
        "RetrievesSlow",
        {**within({"60.0": 0.91, "300.0": 1, "+Inf": 1}), **retrieved("complete", 1)},
        "30m",
    ),
    Case(
        "there were five",
        "RetrievesSlow",
        {**within({"60.0": 0.2, "300.0": 0.3, "+Inf": 0.3}), **retrieved("complete", 0.3)},
        "30m",
    ),
    Case(
        "a quarter fails or lacks instances",
        "RetrievesFail",
        {**retrieved("failed", 0.125), **retrieved("partial", 0.125), **retrieved("complete", 0.75)},
        "30m",
        Told(
            {"dicom_origin": "pacs"},
            "Studies do not come whole from pacs",
            "25% of what was fetched from pacs in 15 minutes failed, or lacks instances. Nobody is shown it"
            " as whole.",
        ),
    ),
    Case(
        "nearly a fifth fails",
        "RetrievesFail",
        {**retrieved("failed", 0.5), **retrieved("complete", 2.1)},
        "30m",
    ),
    Case(
        "two have failed", "RetrievesFail", {**retrieved("failed", 0.15), **retrieved("complete", 0.1)}, "30m"
    ),
    Case(
        "viewers are closed before the study is there",
        "RetrievesFail",
        {**retrieved("cancelled", 5), **retrieved("complete", 1)},
        "30m",
    ),
]

SERVICES_AND_FACES: Final[Sequence[Case]] = [
    Case(
        "a service does not answer",
        "ServiceAway",
        up(wado="0+0x10"),
        "2m",
        Told({"service": "wado"}, "No wado is running", "No process of wado answers, or there is none."),
    ),
    *(
        Case(
            f"nobody knows of any {service}",
            "ServiceAway",
            up(**{service: ""}),
            "2m",
            Told(
                {"job": "isthmus", "service": service},
                f"No {service} is running",
                f"No process of {service} answers, or there is none.",
            ),
        )
        for service in SERVICES
    ),
    Case(
        "one of two does not answer",
        "ServiceAway",
        {**up(wado="0+0x10"), 'up{job="isthmus",service="wado",instance="another:8000"}': "1+0x10"},
        "2m",
    ),
    Case("it was restarted", "ServiceAway", up(wado="1 0 1 1"), "2m"),
    Case(
        "two processes do not reach NATS, all of which answer Prometheus",
        "NatsAway",
        {**up(), 'isthmus_nats_up{service="scp"}': "0+0x5", 'isthmus_nats_up{service="wado"}': "0+0x5"},
        "3m",
        Told(
            {},
            "NATS does not answer (2 processes)",
            "Without it nothing is taken from modalities or clients, and nothing is fetched or told.",
        ),
    ),
    Case("it was restarted", "NatsAway", {'isthmus_nats_up{service="scp"}': "0 0 1 1"}, "3m"),
    Case(
        "one process does not reach S3",
        "S3Away",
        {**up(), 'isthmus_s3_up{service="scp"}': "0+0x5", 'isthmus_s3_up{service="wado"}': "1+0x5"},
        "3m",
        Told({}, "S3 does not answer (1 process)", "Without it no image is taken, fetched or shown."),
    ),
    Case("it was restarted", "S3Away", {'isthmus_s3_up{service="scp"}': "0 0 1 1"}, "3m"),
    Case(
        "one of two does not answer",
        "ReplicaAway",
        {**up(wado="0+0x10"), 'up{job="isthmus",service="wado",instance="another:8000"}': "1+0x10"},
        "6m",
        Told(
            {"job": "isthmus", "service": "wado", "instance": "wado:8000"},
            "A wado does not answer",
            "wado:8000 does not answer. Others of its kind do.",
        ),
    ),
    Case("the only one does not answer", "ReplicaAway", up(wado="0+0x10"), "6m"),
    Case(
        "it is away for four minutes",
        "ReplicaAway",
        {**up(wado="0+0x10"), 'up{job="isthmus",service="wado",instance="another:8000"}': "1+0x10"},
        "4m",
    ),
    Case(
        "six of a hundred requests fail",
        "RequestsFail",
        {**answered("500", 4, "500"), **answered("503", 2, "503"), **answered("200", 94)},
        "15m",
        Told(
            {"service": "wado"},
            "6% of the requests to wado fail",
            "They are answered with a status from 500 on, or their answers are broken off.",
        ),
    ),
    Case(
        "fewer than five of a hundred fail",
        "RequestsFail",
        {**answered("500", 4.9, "500"), **answered("200", 95.1)},
        "15m",
    ),
    Case(
        "a few fail at night", "RequestsFail", {**answered("500", 0.9, "500"), **answered("200", 0.5)}, "15m"
    ),
    Case(
        "one answer in ten is broken off",
        "RequestsFail",
        {**answered("200", 10, "broken_off"), **answered("200", 90)},
        "15m",
        Told(
            {"service": "wado"},
            "10% of the requests to wado fail",
            "They are answered with a status from 500 on, or their answers are broken off.",
        ),
    ),
    Case(
        "viewers are closed before all images are there",
        "RequestsFail",
        {
            **answered("", 10, "disconnected"),
            **answered("200", 10, "disconnected"),
            **answered("200", 10, "CancelledError"),
            **answered("200", 70),
        },
        "15m",
    ),
    Case(
        "clients ask for what is not there, and for what nobody does",
        "RequestsFail",
        {**answered("404", 50), **answered("501", 25, "501"), **answered("200", 25)},
        "15m",
    ),
    Case(
        "nobody sees traces",
        "MonitoringAway",
        {'up{job="observability",service="jaeger",instance="jaeger:8888"}': "0+0x10"},
        "6m",
        Told(
            {"job": "observability", "service": "jaeger", "instance": "jaeger:8888"},
            "jaeger does not answer Prometheus",
            _UNSEEN,
        ),
    ),
    Case(
        "nobody knows how full the disk of S3 is",
        "MonitoringAway",
        {f'up{{job="s3",service="s3",instance="s3:{port}"}}': "0+0x10" for port in (9000, 9324)},
        "6m",
        Told({"job": "s3", "service": "s3"}, "s3 does not answer Prometheus", _UNSEEN),
    ),
    Case(
        "S3 is MinIO",
        "MonitoringAway",
        {
            'up{job="s3",service="s3",instance="s3:9000"}': "1+0x10",
            'up{job="s3",service="s3",instance="s3:9324"}': "0+0x10",
        },
        "6m",
    ),
    Case(
        "it was restarted",
        "MonitoringAway",
        {'up{job="observability",service="jaeger",instance="jaeger:8888"}': "0 0 1 1 1 1 1"},
        "6m",
    ),
]

CASES: Final = [*PACS, *RECEIVED, *RETRIEVES, *SERVICES_AND_FACES]

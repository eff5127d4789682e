"""What goes wrong now and then, so that dashboards have something to show of it too."""

from typing import Final

from tests.composed.flows import PACS, Site, study_of
from tests.peers import echoscu, storescu
from tests.system.multipart import retrieve

AWAY: Final = "away"
"""An origin at which nobody listens; what arrives is to go there too, and waits."""
BREAKS_OFF: Final = "breaks-off"
"""A PACS that aborts the association of every retrieve, and takes nothing of what is to go there."""


def origins_fail(site: Site) -> None:
    """A search and a retrieve at origins that are away, or break off."""
    answer = site.http.get(f"/aets/{AWAY}/studies")
    assert answer.status_code in (502, 503), answer.text
    received, _ = retrieve(site.http, BREAKS_OFF, study_of(site.studies.broken_off))
    assert received  # what came before the association was aborted


def clients_are_refused(site: Site) -> None:
    """An association to nobody, and a C-STORE of somebody who may not."""
    assert echoscu(site.called("NOBODY"), calling="WORKSTATION").code != 0
    outcome = storescu(site.called("INBOX"), site.studies.stored, calling="WORKSTATION")
    assert "Received Store Response" in outcome.log
    assert "Received Store Response (Success)" not in outcome.log
    assert site.count(PACS, site.studies.stored) == len(site.studies.stored)


TROUBLES: Final = (origins_fail, clients_are_refused)

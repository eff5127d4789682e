"""How long nothing of a study may come: as its inbox says, or else as all do."""

import pytest

from isthmus.arrivals.settings import ArrivalsSettings
from isthmus.common.config import Settings


@pytest.mark.parametrize(
    ("inbox", "seconds"),
    [("patient", 600.0), ("usual", 45.0), ("not-in-the-settings-any-more", 45.0)],
)
def test_the_quiet_time_of_an_inbox(inbox: str, seconds: float) -> None:
    settings = Settings.model_validate(
        {
            "arrivals": {"quiet_seconds": 45},
            "origins": [
                {"name": "patient", "protocol": "inbox", "ae_title": "A", "quiet_seconds": 600},
                {"name": "usual", "protocol": "inbox", "ae_title": "B"},
            ],
        }
    )
    assert ArrivalsSettings.of(settings).quiet_of(inbox) == seconds

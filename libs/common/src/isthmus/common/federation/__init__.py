"""All origins as one: where a study is, and what to say when one of them does not answer."""

from isthmus.common.federation.asking import Answers, Silence, ask_all
from isthmus.common.federation.reading import FederatedReading, Federation
from isthmus.common.federation.visible import Visible
from isthmus.common.federation.whereabouts import Wanted

__all__ = [
    "Answers",
    "FederatedReading",
    "Federation",
    "Silence",
    "Visible",
    "Wanted",
    "ask_all",
]

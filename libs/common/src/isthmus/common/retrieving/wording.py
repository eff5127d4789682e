"""In which words an origin can be asked: studies, series, instances, lists (PS3.4 C.4.2.1.4, PS3.18 10.4.1).

Some retrieve nothing at one level or another, or take no list of UIDs, and say so by A900 or 400. What is
refused in one way is then asked for in the next: alone instead of in lists, with its series, with its study.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from isthmus.common.dicom.levels import Level
from isthmus.common.errors import HttpOperationFailed, OperationFailed, OriginError
from isthmus.common.retrieving.ask import UIDS_AT_ONCE, Ask
from isthmus.common.retrieving.listing import Listed

_NOT_UNDERSTOOD: Final = range(0xA900, 0xAA00)
"""PS3.4 C.4.2.1.5: the Identifier does not match the SOP class."""
_NOT_THERE: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)
"""How servers say that they have no such transaction (PS3.18 10.4.1.1)."""


class Form(Enum):
    """What one identifier names."""

    LIST = auto()
    INSTANCE = auto()
    SERIES = auto()
    STUDY = auto()


class Wording:
    """What is known of one method of one origin: what it is never asked, and what it refused in this job."""

    def __init__(self, never: Iterable[Form] = ()) -> None:
        self._refused = set(never)
        self._understood: set[Form] = set()

    def allows(self, form: Form) -> bool:
        """Tell whether something may be asked for in this form."""
        return form not in self._refused

    @property
    def allows_any(self) -> bool:
        """Whether anything may be asked for at all."""
        return len(self._refused) < len(Form)

    def suits(self, ask: Ask) -> bool:
        """Tell whether this may be asked."""
        return self.allows(form_of(ask))

    @contextmanager
    def learning(self, ask: Ask) -> Iterator[None]:
        """Take note of how an ask ends: whether it is refused for its form, if none of that form was not.

        What succeeds meanwhile shows that it was not the form.
        """
        form = form_of(ask)
        try:
            yield
        except OriginError as error:
            if is_not_understood(error) and form not in self._understood:
                self._refused.add(form)
            raise
        self._understood.add(form)
        self._refused.discard(form)

    def whole(self, study: str, series: str, instances: Iterable[Listed]) -> Ask | None:
        """Ask for a whole series, if need be with its study; None where the origin allows neither."""
        if self.allows(Form.SERIES):
            return Ask.for_series(study, series, instances)
        return Ask.for_study(study, instances) if self.allows(Form.STUDY) else None

    def asks(self, study: str, instances: Sequence[Listed]) -> Iterator[Ask]:
        """Ask for instances, and for as little else as the origin allows; nothing where it allows nothing."""
        for series, members in by_series(instances).items():
            if self.allows(Form.INSTANCE):
                size = UIDS_AT_ONCE if self.allows(Form.LIST) else 1
                for start in range(0, len(members), size):
                    yield Ask.for_instances(study, members[start : start + size])
            elif self.allows(Form.SERIES):
                yield Ask.for_series(study, series, members)
        if not self.allows(Form.INSTANCE) and not self.allows(Form.SERIES) and self.allows(Form.STUDY):
            yield Ask.for_study(study, instances)


def is_not_understood(error: OriginError | None) -> bool:
    """Tell whether it is the words that the origin refused: no transfer syntax helps there."""
    if isinstance(error, HttpOperationFailed):
        return error.http_status in _NOT_THERE
    return isinstance(error, OperationFailed) and error.status in _NOT_UNDERSTOOD


def form_of(ask: Ask) -> Form:
    """Tell what an ask names."""
    if ask.level is Level.STUDY:
        return Form.STUDY
    if ask.level is Level.SERIES:
        return Form.SERIES
    return Form.LIST if len(ask.instances) > 1 else Form.INSTANCE


def by_series(instances: Iterable[Listed]) -> dict[str, list[Listed]]:
    """Group instances by their series."""
    groups: dict[str, list[Listed]] = {}
    for listed in instances:
        groups.setdefault(listed.series_instance_uid, []).append(listed)
    return groups

"""What the rules of the settings allow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from isthmus.common.auth.principal import Kind, Principal
from isthmus.common.auth.subjects import is_same_subject
from isthmus.common.config import Settings
from isthmus.common.config.access import Right, Rule, StudyFilter
from isthmus.common.config.networks import is_in
from isthmus.common.errors import Forbidden, Unauthenticated, UnknownOrigin

LINK_RIGHTS: Final = frozenset({Right.SEARCH, Right.RETRIEVE})
"""What a link to a study is good for, with that study."""
_OURS: Final = frozenset({Kind.SERVICE, Kind.OPERATOR})


@dataclass(frozen=True, slots=True)
class Permit:
    """With which studies of an origin something may be done."""

    filters: tuple[StudyFilter, ...] = ()
    """One of them must hold; without any, every study."""
    study: str | None = None
    """The only one, of a link."""

    @property
    def is_whole(self) -> bool:
        """Whether it is for every study."""
        return not self.filters and self.study is None


WHOLE: Final = Permit()


class Policy:
    """The rules; without any, everybody may do everything with the origins that there are."""

    def __init__(self, rules: Iterable[Rule], origins: Iterable[str]) -> None:
        self._rules = tuple(rules)
        self._origins = tuple(origins)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the rules, and the origins, from the settings."""
        return cls(settings.access.rules, (origin.name for origin in settings.origins))

    @property
    def is_open(self) -> bool:
        """Whether there are no rules."""
        return not self._rules

    def permits(self, principal: Principal, right: Right) -> Mapping[str, Permit]:
        """Give the origins at which somebody may do something, in the order of the settings."""
        found = ((origin, self._permit(principal, right, origin)) for origin in self._origins)
        return {origin: permit for origin, permit in found if permit is not None}

    def require(self, principal: Principal, right: Right, origin: str) -> Permit:
        """Give with which studies of an origin somebody may do something.

        Raises:
            UnknownOrigin: there is no such origin, or none that he may know of.
            Unauthenticated: he may not, and has given no credential.
            Forbidden: he may do other things there.
        """
        permit = self._permit(principal, right, origin) if origin in self._origins else None
        if permit is not None:
            return permit
        if not principal.is_known and not self.is_open:
            # Who is nobody hears the same of every origin, whether it is there or not.
            raise Unauthenticated("There is no credential, or none that allows it")
        if origin not in self._origins or not self.knows(principal, origin):
            raise UnknownOrigin(origin)
        raise Forbidden(f"{right.value} is not allowed at {origin!r}")

    def knows(self, principal: Principal, origin: str) -> bool:
        """Tell whether somebody may do anything at an origin, and so may know that it is there."""
        return any(self._permit(principal, right, origin) is not None for right in Right)

    def may_become(self, principal: Principal, rights: Iterable[Right]) -> bool:
        """Tell whether a credential could let somebody do something anywhere, who has not shown one yet.

        Args:
            principal: all that is known of him so far.
            rights: one of them is enough.
        """
        wanted = frozenset(rights)
        return any(
            not wanted.isdisjoint(rule.operations)
            and (rule.user is not None or rule.key is not None or bool(rule.claims))
            and _holds_besides(rule, principal)
            for rule in self._rules
        )

    def allows(self, principal: Principal, right: Right) -> bool:
        """Tell whether somebody may do something at all, for what is of no origin: `Right.ADMIN`."""
        if self.is_open or principal.kind in _OURS:
            return True
        if principal.kind is Kind.METRICS and right is Right.ADMIN:
            return True
        return any(right in rule.operations and _is_about(rule, principal) for rule in self._rules)

    def _permit(self, principal: Principal, right: Right, origin: str) -> Permit | None:
        if principal.link is not None:
            opens = principal.link.origin == origin and right in LINK_RIGHTS
            return Permit(study=principal.link.study) if opens else None
        if self.is_open or principal.kind in _OURS:
            return WHOLE
        filters: list[StudyFilter] = []
        for rule in self._rules:
            if right in rule.operations and _reaches(rule, origin) and _is_about(rule, principal):
                if rule.studies is None:
                    return WHOLE
                filters.append(rule.studies)
        return Permit(tuple(filters)) if filters else None


def _reaches(rule: Rule, origin: str) -> bool:
    return rule.origins is None or origin in rule.origins


def _is_about(rule: Rule, principal: Principal) -> bool:
    """Tell whether all that a rule names holds of somebody."""
    return (
        (rule.user is None or (principal.kind is Kind.USER and rule.user == principal.name))
        and (rule.key is None or (principal.kind is Kind.KEY and rule.key == principal.name))
        and all(values.intersection(principal.claims.get(name, ())) for name, values in rule.claims.items())
        and _holds_besides(rule, principal)
    )


def _holds_besides(rule: Rule, principal: Principal) -> bool:
    """Tell whether that holds of somebody which needs no credential of a user."""
    return (
        (rule.certificate is None or is_same_subject(rule.certificate, principal.certificate))
        and (rule.ae_title is None or rule.ae_title == principal.ae_title)
        and (rule.network is None or is_in(principal.address, rule.network))
        and rule.subscriber is None
    )

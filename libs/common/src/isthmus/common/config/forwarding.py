"""What rules of forwarding and inboxes that delete what is forwarded come to, together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from isthmus.common.config.arriving import Forward, ForwardUnit
from isthmus.common.config.origins import Inbox


def check_deletions(rules: Sequence[Forward], inboxes: Iterable[Inbox]) -> None:
    """See that what inboxes delete because it was forwarded is somewhere, and that they delete at all.

    Raises:
        ValueError: one deletes nothing, or several of them forward in a circle.
    """
    deleting = [inbox.name for inbox in inboxes if inbox.delete_forwarded]
    for name in deleting:
        if not any(to for rule in rules if rule.each is ForwardUnit.STUDY for to in _onward(rule, name)):
            raise ValueError(
                f'delete_forwarded of {name!r}: no rule of arrivals.forward with each = "study" sends on'
                " what arrives there, so nothing would ever be deleted"
            )
    onward = {name: {to for rule in rules for to in _onward(rule, name)} for name in deleting}
    for name in deleting:
        if circle := _circle(name, onward):
            raise ValueError(
                f"arrivals.forward: {' -> '.join(map(repr, circle))} is a circle of inboxes that all have"
                " delete_forwarded: a study would go round for ever, or be left in none of them"
            )


def _onward(rule: Forward, inbox: str) -> Iterator[str]:
    """Give where a rule may send what arrives in an inbox."""
    if rule.inbox in (None, inbox):
        yield from (to for to in rule.to if to != inbox)


def _circle(start: str, onward: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Give a way from an inbox back to it; None if there is none."""
    ways = [[start]]
    seen = set()
    while ways:
        way = ways.pop()
        for to in onward.get(way[-1], ()):
            if to == start:
                return [*way, to]
            if to not in seen:
                seen.add(to)
                ways.append([*way, to])
    return None

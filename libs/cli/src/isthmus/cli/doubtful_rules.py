"""Rules that do not what somebody thinks that they do: they are for nobody, or for anybody."""

from collections.abc import Iterator

from isthmus.common.config import ListenAddress, Settings
from isthmus.common.config.access import Right, Rule


def doubtful_rules(settings: Settings) -> Iterator[str]:
    """Say which rules can hold for nobody, and which for anybody who makes a claim.

    Yields:
        A sentence for each, with its number and what to do.
    """
    by_certificate = settings.gateway.client_ca_file is not None or _shows_certificates_over_dimse(settings)
    for number, rule in enumerate(settings.access.rules):
        place = f"access.rules[{number}]"
        if (rule.user or rule.claims) and not settings.access.oidc:
            yield f"{place} is for nobody: no [[access.oidc]] says whose tokens tell of a user or claims"
        if rule.certificate and not by_certificate:
            yield (
                f"{place} is for nobody: certificates are verified by gateway.client_ca_file over HTTP,"
                " and by scp.tls.client_ca_file over DIMSE"
            )
        if rule.key and (rule.user or rule.claims):
            yield f"{place} is for nobody: who shows a key shows no token: make it two rules"
        for right, why in _out_of_reach(rule):
            yield f"{place}: {right} in operations is for nobody: {why}"
        inboxes = {inbox.name for inbox in settings.inboxes}
        for origin in sorted((rule.origins or frozenset()) - inboxes) if rule.subscriber else ():
            yield f"{place}.origins: {origin!r} is no inbox, and has no events"
        if _is_a_claim(rule) and _is_reached_from_elsewhere(settings):
            yield (
                f"{place} is for whoever calls himself {rule.ae_title!r}, and scp listens beyond loopback:"
                " name network or certificate too"
            )


def _shows_certificates_over_dimse(settings: Settings) -> bool:
    return settings.scp.tls is not None and settings.scp.tls.client_ca_file is not None


def _out_of_reach(rule: Rule) -> Iterator[tuple[Right, str]]:
    """Give what a rule allows and nobody can ask for, who is known by what it names; and why."""
    if Right.EVENTS in rule.operations and not rule.subscriber:
        yield Right.EVENTS, "they are for those whom a rule names as subscriber"
    if rule.ae_title:
        for right in sorted(rule.operations & {Right.DELETE, Right.ADMIN}):
            yield right, "over HTTP alone, where nobody has an AE title"


def _is_a_claim(rule: Rule) -> bool:
    proofs = (rule.network, rule.certificate, rule.key, rule.user, rule.claims)
    return rule.ae_title is not None and not any(proofs)


def _is_reached_from_elsewhere(settings: Settings) -> bool:
    listening = (settings.scp.listen, settings.scp.tls.listen if settings.scp.tls is not None else "")
    return any(not ListenAddress(address).is_loopback for address in listening if address)

"""Who may reach whom, by network policies: as whoever carries them out in a cluster understands them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

from tests.deploy.rendering import NAMESPACE, Manifest, Rendered

OTHER: Final = 9999
"""A port on which nothing listens that anybody should reach."""


class Port(NamedTuple):
    """Where one is asked."""

    name: str
    number: int
    protocol: str


@dataclass(frozen=True)
class Party:
    """A pod, or somebody outside the cluster who has but an address.

    Attributes:
        labels: of the pod.
        namespace: of the pod; None: it is none.
        address: of who is no pod.
        ports: of TCP, on which it is asked, by their names; without a name by the number.
        udp: those of UDP.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None
    address: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    udp: Mapping[str, int] = field(default_factory=dict)

    def asked(self) -> Iterator[Port]:
        """Give each port, and of each protocol one that nobody should reach."""
        for protocol, ports in (("TCP", self.ports), ("UDP", self.udp)):
            for name, number in {**ports, "other": OTHER}.items():
                yield Port(name, number, protocol)


def pods(rendered: Rendered) -> Mapping[str, Party]:
    """Give the pods of the release, with the ports on which they listen."""
    return {
        name: Party(
            labels=pod["metadata"]["labels"],
            namespace=NAMESPACE,
            ports={
                one["name"]: one["containerPort"] for one in pod["spec"]["containers"][0].get("ports", ())
            },
        )
        for name, pod in rendered.pods().items()
    }


def reached(rendered: Rendered, parties: Mapping[str, Party]) -> Iterator[tuple[str, str]]:
    """Give each way that is open, from one to a port of another, as `part:port`."""
    policies = [*rendered.of_kind("NetworkPolicy").values()]
    for name, party in parties.items():
        for other_name, other in parties.items():
            for port in other.asked():
                if name != other_name and _is_open(policies, party, other, port):
                    yield name, f"{other_name}:{port.name}"


def _is_open(policies: Sequence[Manifest], source: Party, target: Party, port: Port) -> bool:
    out = _rules(policies, source, "egress")
    into = _rules(policies, target, "ingress")
    leaves = out is None or any(_lets(rule, "to", target, target, port) for rule in out)
    enters = into is None or any(_lets(rule, "from", source, target, port) for rule in into)
    return leaves and enters


def _rules(policies: Iterable[Manifest], party: Party, direction: str) -> Sequence[Manifest] | None:
    """Give what is let through; None where no policy is for this one, and all is."""
    own = [
        policy["spec"]
        for policy in policies
        if party.namespace == NAMESPACE
        and _selects(policy["spec"]["podSelector"], party.labels)
        and direction.capitalize() in policy["spec"]["policyTypes"]
    ]
    return [rule for spec in own for rule in spec.get(direction) or ()] if own else None


def _lets(rule: Manifest, who: str, party: Party, target: Party, port: Port) -> bool:
    peers, ports = rule.get(who), rule.get("ports")
    matches = not peers or any(_is_peer(peer, party) for peer in peers)
    return matches and (not ports or any(_is_port(one, target, port) for one in ports))


def _is_port(one: Manifest, target: Party, port: Port) -> bool:
    return one.get("protocol", "TCP") == port.protocol and _number(one["port"], target) == port.number


def _is_peer(peer: Manifest, party: Party) -> bool:
    if "ipBlock" in peer:
        network = ip_network(peer["ipBlock"]["cidr"])
        return party.address is not None and ip_address(party.address) in network
    if party.namespace is None:
        return False
    wanted = peer.get("namespaceSelector")
    in_namespace = (
        party.namespace == NAMESPACE
        if wanted is None
        else _selects(wanted, {"kubernetes.io/metadata.name": party.namespace})
    )
    return in_namespace and _selects(peer.get("podSelector", {}), party.labels)


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, "the policies of the chart select by labels alone"
    return dict(selector.get("matchLabels", {})).items() <= dict(labels).items()


def _number(port: str | int, target: Party) -> int | None:
    return target.ports.get(port) if isinstance(port, str) else port

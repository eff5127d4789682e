"""Everything that `isthmus up` runs, put together from the settings."""

import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from isthmus.cli.doubtful_rules import doubtful_rules
from isthmus.cli.embedded import EmbeddedDemoPacs, EmbeddedGateway, EmbeddedNats, EmbeddedS3
from isthmus.cli.embedded.base import LOOPBACK, Embedded, free_ports, reachable
from isthmus.cli.embedded.gateway import GatewayTls
from isthmus.cli.embedded.probe import answers
from isthmus.cli.kept_secret import kept_secret
from isthmus.cli.named_files import check_files
from isthmus.cli.process import Program, port_is_free
from isthmus.cli.readable_secrets import readable_secrets
from isthmus.cli.run_file import CachePart, NatsPart, OriginPart, ProcessPart, RunFile, S3Part, ScpPart
from isthmus.cli.subscriber_users import subscribers_of
from isthmus.cli.supervisor import Running
from isthmus.cli.viewer import viewer_folder
from isthmus.common.config import ListenAddress, Settings
from isthmus.common.config.certificates import out_of_time, server_context
from isthmus.common.config.http import Gateway
from isthmus.common.config.networks import written_out
from isthmus.common.config.settings import Replicas, Scp
from isthmus.common.config.tls import ListenerTls
from isthmus.common.errors import SettingsError

DEMO_ORIGIN = "demo"
_HTTP_FACES = frozenset({"qido", "wado", "stow"})
_FACES = _HTTP_FACES | {"scp"}


class System:
    """NATS, S3, the services and the gateway, and a demo PACS when no origin is configured.

    Raises:
        SettingsError: a port that the settings name is taken, the origin for storing is not there, or a file
            does not hold its secret or certificate.
    """

    def __init__(self, settings: Settings, *, config: Path | None, data: Path) -> None:
        data = data.resolve()
        check_files(settings)
        _check_ours(settings)
        self._settings = settings
        self._config = config.resolve() if config else None
        self._traces = data / "traces"
        # It is kept, and so are the queues: what was asked for before a restart goes on after it.
        self._signing_key = settings.access.signing_secret or kept_secret(data / "signing.key")
        self._link_key = settings.access.link_secret or kept_secret(data / "link.key")
        self._operator_key = settings.access.operator_secret or secrets.token_urlsafe(32)
        self._secret = settings.gateway.shown_secret or secrets.token_urlsafe(32)
        gateway = _free_address("gateway.listen", settings.gateway.listen)
        self._scp = _scp_addresses(settings.scp)
        self._nats = EmbeddedNats(data / "nats", subscribers_of(settings))
        self._s3 = EmbeddedS3(data / "s3")
        self._demo = None if settings.origins else _demo_pacs(settings, data / "demo", self._scp)
        counts = _processes(settings.up.replicas)
        ports = iter(free_ports(sum(counts.values())))
        self._ports = {name: [next(ports) for _ in range(count)] for name, count in counts.items()}
        faces = {name: [f"{LOOPBACK}:{port}" for port in ports] for name, ports in self._ports.items()}
        self._gateway = EmbeddedGateway(
            data / "gateway",
            gateway.host,
            gateway.port,
            qido=faces["qido"],
            wado=faces["wado"],
            stow=faces["stow"],
            viewer=viewer_folder(data) if viewer_folder(data).is_dir() else None,
            limits=settings.limits,
            secret=self._secret,
            tls=_tls_of(settings.gateway),
            trusted_proxies=[written_out(network) for network in settings.gateway.trusted_proxies],
        )

    @property
    def url(self) -> str:
        """Where HTTP clients go."""
        return self._gateway.url

    @property
    def ready_line(self) -> str:
        """What is said when all of it is ready: where clients go, and whether anybody may."""
        open_to = " (open to everyone on this machine)" if self._settings.access.is_open else ""
        return f"isthmus is ready: {self.url}{open_to}"

    @property
    def warnings(self) -> Sequence[str]:
        """What who runs it should know, beside the settings being right."""
        settings = self._settings
        return (*_of_gateway(settings.gateway), *doubtful_rules(settings), *readable_secrets(settings))

    def prepare(self) -> None:
        """Write the files that the servers need."""
        self._traces.mkdir(parents=True, exist_ok=True)
        for server in self._servers():
            server.directory.mkdir(parents=True, exist_ok=True)
            server.prepare()

    def stages(self) -> Sequence[Sequence[Program]]:
        """Give the programs in the order in which they start; those of one stage start at the same time."""
        services = [program for name in self._ports for program in self._service(name)]
        demo = [self._demo.program] if self._demo is not None else []  # nobody needs it to start
        return [[self._nats.program, self._s3.program], [*demo, *services], [self._gateway.program]]

    def clean(self) -> None:
        """Remove what the servers have left outside the data folder."""
        for server in self._servers():
            server.clean()

    def run_file(self, running: Sequence[Running]) -> RunFile:
        """Describe the running system."""
        pids: dict[str, list[int]] = {}
        for one in running:
            pids.setdefault(one.name, []).extend([one.pid] if one.pid is not None else [])
        return RunFile(
            gateway=self.url,
            nats=NatsPart(url=self._nats.url, user=self._nats.user, password=self._nats.password),
            s3=S3Part(
                endpoint=self._s3.endpoint,
                bucket=self._s3.bucket,
                access_key=self._s3.access_key,
                secret_key=self._s3.secret_key,
            ),
            scp=self._scp_part(),
            cache=CachePart(max_bytes=self._settings.cache.max_bytes),
            services=pids,
            processes=[self._process_part(one) for one in running],
            origins=[*self._origin_parts()],
            key=self._operator_key,
            link_key=self._link_key,
            signing_key=self._signing_key,
            clients=self._settings.gateway.url or self.url,
            certificate=_resolved(self._settings.gateway.certificate_file),
        )

    def _process_part(self, running: Running) -> ProcessPart:
        ports = self._ports.get(running.name)
        address = f"{LOOPBACK}:{ports[max(0, running.replica - 1)]}" if ports is not None else None
        return ProcessPart(
            name=running.name,
            replica=running.replica,
            pid=running.pid,
            since=running.since,
            restarts=running.restarts,
            ended=running.ended,
            address=address,
        )

    def _origin_parts(self) -> Iterator[OriginPart]:
        for origin in self._settings.origins:
            yield OriginPart(name=origin.name, protocol=origin.protocol.value)
        if self._demo is not None:
            yield OriginPart(name=DEMO_ORIGIN, protocol="dimse")

    def _scp_part(self) -> ScpPart:
        first, tls = next(iter(self._scp.values())), self._scp.get("scp.tls.listen")
        return ScpPart(
            ae_title=self._settings.scp.ae_title,
            host=first.host,
            port=first.port,
            tls_port=None if tls is None else tls.port,
        )

    def _servers(self) -> Sequence[Embedded]:
        demo = [self._demo] if self._demo is not None else []
        return [self._nats, self._s3, *demo, self._gateway]

    def _service(self, name: str) -> Sequence[Program]:
        ports = self._ports[name]
        return [
            Program(
                name=name,
                replica=number if len(ports) > 1 else 0,
                command=[sys.executable, "-m", f"isthmus.{name.replace('-', '_')}"],
                environment=self.environment(name, port),
                ready=partial(answers, LOOPBACK, port, "/readyz"),
                # They end what clients still wait for within 5 s.
                stop_within=5.5,
            )
            for number, port in enumerate(ports, start=1)
        ]

    def environment(self, name: str, port: int) -> Mapping[str, str]:
        """Give the settings of a service beside the file; containers have them too (compose/compose.yaml)."""
        access_key, secret_key = self._s3.keys_of(name)
        environment = {
            "ISTHMUS_CONFIG": str(self._config or ""),
            "ISTHMUS_HTTP__LISTEN": f"{LOOPBACK}:{port}",
            **{f"ISTHMUS_{key.upper().replace('.', '__')}": str(one) for key, one in self._scp.items()},
            "ISTHMUS_NATS__URL": self._nats.url,
            "ISTHMUS_NATS__USER": name,
            "ISTHMUS_NATS__PASSWORD": self._nats.password_of(name),
            "ISTHMUS_S3__ENDPOINT": self._s3.endpoint,
            "ISTHMUS_S3__BUCKET": self._s3.bucket,
            "ISTHMUS_S3__ACCESS_KEY": access_key,
            "ISTHMUS_S3__SECRET_KEY": secret_key,
            "ISTHMUS_GATEWAY__URL": self._settings.gateway.url or self.url,
            "ISTHMUS_TELEMETRY__TRACES": str(self._traces),
        }
        access = self._settings.access
        if access.signing_key is None and access.signing_key_file is None:
            environment["ISTHMUS_ACCESS__SIGNING_KEY"] = self._signing_key
        if name in _FACES and access.link_key is None and access.link_key_file is None:
            environment["ISTHMUS_ACCESS__LINK_KEY"] = self._link_key
        if name in _HTTP_FACES and access.operator_key_file is None:
            environment["ISTHMUS_ACCESS__OPERATOR_KEY"] = self._operator_key
        if name in _HTTP_FACES and self._settings.gateway.secret_file is None:
            environment["ISTHMUS_GATEWAY__SECRET"] = self._secret
        if self._demo is not None:
            origin = {
                "name": DEMO_ORIGIN,
                "protocol": "dimse",
                "ae_title": self._demo.ae_title,
                "host": self._demo.host,
                "port": self._demo.port,
                "retrieve": ["c-get", "c-move"],
            }
            environment["ISTHMUS_ORIGINS"] = json.dumps([origin])
        return environment


def _demo_pacs(settings: Settings, directory: Path, scp: Mapping[str, ListenAddress]) -> EmbeddedDemoPacs:
    """Describe the PACS that is there where the settings name no origin.

    Raises:
        SettingsError: it could not send what is moved from it, or is not the origin for storing.
    """
    _check_demo_takes(settings.dicomweb.store)
    in_clear = scp.get("scp.listen")
    if in_clear is None:
        raise SettingsError(
            "scp.listen: is empty, but the demo PACS, which is there without origins, needs it"
        )
    return EmbeddedDemoPacs(
        directory,
        destination=settings.scp.ae_title,
        destination_host=reachable(in_clear.host),
        destination_port=in_clear.port,
    )


def _processes(replicas: Replicas) -> Mapping[str, int]:
    """Give of each service how many processes there are."""
    return {
        "qido": replicas.qido,
        "wado": replicas.wado,
        "stow": replicas.stow,
        "dimse-scu": replicas.dimse_scu,
        "web-scu": replicas.web_scu,
        "arrivals": replicas.arrivals,
        "scp": 1,
    }


def _tls_of(gateway: Gateway) -> GatewayTls | None:
    """Give what the gateway has for TLS, as far as the settings name any.

    Raises:
        SettingsError: a file does not hold what it should; says which, and why.
    """
    tls = listener_of(gateway)
    if tls is None:
        return None
    try:
        server_context(tls)
    except ValueError as error:
        raise SettingsError(f"gateway.{error}") from None
    return GatewayTls(
        tls.certificate_file.resolve(), tls.key_file.resolve(), _resolved(gateway.client_ca_file)
    )


def listener_of(gateway: Gateway) -> ListenerTls | None:
    """Give the gateway's files for TLS as those of a port that listens; None where it has none."""
    if gateway.certificate_file is None or gateway.key_file is None:
        return None
    return ListenerTls(
        listen=gateway.listen,
        certificate_file=gateway.certificate_file,
        key_file=gateway.key_file,
        client_ca_file=gateway.client_ca_file,
    )


def _resolved(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()


def _check_ours(settings: Settings) -> None:
    """See that no file is named for NATS and S3, which are our own here, with passwords that we make.

    Raises:
        SettingsError: one is.
    """
    for name, part in (("nats", settings.nats), ("s3", settings.s3)):
        for key, value in part:
            if key.endswith("_file") and value is not None:
                raise SettingsError(f"{name}.{key}: isthmus up brings its own; it is for services run alone")


def _check_demo_takes(store: str | None) -> None:
    if store not in (None, DEMO_ORIGIN):
        raise SettingsError(f"dicomweb.store: no origin is named {store!r}, only the {DEMO_ORIGIN!r}")


def _scp_addresses(scp: Scp) -> Mapping[str, ListenAddress]:
    """Give where the DIMSE face listens, by the settings that say it: in clear, with TLS, or both."""
    wanted = {"scp.listen": scp.listen, "scp.tls.listen": "" if scp.tls is None else scp.tls.listen}
    return {setting: _free_address(setting, listen) for setting, listen in wanted.items() if listen}


def _free_address(setting: str, listen: str) -> ListenAddress:
    """Give an address that we can listen on; port 0 means any."""
    address = ListenAddress(listen)
    if address.port == 0:
        (port,) = free_ports(1)
        return ListenAddress(f"{listen.rpartition(':')[0]}:{port}")
    if not port_is_free(address.host, address.port):
        raise SettingsError(f"{setting}: {listen} is in use by another program")
    return address


def _of_gateway(gateway: Gateway) -> Iterator[str]:
    listen = ListenAddress(gateway.listen)
    if not listen.is_loopback and gateway.certificate_file is None:
        yield (
            f"gateway.listen = {listen}, without TLS: tokens, keys and images can be read on the way."
            " Set gateway.certificate_file and gateway.key_file, or have a proxy with TLS before it"
        )
    if gateway.url is None and not listen.is_loopback and ip_address(listen.host).is_unspecified:
        yield (
            f"gateway.listen = {listen} is no address that clients can use, and events and links have it in"
            " their URLs: say in gateway.url where clients reach us"
        )
    tls = listener_of(gateway)
    if tls is not None:
        with suppress(ValueError):  # a file has gone since it was looked at
            yield from (f"gateway.{complaint}" for complaint in out_of_time(tls))

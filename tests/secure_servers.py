"""The embedded NATS and S3 with TLS, which `isthmus up` itself does not need: on loopback."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from isthmus.cli.embedded import EmbeddedNats, EmbeddedS3
from isthmus.cli.embedded.probe import answers
from isthmus.cli.process import Program
from isthmus.common.config.settings import S3, Nats
from tests.certificates import Authority, Identity
from tests.peers import free_ports


class SecureNats(EmbeddedNats):
    """The embedded server, with TLS: the files are named in its configuration, as compose/README.md says."""

    def __init__(self, directory: Path, own: Identity, clients: Path | None = None) -> None:
        super().__init__(directory)
        verify = f', ca_file: "{clients}", verify: true' if clients is not None else ""
        self._tls = f'tls {{ cert_file: "{own.certificate}", key_file: "{own.key}"{verify} }}\n'
        (self._monitor,) = free_ports(1)

    def settings(self, **more: object) -> Nats:
        return Nats.model_validate(
            {
                "url": self.url.replace("nats://", "tls://"),
                "user": "qido",
                "password": self.password_of("qido"),
                **more,
            }
        )

    def prepare(self) -> None:
        super().prepare()
        with (self.directory / "nats.conf").open("a") as file:
            file.write(f"{self._tls}http: 127.0.0.1:{self._monitor}\n")

    @property
    def program(self) -> Program:
        plain = super().program
        return Program(
            name=plain.name,
            command=plain.command,
            ready=lambda: answers("127.0.0.1", self._monitor, "/healthz"),
            environment=plain.environment,
            directory=plain.directory,
        )


class SecureS3(EmbeddedS3):
    """The embedded server, which speaks TLS on another port too."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        super().__init__(directory)
        own = authority.signs("s3")
        (self._port,) = free_ports(1)
        self.ca_file = authority.certificate
        self._options: Sequence[str] = (
            f"-s3.port.https={self._port}",
            f"-s3.cert.file={own.certificate}",
            f"-s3.key.file={own.key}",
        )

    @property
    def program(self) -> Program:
        plain = super().program
        return replace(plain, command=[*plain.command, *self._options])

    def settings(self, ca_file: Path) -> S3:
        access_key, secret_key = self.keys_of("wado")
        return S3(
            endpoint=f"https://127.0.0.1:{self._port}",
            access_key=access_key,
            secret_key=secret_key,
            ca_file=ca_file,
        )

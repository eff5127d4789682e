"""Where the system is that is to be looked at: what `isthmus up` tells, or the settings of a container."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.cli.run_file import CachePart, NatsPart, NotRunning, OriginPart, RunFile, S3Part, ScpPart
from isthmus.common.config import Settings, load_settings
from isthmus.common.config.settings import S3, Nats
from isthmus.common.errors import SettingsError

_CONFIG: Final = "ISTHMUS_CONFIG"
_NATS: Final = "ISTHMUS_NATS__URL"


@dataclass(frozen=True, slots=True)
class Target:
    """A system, and how it is reached."""

    run: RunFile
    nats: Nats
    s3: S3

    @classmethod
    def find(cls, data: Path, environ: Mapping[str, str] = os.environ) -> "Target":
        """Find what runs with a data folder; where nothing does, what the settings in the environment tell.

        Those tell where NATS, S3 and the gateway are, and which origins there are, but not where the services
        are: that is in run.json.

        Raises:
            NotRunning: nothing runs with the data folder, and no setting says where NATS is.
            SettingsError: the settings are wrong.
        """
        try:
            run = RunFile.read(data)
        except NotRunning:
            if _NATS not in environ:
                raise
            return _of_settings(_settings(environ))
        if not run.origins and _CONFIG in environ:
            run = run.model_copy(update={"origins": [*_origins(_settings(environ))]})
        return cls(run, run.nats.settings, run.s3.settings)


def _settings(environ: Mapping[str, str]) -> Settings:
    path = environ.get(_CONFIG)
    return load_settings(Path(path) if path else None)


def _origins(settings: Settings) -> Iterator[OriginPart]:
    return (OriginPart(name=one.name, protocol=one.protocol.value) for one in settings.origins)


def _of_settings(settings: Settings) -> Target:
    nats, s3, scp, access = settings.nats, settings.s3, settings.scp, settings.access
    gateway = settings.gateway
    try:
        run = RunFile(
            gateway=gateway.base_url,
            nats=NatsPart(
                url=nats.url,
                user=nats.user,
                password=nats.secret,
                ca_file=nats.ca_file,
                certificate_file=nats.certificate_file,
                key_file=nats.key_file,
            ),
            s3=S3Part(
                endpoint=s3.endpoint,
                bucket=s3.bucket,
                access_key=s3.access_key,
                secret_key=s3.secret,
                ca_file=s3.ca_file,
            ),
            scp=ScpPart(ae_title=scp.ae_title, host="", port=0),
            cache=CachePart(max_bytes=settings.cache.max_bytes),
            services={},
            origins=[*_origins(settings)],
            signing_key=access.signing_secret or "",
            # Who answers at its URL need not be the gateway itself.
            certificate=gateway.certificate_file if gateway.url is None else None,
        )
    except ValueError as error:
        raise SettingsError(f"a file with a secret cannot be read: {error}") from None
    return Target(run, nats, s3)

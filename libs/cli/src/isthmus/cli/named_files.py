"""The files that settings name: whether they hold what they should, before anything is started."""

from collections.abc import Iterator
from pathlib import Path

from isthmus.common.config import DicomwebOrigin, DimseOrigin, S3Origin, Settings
from isthmus.common.config.access import Access, key_in
from isthmus.common.config.certificates import client_context, server_context
from isthmus.common.config.files import secret_in, verifying
from isthmus.common.config.signing import signing_keys_in
from isthmus.common.config.tls import PeerTls
from isthmus.common.errors import SettingsError
from isthmus.common.webclient.tls import tls_context


def check_files(settings: Settings) -> None:
    """See that each file with a secret or a certificate can be used; those of buckets' keys are read already.

    Raises:
        SettingsError: a line for each that cannot, with its key; it quotes nothing of what they hold.
    """
    complaints = [*_of_access(settings.access), *_of_webhooks(settings), *_of_scp(settings)]
    complaints += [*_of_key("gateway.secret_file", settings.gateway.secret_file), *_of_audit(settings)]
    for number, origin in enumerate(settings.origins):
        if isinstance(origin, DicomwebOrigin):
            complaints += _of_server(f"origins[{number}]", origin)
        if isinstance(origin, DimseOrigin):
            complaints += _of_peer(f"origins[{number}]", origin.tls)
        if isinstance(origin, S3Origin):
            complaints += _of_bucket(f"origins[{number}]", origin)
    if complaints:
        raise SettingsError("\n".join(complaints))


def _of_access(access: Access) -> Iterator[str]:
    for number, provider in enumerate(access.oidc):
        try:
            verifying(provider.ca_file)
        except ValueError as error:
            yield f"access.oidc[{number}].{error}"
    for name in ("link_key", "signing_key", "operator_key", "metrics_key"):
        yield from _of_key(f"access.{name}_file", getattr(access, f"{name}_file"))


def _of_key(key: str, path: Path | None) -> Iterator[str]:
    if path is not None:
        try:
            key_in(path)
        except ValueError as error:
            yield f"{key}: {path}: {error}"


def _of_webhooks(settings: Settings) -> Iterator[str]:
    for number, webhook in enumerate(settings.arrivals.webhooks):
        if webhook.secret_file is not None:
            try:
                signing_keys_in(webhook.secret_file)
            except ValueError as error:
                yield f"arrivals.webhooks[{number}].secret_file: {error}"


def _of_audit(settings: Settings) -> Iterator[str]:
    syslog = settings.audit.syslog
    if syslog is not None and (tls := syslog.peer_tls) is not None:
        try:
            client_context(tls)
        except ValueError as error:
            yield f"audit.syslog.{error}"


def _of_scp(settings: Settings) -> Iterator[str]:
    if settings.scp.tls is not None:
        try:
            server_context(settings.scp.tls)
        except ValueError as error:
            yield f"scp.tls.{error}"
    for number, caller in enumerate(settings.scp.callers):
        yield from _of_peer(f"scp.callers[{number}]", caller.tls)
    for number, destination in enumerate(settings.scp.destinations):
        yield from _of_peer(f"scp.destinations[{number}]", destination.tls)


def _of_peer(place: str, tls: PeerTls | None) -> Iterator[str]:
    if tls is not None:
        try:
            client_context(tls)
        except ValueError as error:
            yield f"{place}.tls.{error}"


def _of_server(place: str, origin: DicomwebOrigin) -> Iterator[str]:
    secrets = [("password_file", origin.password_file, False), ("token_file", origin.token_file, True)]
    if origin.oauth2 is not None:
        secrets.append(("oauth2.client_secret_file", origin.oauth2.client_secret_file, False))
    for key, path, in_header in secrets:
        if path is not None:
            try:
                secret_in(path, in_header=in_header)
            except ValueError as error:
                yield f"{place}.{key}: {path}: {error}"
    try:
        tls_context(origin, identified=True)
    except SettingsError as error:
        yield error.detail


def _of_bucket(place: str, origin: S3Origin) -> Iterator[str]:
    if origin.endpoint.startswith("https://"):
        try:
            verifying(origin.ca_file)
        except ValueError as error:
            yield f"{place}.{error}"

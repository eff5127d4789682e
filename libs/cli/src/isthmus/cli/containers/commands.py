"""The commands that containers run before the system starts."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.containers.secret_files import Kind
from isthmus.cli.exits import exit_codes, finish
from isthmus.common.config import load_settings

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="ISTHMUS_CONFIG", help="The settings; without it those of the environment."
    ),
]


def secrets_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="With a folder for each who reads them.")],
    host: Annotated[
        str, typer.Option(metavar="NAME|IP", help="Where clients reach the gateway, for its certificate.")
    ] = "localhost",
    own: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where your gateway.pem and gateway.key may lie, in place of ours."),
    ] = None,
    renew: Annotated[list[Kind] | None, typer.Option(help="Make another one; may be repeated.")] = None,
    config: Config = None,
) -> None:
    """Make the secrets of a system in containers, as files: those that are not there yet."""
    from isthmus.cli.containers.certificate import check_host  # noqa: PLC0415 - what signs, for this command alone
    from isthmus.cli.containers.secrets import make_secrets  # noqa: PLC0415 - likewise

    try:
        check_host(host)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--host") from None
    with exit_codes():
        make_secrets(folder, load_settings(config), host=host, given=own, renew=renew or ())


def bucket_command(
    keys: Annotated[Path, typer.Argument(metavar="KEYS", help="The file s3.json of isthmus secrets.")],
    minio: Annotated[
        bool, typer.Option("--minio", help="It is MinIO: make a user with its policy for each service.")
    ] = False,
    config: Config = None,
) -> None:
    """Make the bucket, if it is not there, and see that each service may do its part with it."""
    from isthmus.cli.containers.bucket import make_bucket  # noqa: PLC0415 - what rules MinIO, likewise

    with exit_codes():
        s3 = load_settings(config).s3
    finish(make_bucket(s3, keys, minio=minio))

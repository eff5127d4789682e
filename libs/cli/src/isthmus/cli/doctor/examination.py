"""What is looked at, and in which order: the settings, this machine, its servers, and each origin."""

from collections.abc import Collection
from contextlib import suppress

from isthmus.cli.doctor import jetstream
from isthmus.cli.doctor.bucket import Bucket, examine_bucket
from isthmus.cli.doctor.clocks import Clocks
from isthmus.cli.doctor.dimse import examine_pacs
from isthmus.cli.doctor.findings import Ended, Listener, Subject
from isthmus.cli.doctor.gateway import examine_gateway
from isthmus.cli.doctor.identity import examine_provider
from isthmus.cli.doctor.machine import examine_machine
from isthmus.cli.doctor.named import examine_named, unusable
from isthmus.cli.doctor.surroundings import Surroundings
from isthmus.cli.doctor.web import examine_server
from isthmus.common.config import DicomwebOrigin, DimseOrigin, Origin, S3Origin


async def examine(around: Surroundings, origins: Collection[str], listener: Listener) -> None:
    """Look at everything, or, where origins are named, at the settings and at these.

    Args:
        around: what is known already.
        origins: names; none: all of them.
        listener: hears of each check.
    """
    clocks = Clocks()
    examine_named(Subject("settings", listener), around.settings)
    if not origins:
        examine_machine(Subject("machine", listener), around)
        await _examine_servers(around, listener, clocks)
    for origin in around.settings.origins:
        if not origins or origin.name in origins:
            with suppress(Ended):
                await _examine_origin(Subject(f"origin {origin.name}", listener), origin, around, clocks)
    if clocks.known:
        with Subject("machine", listener).step("clock", goes_on=True) as note:
            note.detail = clocks.judge()


async def _examine_servers(around: Surroundings, listener: Listener, clocks: Clocks) -> None:
    if around.running is not None:
        with suppress(Ended):
            await examine_gateway(Subject("gateway", listener), around)
    nats = jetstream.settings_of(around)
    if nats is not None:
        with suppress(Ended):
            await jetstream.examine_nats(Subject("nats", listener), nats, around)
    with suppress(Ended):
        await _examine_store(Subject("s3", listener), around, clocks)
    for number, provider in enumerate(around.settings.access.oidc):
        subject = Subject(f"identity provider {provider.issuer}", listener)
        with suppress(Ended):
            await examine_provider(subject, provider, f"access.oidc[{number}]", around.patience, clocks)


async def _examine_store(subject: Subject, around: Surroundings, clocks: Clocks) -> None:
    try:
        bucket = Bucket.ours(around)
    except ValueError as error:
        with subject.step("keys"):
            file = around.settings.s3.secret_key_file
            raise unusable(f"s3.secret_key_file: {file}: {error}") from None
    if bucket is not None:
        await examine_bucket(subject, bucket, around.patience, clocks)


async def _examine_origin(subject: Subject, origin: Origin, around: Surroundings, clocks: Clocks) -> None:
    if isinstance(origin, DimseOrigin):
        await examine_pacs(subject, origin, around)
    elif isinstance(origin, DicomwebOrigin):
        await examine_server(subject, origin, around, clocks)
    elif isinstance(origin, S3Origin):
        try:
            bucket = Bucket.of(origin, around)
        except ValueError:
            subject.unclear("bucket", "a file that its settings name cannot be used: see settings")
            return
        await examine_bucket(subject, bucket, around.patience, clocks)

"""A whole service process, from its settings to its graceful stop."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Final

import uvloop
from starlette.routing import BaseRoute

from isthmus.common.access.audit_trail import AuditTrail
from isthmus.common.access.patients import Patients
from isthmus.common.auth import Policy
from isthmus.common.blobs import BlobStore, buckets_of
from isthmus.common.bus import Bus
from isthmus.common.bus.loads import shared_loads
from isthmus.common.config import ListenAddress, Settings, load_settings
from isthmus.common.config.settings import Telemetry as TelemetrySettings
from isthmus.common.errors import IsthmusError, SettingsError
from isthmus.common.service.failing import has_failed
from isthmus.common.service.garbage import CollectBetweenRequests, settle
from isthmus.common.service.gate import gate_of, record_refusals
from isthmus.common.service.guessable import check_secrets
from isthmus.common.service.health import health_routes, looking
from isthmus.common.service.parts import Parts
from isthmus.common.service.server import application, server
from isthmus.common.telemetry import Destination, configure_logging, get_logger, setup
from isthmus.common.threads import Threads

S3_THREADS: Final = 8
FAILED: Final = 1
"""It could not start, or a part of it has ended."""
SETTINGS_WRONG: Final = 2

Routes = Callable[[Parts], Sequence[BaseRoute]]
Lifespan = Callable[[Parts], AbstractAsyncContextManager[None]]

log = get_logger(__name__)


def run(name: str, *, routes: Routes | None = None, lifespan: Lifespan | None = None) -> int:
    """Run a service until SIGTERM or SIGINT, and give its exit code.

    Args:
        name: the service's name, in logs and traces.
        routes: the resources of a face, beside `/healthz`, `/readyz` and `/metrics`.
        lifespan: what runs as long as the service does: a worker's subscriptions.
    """
    path = os.environ.get("ISTHMUS_CONFIG")
    try:
        settings = load_settings(Path(path) if path else None)
    except SettingsError as error:
        sys.stderr.write(f"{error.detail}\n")
        return SETTINGS_WRONG
    configure_logging(name, settings.telemetry.log_level)
    telemetry = setup(name, _destination(name, settings.telemetry))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(name, settings, routes, lifespan))
    except (IsthmusError, BaseExceptionGroup) as error:
        reason = _reason(error)
        if reason is None:
            raise
        log.error("cannot start", title=reason.title, detail=reason.detail)
        return SETTINGS_WRONG if isinstance(reason, SettingsError) else FAILED
    finally:
        telemetry.shutdown()
    return FAILED if has_failed() else 0


def _destination(name: str, settings: TelemetrySettings) -> Destination:
    folder = settings.traces
    file = None if folder is None else folder / f"{name}-{os.getpid()}.jsonl"
    return Destination(settings.otlp, file, settings.sample)


def _reason(error: BaseException) -> IsthmusError | None:
    """Give what a service failed of, out of the task groups in which it began; None for what is a mistake."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    return error if isinstance(error, IsthmusError) else None


@asynccontextmanager
async def open_parts(name: str, settings: Settings) -> AsyncIterator[Parts]:
    """Connect to NATS and S3.

    Raises:
        SettingsError: there are rules, but nothing by which services know each other's decisions; or a
            secret is one that everybody knows.
        UnavailableError: NATS or S3 is away.
    """
    check_secrets(settings)
    s3, gate = settings.s3, gate_of(settings, name)
    threads = Threads("s3", S3_THREADS)
    with buckets_of(settings.s3_origins) as buckets:
        blobs = BlobStore(
            s3.endpoint,
            s3.access_key,
            s3.secret,
            s3.bucket,
            threads=threads,
            ca_file=s3.ca_file,
            others=buckets,
        )
        bus = await Bus.connect(settings.nats, name, gate)
        record_refusals(bus, name)
        try:
            await blobs.ensure_bucket()
            async with AsyncExitStack() as closing:
                yield Parts(settings, bus, blobs, closing)
        finally:
            await bus.close()
            blobs.close()
            threads.close()


async def _serve(name: str, settings: Settings, routes: Routes | None, lifespan: Lifespan | None) -> None:
    async with (
        open_parts(name, settings) as parts,
        looking(parts),
        lifespan(parts) if lifespan else nullcontext(),
    ):
        own = routes(parts) if routes else ()
        inboxes = {inbox.name for inbox in settings.inboxes}
        loads = await parts.closing.enter_async_context(shared_loads(parts.bus, name)) if own else None
        app = application(
            [*health_routes(parts), *own],
            settings.gateway.cors_origins,
            inboxes,
            policy=Policy.of(settings),
            authenticate=parts.authenticator,
            limits=settings.limits,
            loads=loads,
            gateway_secret=settings.gateway.shown_secret,
            trail=AuditTrail(parts.bus, name, Patients(parts.blobs)) if own else None,
        )
        settle()
        listen = ListenAddress(settings.http.listen)
        listening = server(CollectBetweenRequests(app) if own else app, listen, settings.limits)

        def stop() -> None:
            listening.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        log.info("started", listen=settings.http.listen)
        await listening.serve()
        log.info("stopping")

"""Who may associate, C-ECHO, and how the server starts and stops."""

import asyncio
import resource
import socket

import pytest

from isthmus.common.config import ListenAddress, Settings
from isthmus.common.config.settings import Scp
from isthmus.common.dimse import FIND, VERIFICATION, Association, Context
from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    NoAcceptedContext,
    OriginUnreachable,
    SettingsError,
)
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, lifespan, serving
from tests.peers import Peer, echoscu
from tests.scp.conftest import CT, peer


async def test_an_address_that_is_taken_is_named(parts: Parts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings(scp=Scp(listen=ListenAddress(listen)))
        with pytest.raises(SettingsError, match=f"scp.listen: {listen}: Address already in use"):
            async with lifespan(Parts(settings, parts.bus, parts.blobs)):
                raise AssertionError("it listens")


async def test_another_called_ae_title_is_rejected(server: Server) -> None:
    with pytest.raises(AssociationRejected, match="Called AE title not recognised"):
        await asyncio.to_thread(Association.open, peer(server, called="OTHER"), [VERIFICATION])


async def test_searching_is_not_offered_yet(server: Server) -> None:
    with pytest.raises(NoAcceptedContext):
        await asyncio.to_thread(Association.open, peer(server), [FIND])


async def test_more_associations_than_the_limit_are_rejected(parts: Parts) -> None:
    settings = parts.settings.model_copy(update={"scp": Scp(listen="127.0.0.1:0", max_associations=1)})
    async with serving(Parts(settings, parts.bus, parts.blobs)) as server:
        first = await asyncio.to_thread(Association.open, peer(server), [VERIFICATION])
        with pytest.raises(AssociationRejected, match="Local limit exceeded"):
            await asyncio.to_thread(Association.open, peer(server), [VERIFICATION])
        await asyncio.to_thread(first.release)


async def test_as_many_files_may_be_open_as_the_associations_need(parts: Parts) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    settings = parts.settings.model_copy(update={"scp": Scp(listen="127.0.0.1:0", max_associations=1000)})
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        async with serving(Parts(settings, parts.bus, parts.blobs)):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(4000, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_anyone_may_echo(server: Server) -> None:
    def echo() -> float:
        association = Association.open(peer(server, calling="STRANGER"), [VERIFICATION])
        try:
            return association.echo()
        finally:
            association.release()

    assert await asyncio.to_thread(echo) < 5


async def test_dcmtk_may_echo(server: Server) -> None:
    outcome = await asyncio.to_thread(echoscu, Peer("ISTHMUS", "127.0.0.1", server.port))
    assert outcome.code == 0, outcome.log


async def test_stopping_aborts_the_associations_and_frees_the_address(parts: Parts) -> None:
    async with serving(parts) as server:
        association = await asyncio.to_thread(Association.open, peer(server), [VERIFICATION])
        there = peer(server)
    with pytest.raises(AssociationAborted):
        await asyncio.to_thread(association.echo)
    with pytest.raises(OriginUnreachable):
        await asyncio.to_thread(Association.open, there, [VERIFICATION])


async def test_after_it_has_stopped_the_process_takes_no_unknown_classes_any_more(parts: Parts) -> None:
    from pynetdicom import _config

    async with serving(parts) as server:
        opened = await asyncio.to_thread(
            Association.open, peer(server), [Context(CT, ("1.2.840.10008.1.2",))]
        )
        await asyncio.to_thread(opened.release)
        assert _config.UNRESTRICTED_STORAGE_SERVICE
    assert not _config.UNRESTRICTED_STORAGE_SERVICE

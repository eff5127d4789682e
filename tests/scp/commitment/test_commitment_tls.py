"""Where a caller takes the results of its requests with TLS."""

import asyncio
from pathlib import Path

import pytest

from isthmus.common.config import Inbox
from isthmus.common.config.arriving import Caller
from isthmus.common.config.tls import PeerTls
from isthmus.common.errors import SettingsError
from isthmus.common.service import Parts
from tests.common.dimse.pki import Pki
from tests.scp.commitment.asking import Deposit, get, request, transaction
from tests.scp.modality import CT, MODALITY, Modality, action_information, services, with_callers


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki.of(tmp_path)


def caller(pki: Pki, port: int) -> Caller:
    tls = PeerTls(ca_file=pki.authority.certificate, certificate_file=pki.us.certificate, key_file=pki.us.key)
    return Caller(ae_title=MODALITY, host="127.0.0.1", port=port, tls=tls)


async def test_the_result_goes_there_with_tls(parts: Parts, inbox: Inbox, deposit: Deposit, pki: Pki) -> None:
    await deposit("1.2.3.4")
    uid, modality = transaction(), Modality()
    with modality.listening(tls=pki.accepting()) as there:
        async with services(with_callers(parts, inbox, [caller(pki, there)])) as port:
            action = action_information(uid, (CT, "1.2.3.4"))
            assert await asyncio.to_thread(request, port, modality, action) == [0]
            result = await get(modality.there)
    assert (result[0], result[1].TransactionUID) == (1, uid)


async def test_a_certificate_that_cannot_be_used_is_named_at_the_start(
    parts: Parts, inbox: Inbox, pki: Pki
) -> None:
    pki.us.key.unlink()
    with pytest.raises(SettingsError) as caught:
        async with services(with_callers(parts, inbox, [caller(pki, 104)])):
            pass
    assert str(caught.value).startswith(f"scp.callers: {MODALITY}: tls: key_file: {pki.us.key}")

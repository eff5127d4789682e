"""Why TLS failed: one of a list and words, of one table."""

import ssl

import pytest

from isthmus.common.dimse.tls_fault import TlsFault, fault_of, in_words


def failed(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "fault", "words"),
    [
        (failed("WRONG_VERSION_NUMBER"), TlsFault.NO_TLS, "it speaks no TLS"),
        (failed("PACKET_LENGTH_TOO_LONG"), TlsFault.NO_TLS, "it speaks no TLS"),
        (failed("PEER_DID_NOT_RETURN_A_CERTIFICATE"), TlsFault.OTHER, "it showed no certificate"),
        (failed("NO_SUITABLE_SIGNATURE_ALGORITHM"), TlsFault.OTHER, "no suitable signature algorithm"),
        (TimeoutError(), TlsFault.SILENT, "it did not do the handshake in time"),
        (ConnectionResetError(), TlsFault.BROKE_OFF, "it broke off"),
    ],
)
def test_a_failure_is_one_of_a_list_and_has_words(error: OSError, fault: TlsFault, words: str) -> None:
    assert (fault_of(error), in_words(error)) == (fault, words)

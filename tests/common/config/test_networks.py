"""How networks are written, and by what the addresses of clients are counted."""

import pytest

from isthmus.common.config.networks import counted_as, written_out


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.1.0.7", "10.1.0.7"),
        ("::ffff:10.1.0.7", "10.1.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::2", "fe80::2"),
        ("::1", "::1"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_is_counted_by_what_one_machine_can_have(address: str, counted: str) -> None:
    assert counted_as(address) == counted


@pytest.mark.parametrize(
    ("network", "written"),
    [
        ("10.1.0.7", "10.1.0.7/32"),
        ("10.1.0.7/255.255.0.0", "10.1.0.0/16"),
        ("2001:DB8::/32", "2001:db8::/32"),
    ],
)
def test_a_network_is_written_out_as_an_address_and_a_length(network: str, written: str) -> None:
    assert written_out(network) == written

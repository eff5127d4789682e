"""By what the addresses of clients are counted."""

import pytest

from isthmus.common.config.networks import counted_as


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

"""This machine: room for the data, the ports that we listen on, the viewer."""

import errno
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Subject, Wrong
from isthmus.cli.doctor.port_holder import holder
from isthmus.cli.doctor.surroundings import Surroundings
from isthmus.cli.run_file import is_elsewhere
from isthmus.cli.viewer import viewer_folder
from isthmus.common.config import ListenAddress

LEAST_FREE: Final = 1024**3
"""Bytes, below which nothing that arrives should be relied on."""


def examine_machine(subject: Subject, around: Surroundings) -> None:
    """Look at the data folder, the ports, unless ours listen there already, and the viewer."""
    if not is_elsewhere(around.data):  # else it holds but what tells where, and may be for reading alone
        with subject.step("data folder", goes_on=True) as note:
            note.detail = _look_at_data(around.data)
    if around.running is None:
        for setting, address in _listening(around).items():
            with subject.step(setting, goes_on=True) as note:
                _try_port(setting, address)
                note.detail = f"{address} is free"
    folder = viewer_folder(around.data)
    if folder.is_dir():
        with subject.step("viewer", goes_on=True):
            _look_at_viewer(folder, around.data)


def _listening(around: Surroundings) -> Mapping[str, ListenAddress]:
    named = around.settings.listening
    return {name: address for name, address in named.items() if name != "http.listen" and address.port}


def _look_at_data(data: Path) -> str:
    there = data
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise Wrong(
            Cause.DATA_NOT_WRITABLE,
            Side.OURS,
            f"nothing can be written to {there}, where the data folder {data} is or would be",
            f"give it to who runs isthmus: {_give(data)}, or name another folder by --data",
        )
    free = free_bytes(there)
    if free < LEAST_FREE:
        raise Wrong(
            Cause.DISK_FULL,
            Side.OURS,
            f"the disk of the data folder {data} has {free // 1024**2} MiB left: what arrives is refused when"
            " it is full",
            "make room on it, or name a folder on another disk by --data",
            "cache.max_bytes bounds what is held of origins; isthmus cache clear deletes it",
        )
    return f"{free / 1024**3:.0f} GiB free"


def free_bytes(folder: Path) -> int:
    """Give how much room there is."""
    return shutil.disk_usage(folder).free


def _give(data: Path) -> str:
    """Say how the folder becomes ours; of what lies above it nothing is given away."""
    user, group = os.getuid(), os.getgid()
    if data.is_dir():
        return f"sudo chown -R {user}:{group} {data}"
    return f"sudo install -d -m 700 -o {user} -g {group} {data}"


def _try_port(setting: str, address: ListenAddress) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise _no_port(error, setting, address) from None


def _no_port(error: OSError, setting: str, address: ListenAddress) -> Wrong:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Wrong(
            Cause.PORT_PRIVILEGED,
            Side.OURS,
            f"we may not listen on {address}: ports below 1024 are for root",
            f"{setting}: take one from 1024 on, 11112 for DICOM and 8443 for HTTPS, say; or have the port"
            " forwarded there",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return Wrong(
            Cause.ADDRESS_NOT_OURS,
            Side.OURS,
            f"{address.host} is no address of this machine",
            f"{setting}: write one of its own (ip address shows them), or 0.0.0.0 for all of them",
        )
    who = holder(address.port)
    return Wrong(
        Cause.PORT_TAKEN,
        Side.OURS,
        f"{address} is taken by {who or 'another program'}",
        f"end {who or 'that program'}, or take another port in {setting}"
        + ("" if who else f" (ss -ltnp sport = :{address.port} shows it to root)"),
    )


def _look_at_viewer(folder: Path, data: Path) -> None:
    if not (folder / "index.html").is_file():
        raise Wrong(
            Cause.VIEWER_INCOMPLETE,
            Side.OURS,
            f"the viewer in {folder} has no index.html: it is not all there",
            f"fetch it anew: rm -r {folder} && isthmus viewer --data {data}",
        )

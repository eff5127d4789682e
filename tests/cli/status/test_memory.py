"""How much memory a process takes, with what it has started."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE

from isthmus.cli.status.memory import memory_of

MEBIBYTE = 1024 * 1024
PARENT = """
import subprocess, sys
held = bytearray(40 * 1024 * 1024)
child = [sys.executable, "-I", "-S", "-c", "held = bytearray(60 * 1024 * 1024); print(flush=True); input()"]
subprocess.run(child)
"""


async def test_what_a_process_started_counts_with_it() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", PARENT), stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    assert process.stdout is not None
    await process.stdout.readline()
    found = memory_of({process.pid, os.getpid()})
    assert 100 * MEBIBYTE < found[process.pid] < 200 * MEBIBYTE
    await process.communicate(b"\n")
    assert memory_of({process.pid}) == {}


def test_who_leads_no_session_of_his_own_is_left_out() -> None:
    assert memory_of({2**22 + 1}) == {}

"""The one bridge between asyncio and the libraries that block (minio, pynetdicom).

The rule: asyncio at the edges, threads only where a library blocks, and nothing crosses but through here.

- The loop calls a blocking function: `Threads.run`. The caller's context variables go along, so spans nest.
- A thread sends many items to the loop: `Channel`, bounded, so a slow reader slows the thread down.
- A thread needs one answer from the loop: `run_coroutine_from_thread`, always with a time-out.

A thread never touches an asyncio object otherwise, and the loop never waits for a lock that a thread holds
while it does input or output.
"""

from isthmus.common.threads.calls import LoopStopped, run_coroutine_from_thread
from isthmus.common.threads.channel import Channel, ChannelClosed
from isthmus.common.threads.pool import Threads

__all__ = ["Channel", "ChannelClosed", "LoopStopped", "Threads", "run_coroutine_from_thread"]

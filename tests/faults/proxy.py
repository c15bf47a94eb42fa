"""A TCP proxy that stands before a server and can cut, black-hole and delay what passes."""

import asyncio
import threading

from infra import embedded

MOST_BYTES = 64 * 1024  # that pass at once


class Proxy:
    """Passes all that comes to its port on to another. What is set here holds at once, for both directions.

    It has a thread and a loop of its own, so a test that waits does not hold it up. While it is a `hole` nothing passes
    and nobody is told: what was sent arrives once it is none any more, as TCP would repeat it, unless its sender gave
    the connection up meanwhile.
    """

    def __init__(self, target):
        """`target`: the port, when it's asked for, since servers choose theirs when they start."""
        self.target, self.port = target, embedded.free_port()
        self.delay, self.passed = 0.0, 0
        self._open = threading.Event()  # read in the proxy's own loop, a hundred times a second while it's a hole
        self._open.set()
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self):
        """Listens until `stop`, if it does not already."""
        if self._thread.is_alive():
            return
        self._thread.start()
        self._server = self._called(asyncio.start_server(self._serve, "127.0.0.1", self.port))

    def stop(self):
        """Cuts all that is open, and listens no more."""
        self.heal()
        self._called(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self):
        """Breaks every connection off; new ones may be made at once. Gives how many."""
        return self._called(self._cut())

    def hole(self):
        """Lets nothing through, and breaks nothing off."""
        self._open.clear()

    def heal(self):
        """Lets all through, as fast as it comes."""
        self.delay = 0.0
        self._open.set()

    def _called(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _cut(self):
        writers = list(self._writers)
        for writer in writers:
            writer.transport.abort()
        return len(writers) // 2

    async def _end(self):
        self._server.close()
        await self._cut()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        both = {writer}
        try:
            await self._passable()
            there, thither = await asyncio.open_connection("127.0.0.1", self.target())
            both.add(thither)
            self._writers |= both
            await asyncio.gather(self._pass(reader, thither), self._pass(there, writer))
        except OSError:
            pass  # as whoever is connected will see
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _pass(self, reader, writer):
        while said := await reader.read(MOST_BYTES):
            await asyncio.sleep(self.delay)
            if not self._open.is_set():
                await self._passable()
                await asyncio.sleep(0.01)  # so that an end that came meanwhile is known
                if reader.at_eof() or reader.exception():
                    break
            self.passed += len(said)
            writer.write(said)
            await writer.drain()
        await self._passable()
        writer.close()

    async def _passable(self):
        while not self._open.is_set():  # noqa: ASYNC110 # it is set in another thread
            await asyncio.sleep(0.01)

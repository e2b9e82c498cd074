"""`complete` and `complete_many`: calls from ordinary code, also where an event loop runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from .client import Client, raised
from .endpoints import Endpoint
from .replies import Completion, Failure
from .requests import Request
from .runs import Progress, Run

__all__ = ["complete", "complete_many"]

_POLL_SECONDS = 0.1


def complete_many(
    endpoint: Endpoint, requests: Iterable[Request], *, progress: Progress | None = None
) -> list[Completion | Failure]:
    """Ask an endpoint many things at once.

    Parameters
    ----------
    endpoint : the server, the pace, the budgets and the journal.
    requests : equal ones are separate samples.
    progress : called in this thread about every tenth of a second and at the end, with a dict of
        `done`, `total`, `failed`, `cached`, `cost` and `elapsed` (seconds).

    Returns
    -------
    list
        One answer per request, in their order. What fails is a `Failure` and stops nothing else.
        Calls that are no use any more are not made: where nothing has ever answered at the
        address after all attempts of one call; where 32 calls in a row failed for a reason that is
        the server's, and none has succeeded before or for a minute.

    Raises
    ------
    MissingExtraError : aiohttp is not installed.
    ParameterError : the key is not in the environment.
    JournalLockedError, ArtifactError : the journal is in use, or damaged.

    Notes
    -----
    The calls are made in a thread of their own, so that this also works in a notebook. Ctrl-C
    cancels the calls in flight and returns what has been finished, the rest as failures of kind
    "interrupted"; a second Ctrl-C is raised. With a journal, a run that was stopped in any way can
    be repeated and makes only the calls that are left, and those that had failed.
    """
    with BlockingClient(endpoint) as client:
        return client.complete_many(requests, progress=progress)


def complete(endpoint: Endpoint, request: Request) -> Completion:
    """Ask an endpoint one thing.

    Raises
    ------
    UnreachableError : there was no connection, or no answer in time.
    StatusError : the server answered with an error.
    ReplyError : the reply broke off, or is not of the known form.
    BudgetSpentError : the budget allows no call.
    EndpointError : the request cannot be encoded, or Ctrl-C was pressed.

    Others as `complete_many`.
    """
    with BlockingClient(endpoint) as client:
        return client.complete(request)


class BlockingClient:
    """A `Client` for code without an event loop: its loop runs in a thread of its own.

    Use it as `with BlockingClient(endpoint) as client`; connections, pace and budget are shared by
    all its calls, which may come from many threads at once.

    Raises
    ------
    MissingExtraError, ParameterError, JournalLockedError, ArtifactError : see `complete_many`.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def __enter__(self) -> BlockingClient:
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._client = Client(self.endpoint)
        self._thread = threading.Thread(target=self._run, name="riskwright-calls", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *problem: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None and problem[0] is None:
            raise self._failure

    def complete_many(
        self, requests: Iterable[Request], *, progress: Progress | None = None
    ) -> list[Completion | Failure]:
        """As the function `complete_many`."""
        run = Run(list(requests))
        task = _Task(self._loop, lambda: run.through(self._client.call, self.endpoint.concurrency))
        task.finish(None if progress is None else lambda: progress(run.status()))
        return run.answers

    def complete(self, request: Request) -> Completion:
        """As the function `complete`."""
        (answer,) = self.complete_many([request])
        if isinstance(answer, Failure):
            raise raised(answer, self.endpoint)
        return answer

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._client:
            self._ready.set()
            await self._stop.wait()


class _Task:
    """Work in a loop that runs in another thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self._loop, self._work = loop, work
        self._ended = threading.Event()
        self._task: asyncio.Task[None] | None = None
        loop.call_soon_threadsafe(self._start)

    def finish(self, watch: Callable[[], object] | None) -> None:
        """Wait for the end, calling `watch` meanwhile and afterwards; raise what either raises.

        Ctrl-C cancels the work, and is raised the second time.
        """
        stopped = False
        while not self._ended.is_set():
            try:
                if not self._ended.wait(_POLL_SECONDS) and watch is not None:
                    watch()
            except KeyboardInterrupt:
                self._cancel()
                if stopped:
                    raise
                stopped = True
            except BaseException:
                self._cancel()
                self._ended.wait()
                raise
        if self._task is not None and not self._task.cancelled():
            self._task.result()
        if watch is not None:
            watch()

    def _start(self) -> None:
        self._task = self._loop.create_task(self._work())
        self._task.add_done_callback(lambda task: self._ended.set())

    def _cancel(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())

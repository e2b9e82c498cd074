"""`complete` and `complete_many`: calls from ordinary code, also where an event loop runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from .client import Client, Progress, Run, raised
from .endpoints import Endpoint
from .replies import Completion, Failure
from .requests import Request

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
        Where nothing has ever answered at the address after all attempts of one call, the other
        calls are not made.

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
    run = Run(list(requests))

    async def work() -> None:
        async with Client(endpoint) as client:
            await run.through(client)

    _in_thread(work, None if progress is None else lambda: progress(run.status()))
    return run.answers


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
    (answer,) = complete_many(endpoint, [request])
    if isinstance(answer, Failure):
        raise raised(answer, endpoint)
    return answer


def _in_thread(
    work: Callable[[], Coroutine[Any, Any, None]], watch: Callable[[], object] | None
) -> None:
    """Run `work` to its end in a thread, calling `watch` meanwhile and afterwards; raise what
    either raises. Ctrl-C cancels the work."""
    loop = _Loop(work)
    loop.start()
    stopped = False
    while not loop.ended.is_set():
        try:
            if not loop.ended.wait(_POLL_SECONDS) and watch is not None:
                watch()
        except KeyboardInterrupt:
            loop.stop()
            if stopped:
                raise
            stopped = True
        except BaseException:
            loop.stop()
            loop.ended.wait()
            raise
    if loop.failure is not None:
        raise loop.failure
    if watch is not None:
        watch()


class _Loop:
    """An event loop in a thread, with one task that can be cancelled from outside."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.ended = (
            threading.Event()
        )  # an interrupted Thread.join may take a living thread for dead
        self.failure: BaseException | None = None
        self._work = work
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="riskwright-calls", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            with self._lock:
                self._loop = None
            self.ended.set()

    async def _main(self) -> None:
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            if self._stopped:
                return
        await self._work()

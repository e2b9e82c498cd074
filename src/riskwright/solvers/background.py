"""Work in a thread, so that Ctrl-C and progress are served meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["run_in_background"]

_POLL_SECONDS = 0.1


def run_in_background(
    work: Callable[[], object],
    stop: Callable[[], object],
    watch: Callable[[], object] | None = None,
) -> bool:
    """Run `work` to its end and call `watch` every tenth of a second; was Ctrl-C pressed?

    Ctrl-C calls `stop`, on which `work` is to end soon. What either raises is raised here, once
    `work` has ended.
    """
    if watch is None and threading.current_thread() is not threading.main_thread():
        work()  # Ctrl-C reaches the main thread alone
        return False
    failure: list[BaseException] = []
    done = threading.Event()  # an interrupted Thread.join may take a living thread for dead

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failure.append(error)
        finally:
            done.set()

    worker = threading.Thread(target=run, name="riskwright-search")
    worker.start()
    interrupted = False
    while not done.is_set():
        try:
            if not done.wait(_POLL_SECONDS) and watch is not None:
                watch()
        except KeyboardInterrupt:
            interrupted = True
            stop()
        except BaseException:
            stop()
            worker.join()
            raise
    worker.join()
    if failure:
        raise failure[0]
    return interrupted

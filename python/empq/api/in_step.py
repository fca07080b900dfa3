"""Many coroutines side by side within one task: what a batch of messages calls shares a round trip without a task each."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Generator, Sequence
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@coroutine
def in_step(
    coroutines: Sequence[Coroutine[Any, Any, T]],
) -> Generator[Any, Any, list[T | Exception]]:
    """Their results or exceptions, in order.

    All are driven to their first wait in order, in this very tick, then each as its wait ends. For calls that
    wait for futures; asyncio.timeout in one of them would cancel all, as they are one task.
    """
    results: list[Any] = [None] * len(coroutines)
    waiting: deque[tuple[int, Coroutine[Any, Any, T], Any]] = deque()

    def advance(index: int, step: Coroutine[Any, Any, T]) -> None:
        try:
            future = step.send(None)
            if future is not None:
                future._asyncio_future_blocking = (
                    False  # as a task does: others may wait for it, too
                )
            waiting.append((index, step, future))
        except StopIteration as end:
            results[index] = end.value
        except Exception as error:
            results[index] = error

    try:
        for index, step in enumerate(coroutines):
            advance(index, step)
        while waiting:
            index, step, future = waiting[0]
            if future is None:
                yield None
            elif not future.done():
                future._asyncio_future_blocking = (
                    True  # the task takes a future only with this mark
                )
                try:
                    yield future
                except (
                    Exception
                ):  # a task is thrown its future's error: the step that waits gets it below
                    if not future.done():
                        raise
            waiting.popleft()
            advance(index, step)
    finally:
        for _, step, _ in waiting:
            step.close()
    return results

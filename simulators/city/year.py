"""A year's hourly truth of many institutions, computed by several processes in the order of their numbers."""

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from typing import Final

from simulators.city import store, truth
from simulators.city.hours import months
from simulators.city.plan import Plan
from simulators.city.store import ChannelMonth
from simulators.month import Month

AHEAD: Final = 8
"""Institutions each process may be ahead of the writer, so that memory stays bounded."""
Rows = list[ChannelMonth]


def rows(plans: Sequence[Plan], workers: int) -> Iterator[Rows]:
    """Each institution's year, one list an institution; the number of processes changes nothing else."""
    if workers == 1:
        yield from map(institution, plans)
        return
    # Spawned, not forked: a program that calls this may run threads.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[Rows]] = deque()
        for plan in plans:
            waiting.append(pool.submit(institution, plan))
            if len(waiting) > workers * AHEAD:
                yield waiting.popleft().result()
        yield from (each.result() for each in waiting)


def institution(plan: Plan) -> Rows:
    """One institution's year: every register of every month."""
    fresh = replace(plan)  # what it keeps for itself goes when the year is done
    return [_row(fresh, month, channel) for month in months(fresh.year) for channel in truth.channels(fresh, month)]


def _row(plan: Plan, month: Month, channel: truth.Channel) -> ChannelMonth:
    point, amounts = channel.point, channel.hours_micro
    return ChannelMonth(
        *(plan.identity.code, str(point.medium), point.code, channel.register, point.role, point.parent, point.sub_item),
        *(month.number, int(amounts.sum()), store.packed(amounts)),
    )

"""Feeds committed batches to the core, in their order, and has what it decides stored.

Most readings move the board on (`board.py`): newer than everything before, a minute further.
Whatever does not fit that (late and revised readings, a long backlog, a channel that is not in
memory yet, a changed registry) is computed anew from the stored readings (`recompute.py`). Both
give the same: alerts and judgements are a function of readings and registry, not of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.adopt import carry_over, changed_since
from alerts.core.chain import Role
from alerts.core.records import BlockRows, JudgementRows
from alerts.core.vocabulary import MINUTE, NEVER
from alerts.deriving import (
    begun,
    complete_until,
    in_memory,
    simple,
    step_values,
    to_read,
    touched,
)
from alerts.journal import Cause, Journal, record_course, record_moves
from alerts.rejudge import recomputed
from alerts.rounds import FARTHEST, rounds, split
from alerts.tasks import task_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.board import Board
    from alerts.core.records import Alert, Readings
    from alerts.layout import Layout
    from alerts.recompute import Task
    from alerts.rejudge import Done, Span
    from alerts.store import Store

GRACE = MINUTE  # how long a reading may take to arrive before its minute is judged without it
CHANNELS_AT_ONCE = 200  # channels read back from the database in one go


@dataclass(slots=True)
class Engine:
    """The judging of one set of channels. Calls must not overlap: the caller sees to their order.

    ``batch`` is the last batch taken; ``unresolved`` the open and pending alerts by limit number.
    Readings older than ``kept_from`` were dropped.
    """

    store: Store
    board: Board
    unresolved: dict[int, Alert]
    batch: int = 0
    kept_from: int = NEVER
    _blocks: list[BlockRows] = field(default_factory=list)
    _judgements: list[JudgementRows] = field(default_factory=list)
    _flushed: int = -1
    _unfinished: bool = False  # what was taken is judged in part: a crash now must begin it anew

    async def take(self, readings: Readings) -> None:
        """Judge a committed batch. Readings of one batch may be in any order."""
        self._unfinished = True
        await self._take(readings)
        self._unfinished = False

    async def _take(self, readings: Readings, *, derive: bool = True) -> None:
        board = self.board
        if derive:
            readings = board.layout.derived.with_selected(readings)
        plain, odd = split(readings, board)
        journal = Journal()
        for part in rounds(readings, plain):
            self._move(journal, part.channel, part.minute)
            valid = part.valid
            board.add(part.rows[valid], part.time[valid], part.value[valid])
        channels = readings.channel
        np.maximum.at(board.newest, channels[plain], readings.time[plain])
        board.received[channels] = readings.received_at
        self.batch = readings.batch
        await self._save(journal)
        if len(odd):
            await self._retake(readings, odd)
        if derive and len(board.layout.derived.chains):
            await self._follow(readings)

    async def _follow(self, readings: Readings) -> None:
        """Judge the channels that chains compute from those of a batch."""
        board = self.board
        chains = board.layout.derived.chains
        found = touched(board, readings)
        channel = chains.channel[found.row]
        main = board.newest[chains.member[Role.MAIN, found.row]]
        board.newest[channel] = np.minimum(main, board.layout.derived.ends[found.row])
        board.received[channel] = readings.received_at
        begun(board, found)
        until = complete_until(board, found.row)
        plain = simple(board, found, until)
        journal = Journal()
        self._advance(journal, found.row[plain], until[plain])
        await self._save(journal)
        in_time = found.fresh & (found.first >= board.evaluated[channel])
        for cause in (Cause.ORDER, Cause.LATE):
            rows = ~plain & (in_time if cause is Cause.ORDER else ~in_time)
            await self.judge_again(
                [
                    self._task(int(c), first=int(a), last=int(b))
                    for c, a, b in zip(
                        channel[rows], found.first[rows], found.last[rows], strict=True
                    )
                ],
                cause,
            )
        await self._read_members(found.row[~plain])

    async def _read_members(self, rows: NDArray[np.intp]) -> None:
        """Read into memory what chains, read back themselves, will go on from."""
        await self.judge_again([self._task(int(c)) for c in to_read(self.board, rows)])

    def _advance(self, journal: Journal, rows: NDArray[np.intp], until: NDArray[np.int64]) -> None:
        """Move chains on step by step up to ``until``."""
        board = self.board
        chains = board.layout.derived.chains
        while True:
            behind = board.evaluated[chains.channel[rows]] < until
            if not behind.any():
                return
            rows, until = rows[behind], until[behind]
            channel, step = chains.channel[rows], chains.step[rows]
            begin = board.evaluated[channel]
            value = step_values(board, rows, begin)
            valid, last = ~np.isnan(value), begin + step - MINUTE
            self._move(journal, channel, last)
            board.add(channel[valid], last[valid], value[valid])
            self._move(journal, channel, begin + step)

    def _move(self, journal: Journal, channel: NDArray[np.int32], until: NDArray[np.int64]) -> None:
        """Evaluate channels minute by minute up to ``until``."""
        board = self.board
        first = board.evaluated[channel] == NEVER
        board.evaluated[channel[first]] = until[first]
        while True:
            behind = board.evaluated[channel] < until
            if not behind.any():
                return
            channel, until = channel[behind], until[behind]
            at = board.evaluated[channel] + MINUTE
            for moved in board.evaluate(channel, at):
                record_moves(journal, board, moved, self.unresolved)
            blocks, judgements = board.close_blocks(channel, at)
            self._blocks += blocks
            self._judgements += judgements
            board.evaluated[channel] = at

    async def _save(self, journal: Journal) -> None:
        if journal.after:
            await self.store.save_alerts(journal, self.batch)

    async def flush(self) -> None:
        """Have the block means written that were closed since, and the alerts' present values."""
        await self._write_blocks()
        await self._touch()

    async def _write_blocks(self, *, compare: bool = False) -> None:
        judged = None if self._unfinished else self.batch
        if not self._blocks and judged in {None, self._flushed}:
            return
        blocks, judgements = self._blocks, self._judgements
        self._blocks, self._judgements = [], []
        await self.store.save_blocks(
            BlockRows.joined(blocks), JudgementRows.joined(judgements), judged, compare=compare
        )
        if judged is not None:
            self._flushed = judged

    async def _touch(self) -> None:
        """Store peaks and values that moved on without a transition."""
        changed = []
        numbers = np.array(list(self.unresolved), np.int32)
        rows = np.searchsorted(self.board.layout.limit_number, numbers)
        for number, row in zip(numbers.tolist(), rows.tolist(), strict=True):
            old = self.unresolved[number]
            machine = self.board.machine
            if self.board.cold[self.board.layout.limit_channel[row]]:
                continue
            new = replace(
                old,
                peak=float(machine.peak[row]),
                peak_at=int(machine.peak_at[row]),
                value=float(machine.value[row]),
            )
            if new != old:
                self.unresolved[number] = new
                changed.append(new)
        if changed:
            await self.store.touch_alerts(changed)

    async def sweep(self, now: int) -> None:
        """Judge by the clock what no reading has moved on: a minute after M and the last receipt.

        Silent channels are followed until their windows are empty; their alerts stay open and say
        since when they are silent.
        """
        board = self.board
        until = (now - GRACE) // MINUTE * MINUTE
        horizon = np.where(board.newest == NEVER, NEVER, board.newest) + board.layout.longest
        quiet = (
            ~board.cold
            & (board.evaluated != NEVER)
            & (board.received <= now - GRACE)
            & (board.evaluated < np.minimum(until, horizon // MINUTE * MINUTE))
        )
        channel = np.flatnonzero(quiet & ~board.layout.chained).astype(np.int32)
        target = np.minimum(until, horizon[channel] // MINUTE * MINUTE)
        far = target - board.evaluated[channel] > FARTHEST
        journal = Journal()
        self._move(journal, channel[~far], target[~far])
        await self._save(journal)
        await self.judge_again(self._tasks(channel[far], target[far]))
        await self._complete(np.flatnonzero(quiet & board.layout.chained), until)
        await self._lapse(now, until)
        await self._note_silence(now)

    async def _complete(self, channel: NDArray[np.intp], clock: int | None = None) -> None:
        """Judge the steps of chains that are complete: by their members, or by the ``clock``."""
        board = self.board
        rows = board.layout.derived.chain_of(channel.astype(np.int32))
        until = complete_until(board, rows, clock)
        far = (until - board.evaluated[channel] > FARTHEST) | ~in_memory(board, rows, until)
        journal = Journal()
        self._advance(journal, rows[~far], until[~far])
        await self._save(journal)
        later = far & (until > board.evaluated[channel])
        await self.judge_again(self._tasks(channel[later], until[later]))
        await self._read_members(rows[later])

    async def _lapse(self, now: int, until: int) -> None:
        """Resolve the alerts of limits that ended, for good or a while, while no reading came."""
        layout = self.board.layout
        numbers = np.array(sorted(self.unresolved), np.int32)
        rows = np.searchsorted(layout.limit_number, numbers)
        owner, at = layout.lapses_of(rows)
        channel = layout.limit_channel[rows[owner]]
        over = (
            (at <= until)
            & (self.board.evaluated[channel] < at)
            & ~self.board.cold[channel]
            & (self.board.received[channel] <= now - GRACE)  # not amid a backlog
        )
        lapsed = np.unique(channel[over])
        await self.judge_again(self._tasks(lapsed, np.full(len(lapsed), until)))

    async def _note_silence(self, now: int) -> None:
        """Say of alerts since when their channels are silent, and when they are no longer."""
        board = self.board
        layout = board.layout
        changed = []
        numbers = np.array(list(self.unresolved), np.int32)
        channels = layout.limit_channel[np.searchsorted(layout.limit_number, numbers)]
        # A derived channel may leave out what its measured one still sends.
        heard = layout.derived.measured(channels)
        silent = board.received[heard] < now - GRACE
        silent &= board.newest[heard] < now - GRACE - 2 * layout.period[channels]
        since = np.where(silent, board.newest[heard], NEVER)
        for alert, channel, at in zip(
            list(self.unresolved.values()), channels.tolist(), since.tolist(), strict=True
        ):
            told = None if at == NEVER else at
            if told != alert.silent_since and not board.cold[channel]:
                changed.append(replace(alert, silent_since=told))
        for alert in changed:
            self.unresolved[alert.limit] = alert
        if changed:
            await self.store.touch_alerts(changed)

    async def adopt(self, layout: Layout) -> None:
        """Go on under a changed registry; judge again what it judges otherwise, history too."""
        old = self.board.layout
        self.board = carry_over(self.board, layout)
        await self.judge_from(changed_since(old, layout))

    async def judge_from(self, starts: Mapping[int, int]) -> None:
        """Judge channels again, each from its start, because limits or recipes are others."""
        newest = self.board.newest
        # The clock came further: of a silent channel, of one that ended all of which is undone.
        last = np.maximum(newest, self.board.evaluated)
        tasks = [
            self._task(channel, first=start, last=int(last[channel]))
            for channel, start in starts.items()
            if newest[channel] != NEVER and last[channel] >= start
        ]
        await self.judge_again(tasks, Cause.REGISTRY)

    # ------------------------------------------------------------ from the stored readings

    async def _retake(self, readings: Readings, odd: NDArray[np.intp]) -> None:
        """Judge again the channels of a batch that the board cannot simply move on."""
        board = self.board
        channels, inverse = np.unique(readings.channel[odd], return_inverse=True)
        first = np.full(len(channels), np.iinfo(np.int64).max)
        last = np.full(len(channels), NEVER)
        np.minimum.at(first, inverse, readings.time[odd])
        np.maximum.at(last, inverse, readings.time[odd])
        fresh = np.ones(len(channels), np.bool_)
        np.logical_and.at(fresh, inverse, readings.fresh[odd])
        in_time = first >= board.evaluated[channels]
        for cause in (Cause.ORDER, Cause.LATE):
            tasks = [
                self._task(int(c), first=int(a), last=int(b))
                for c, a, b, plain in zip(channels, first, last, fresh & in_time, strict=True)
                if plain == (cause is Cause.ORDER)
            ]
            await self.judge_again(tasks, cause)
        board.newest[channels] = np.maximum(board.newest[channels], last)

    async def wake(
        self, spans: Iterable[Span], tail: AsyncIterable[Readings] | None = None
    ) -> None:
        """Go on where a stopped server was.

        Reads the channels of ``spans`` into memory and judges what was left unjudged of them; takes
        the ``tail`` of readings that channels in memory do not know of, judged before or not.
        """
        self._unfinished = True
        late: list[Task] = []
        plain: list[Task] = []
        for span in spans:
            task = self._task(span.channel, first=span.first, last=span.last)
            task = replace(task, judged_until=min(span.judged_until, task.judged_until))
            (late if span.late else plain).append(task)
        await self.judge_again(plain)
        await self.judge_again(late, Cause.LATE)
        if tail is not None:
            async for readings in tail:
                await self._take(readings, derive=False)  # a chain's are among the spans
                await self._write_blocks(compare=True)
            board = self.board  # members have come further since their chains were judged
            known = board.layout.chained & ~board.cold & (board.evaluated != NEVER)
            await self._complete(np.flatnonzero(known))
            await self._write_blocks(compare=True)
        self._unfinished = False

    def _task(self, channel: int, *, first: int = NEVER, last: int = NEVER) -> Task:
        return task_of(self.board, channel, self.kept_from, first=first, last=last)

    def _tasks(self, channel: NDArray[np.integer], until: NDArray[np.int64]) -> list[Task]:
        """Return that channels are to be judged by the clock, each up to its time."""
        return [
            task_of(self.board, int(c), self.kept_from, until=int(t))
            for c, t in zip(channel, until, strict=True)
        ]

    async def judge_again(self, tasks: Sequence[Task], cause: Cause = Cause.ORDER) -> None:
        """Judge stretches of channels anew and store what differs from what was decided."""
        for begin in range(0, len(tasks), CHANNELS_AT_ONCE):
            await self._judge_some(tasks[begin : begin + CHANNELS_AT_ONCE], cause)

    async def _judge_some(self, tasks: Sequence[Task], cause: Cause) -> None:
        journal = Journal(cause)
        done = await recomputed(self.store, self.board.layout, tasks, self.batch)
        for one in done:
            self._record(journal, one)
        await self._save(journal)
        await self._write_blocks()
        blocks = BlockRows.joined([one.result.blocks for one in done])
        judgements = JudgementRows.joined([one.result.judgements for one in done])
        await self.store.save_blocks(blocks, judgements, None, compare=True)
        for one in done:
            channel = one.task.channel
            newest = int(self.board.newest[channel])  # of a chain that of its main member
            if not self.board.layout.chained[channel]:
                newest = max(newest, one.result.newest)
            self.board.load(channel, one.task.until, newest, one.result)

    def _record(self, journal: Journal, done: Done) -> None:
        for number, found in done.result.courses.items():
            versions = np.flatnonzero(done.limits.limit == number)
            known = done.known.get(number, ())
            current = record_course(journal, done.limits, versions, found, known)
            self.unresolved.pop(number, None)
            if current is not None:
                self.unresolved[number] = current

"""Deliveries made ready to be committed: decoded, numbered, held against what is known.

Everything here is as of the last delivery decoded, committed or not: deliveries are committed in
the order in which they are prepared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.checks import flag_gaps
from ingest.draft import BatchDecoder, Draft
from ingest.held import Held
from ingest.topics import Topics
from storage.received import Received

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ingest.newest import Newest
    from ingest.sequences import Boot, Sequences
    from storage.registry import Registry, Unit
    from storage.retries import Retry

UNNUMBERED = 0  # batch of a Received that is not yet being committed


@dataclass(frozen=True, slots=True)
class Receipt:
    """Every message of ``boot`` up to ``seq`` is committed, once the batch is."""

    enterprise: str
    unit: str
    boot: str
    seq: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one transaction commits, with the messages it came from and what to say after it.

    ``topics`` and ``units`` have an entry for each message; ``retries`` too, or none when the
    messages were delivered.
    """

    received: Received
    topics: Sequence[str]
    units: Sequence[Unit | None]
    receipts: Sequence[Receipt]
    retries: Sequence[Retry]
    registry: Registry


class Preparer:
    """Turns deliveries into ``Prepared``, in order.

    ``newest``, ``sequences`` and ``held`` are restored from the database; ``registry`` can be
    exchanged between two deliveries.
    """

    def __init__(
        self,
        registry: Registry,
        newest: Newest,
        sequences: Sequences,
        *,
        held: Held | None = None,
        accept_from: int | None = None,
    ) -> None:
        self._held = Held() if held is None else held
        self.newest = newest
        self.sequences = sequences
        self._decoder = BatchDecoder(accept_from)
        self.use(registry)

    @property
    def registry(self) -> Registry:
        """The registry that the next delivery is judged by."""
        return self._topics.registry

    def use(self, registry: Registry) -> None:
        """Judge what is prepared from now on by ``registry``."""
        self.newest.grow(len(registry.channels.active))
        self._topics = Topics(registry)

    def decode(self, topics: Sequence[str], payloads: Sequence[bytes], received_at: int) -> Draft:
        """Return the messages as columns, but for those that are ``left`` for ``judge``."""
        return self._decoder.decode(topics, payloads, received_at, self._topics)

    def judge(self, draft: Draft) -> None:
        """Have the careful decoder take what is left; what the boots must be known for is next."""
        if draft.left:
            self._decoder.judge(draft, draft.left, self._topics)

    def repeatable(self, draft: Draft) -> list[int]:
        """Return the messages that ``finish`` may let the careful decoder judge once more."""
        if not self._held.first:  # nearly always
            return []
        concerns = self._held.concerns
        return [n for n, unit in enumerate(draft.units) if unit is not None and concerns(unit.id)]

    def decode_retries(self, retries: Sequence[Retry], now: int) -> Draft:
        """Return the same of what was set aside, each judged as of its own receipt."""
        return self._decoder.decode_again(retries, self._topics, now)

    def unknown_boots(self, draft: Draft) -> list[tuple[int, str]]:
        """Return (unit number, boot) that ``sequences`` must be told before ``finish``."""
        pairs = zip(draft.units, draft.boots, strict=True)
        return self.sequences.unknown((u.id, boot) for u, boot in pairs if u is not None and boot)

    def finish(self, draft: Draft, retries: Sequence[Retry] = ()) -> Prepared:
        """Return messages ready for their transaction; their boots are all known."""
        boot, seen, gap, receipts = self._sequence(draft)
        if retries:
            # A value that is retried came with a message that was received before.
            seen |= np.array([retry.digest is not None for retry in retries])
        else:
            self._judge_repeats(draft, seen)
        columns = draft.readings
        fresh = self.newest.take(columns.channel, columns.time)
        flag_gaps(columns, gap)
        received = Received(
            batch=UNNUMBERED,
            received_at=draft.received_at,
            unit=np.array([0 if unit is None else unit.id for unit in draft.units], np.int32),
            boot=boot,
            seq=np.array(draft.seqs, np.int64),
            seen=seen,
            readings=columns,
            fresh=fresh,
            aside_messages=draft.aside_messages,
            aside_values=draft.aside_values,
        )
        return Prepared(received, draft.topics, draft.units, receipts, retries, self.registry)

    def _judge_repeats(self, draft: Draft, seen: NDArray[np.bool_]) -> None:
        """Judge messages that came before as of when their values first came."""
        repeats = [
            number
            for number in np.flatnonzero(seen).tolist()
            if (unit := draft.units[number]) is not None and self._held.concerns(unit.id)
        ]
        if repeats:
            self._decoder.judge(draft, repeats, self._topics, self._held.first)
        self._held.note(draft.aside_values, draft.received_at)

    def _sequence(
        self, draft: Draft
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.bool_], list[Receipt]]:
        """Return the messages' boot numbers, which were seen and which left a gap; receipts."""
        numbers: list[int] = []
        seen = np.zeros(len(draft.units), np.bool_)
        gap = np.zeros(len(draft.units), np.bool_)
        used: dict[tuple[int, str], Boot] = {}
        latest: dict[int, tuple[Unit, str]] = {}
        for unit, name, seq in zip(draft.units, draft.boots, draft.seqs, strict=True):
            if unit is None or not name:
                numbers.append(0)
                continue
            boot = used.get((unit.id, name))
            if boot is None:
                boot = used[unit.id, name] = self.sequences.use(unit.id, name)
            repeated, hole = boot.add(seq)
            if repeated or hole:
                seen[len(numbers)], gap[len(numbers)] = repeated, hole
            numbers.append(boot.id)
            latest[unit.id] = unit, name
        receipts = [
            Receipt(unit.enterprise, unit.unit, name, used[unit.id, name].complete)
            for unit, name in latest.values()
        ]
        return np.array(numbers, np.int32), seen, gap, receipts

"""What would differ, in words for people or as JSON for machines, and how much in all."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.track import iso
from ingest.what_if_differences import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ingest.what_if_differences import Difference, Differences, Tally
    from storage.registry_apply import Changes
    from storage.rehearsal import LimitName

SHOWN = 20  # differences of one kind and limit that people are shown
_WORDS = {"judgement": "judgements", "alert": "alerts", "verdict": "compliance verdicts"}


def as_json(one: Difference, names: Mapping[int, LimitName]) -> str:
    """Return a difference as one line of JSON."""
    name = names[one.limit]
    item = {
        "kind": one.kind,
        "enterprise": name.enterprise,
        "name": name.name,
        "source": name.source,
        "channel": name.channel,
        "basis": name.basis,
        "permit": name.permit,
        "window": name.average,
        "rules": name.rules or None,
        "condition": name.condition or None,
        "uom": name.uom,
        "start": iso(one.start),
        "end": None if one.end is None else iso(one.end),
        "before": one.before,
        "after": one.after,
    }
    return json.dumps(item, ensure_ascii=False)


def summary_json(changes: Changes, tally: Tally, remarks: Iterable[str]) -> str:
    """Return the counts as one line of JSON, the last one."""
    counts = {
        _WORDS[kind].replace(" ", "_"): [
            {"before": before, "after": after, "count": number}
            for (before, after), number in sorted(found.items())
        ]
        for kind, found in tally.changes.items()
    }
    registry = {word: getattr(changes, word) for word in ("added", "changed", "ended")}
    item = {"kind": "summary", "registry": registry, **counts, "remarks": list(remarks)}
    return json.dumps(item, ensure_ascii=False)


class Lines:
    """Says differences in words, a heading for each limit; of very many the rest is counted."""

    def __init__(self, names: Mapping[int, LimitName], say: Callable[[str], None]) -> None:
        self._names, self._say = names, say

    def tell(self, found: Differences) -> None:
        """Say differences, which are by limit."""
        edges = 1 + np.flatnonzero(np.diff(found.limit))
        for begin, end in pairwise([0, *edges.tolist(), len(found)]):
            if begin == end:
                continue
            name = self._names[int(found.limit[begin])]
            self._say(f"{heading(name)}: {_WORDS[found.kind]}")
            for one in found[begin : min(end, begin + SHOWN)]:
                self._say(f"  {sentence(one)}")
            more = end - begin - SHOWN
            if more > 0:
                self._say(f"  … and {more:,} more (--json names them all)")


def heading(name: LimitName) -> str:
    """Return what a limit is called: channel, average, permit, enterprise."""
    condition = f", {name.rules} {name.condition}" if name.condition else ""
    return f"{name.path} {name.average}{condition}, permit {name.permit} ({name.name})"


def sentence(one: Difference) -> str:
    """Return one difference in words."""
    told = {"judgement": _judgement, "verdict": _verdict, "alert": _alert}[one.kind]
    until = f" to {iso(one.end)}" if one.end is not None and one.kind == "verdict" else ""
    before, after = (NOTHING if side is None else told(side) for side in (one.before, one.after))
    return f"{iso(one.start)}{until}: {before} -> {after}"


def _judgement(side: Mapping[str, Any]) -> str:
    value = "no mean" if side["mean"] is None else f"mean {side['mean']:g}"
    limit = "" if side["limit"] is None else f", limit {side['limit']:g}"
    return f"{side['state']} ({value}{limit}, {side['count']}/{side['expected']})"


def _verdict(side: Mapping[str, Any]) -> str:
    value = "no value" if side["value"] is None else f"{side['value']:g}"
    if side["allowed"] is not None:
        value += f", {side['exceeding']} of {side['allowed']} allowed"
    running = "" if side["over"] else ", not over"
    return f"{side['state']} ({value}, {side['valid']}/{side['expected']} valid{running})"


def _alert(side: Mapping[str, Any]) -> str:
    ended = f"resolved {side['resolved_at']}" if side["resolved_at"] else "open"
    return f"{side['severity']} from {side['opened_at']}, {ended}, peak {side['peak']:g}"


def summary(changes: Changes, tally: Tally) -> Iterator[str]:
    """Yield the counts in words."""
    yield f"the registry: {str(changes).partition(': ')[2]}"
    for kind, word in _WORDS.items():
        found = tally.changes.get(kind)
        if not found:
            continue
        yield f"{word}: {sum(found.values()):,}"
        for (before, after), number in sorted(found.items()):
            other = "as before" if before == after else f"-> {after}"
            yield f"  {number:>12,}  {before} {other}"

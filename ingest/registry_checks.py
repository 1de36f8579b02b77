"""What must agree between the entries of a registry, over all of its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.registry_faults import Finding
from ingest.registry_loose import UNKNOWN
from ingest.registry_values import microseconds
from ingest.rules_values import nominal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.registry_faults import Loc
    from ingest.registry_model import Channel, Document, Enterprise, Limit, Permit

_Where = tuple[int, "Loc"]  # number of the file, place in it


@dataclass(slots=True)
class _Plant:
    """An enterprise's channels by source, to look references up in."""

    sources: dict[str, dict[str, Channel]] = field(default_factory=dict)


@dataclass(slots=True)
class _Checks:
    """The findings, and where each id was seen first."""

    findings: list[Finding] = field(default_factory=list)
    seen: dict[tuple[str, ...], _Where] = field(default_factory=dict)
    plants: dict[str, _Plant] = field(default_factory=dict)

    def report(self, where: _Where, message: str, other: _Where | None = None) -> None:
        self.findings.append(Finding(*where, message, other=other))

    def once(self, where: _Where, what: str, *key: str) -> bool:
        """Report a second use of an id; tell whether this is the first."""
        if UNKNOWN in key:
            return True
        first = self.seen.setdefault((what, *key), where)
        if first is not where:
            self.report(where, f'{what} "{key[-1]}" is there twice: first at {{other}}', first)
        return first is where


def check_documents(documents: Sequence[Document]) -> list[Finding]:
    """Return whatever does not agree between the files' entries."""
    checks = _Checks()
    for file, document in enumerate(documents):
        for number, enterprise in enumerate(document.enterprises or ()):
            _check_enterprise(checks, (file, ("enterprises", number)), enterprise)
    for file, document in enumerate(documents):
        for number, permit in enumerate(document.permits):
            _check_permit(checks, (file, ("permits", number)), permit)
    for file, document in enumerate(documents):
        for number, recipient in enumerate(document.recipients):
            loc: Loc = ("recipients", number)
            checks.once((file, (*loc, "id")), "the recipient", recipient.id)
            for n, name in enumerate(recipient.enterprises):
                if name not in checks.plants and name not in ("*", UNKNOWN):
                    checks.report(
                        (file, (*loc, "enterprises", n)), f'there is no enterprise "{name}"'
                    )
    _check_effective(checks, documents)
    return checks.findings


def _check_effective(checks: _Checks, documents: Sequence[Document]) -> None:
    first: _Where | None = None
    text = None
    for file, document in enumerate(documents):
        if document.effective is None:
            continue
        where: _Where = (file, ("effective",))
        if first is None:
            first, text = where, document.effective
        elif document.effective != text:
            checks.report(where, f'another file says "{text}": {{other}}', first)


def _check_enterprise(checks: _Checks, where: _Where, enterprise: Enterprise) -> None:
    file, loc = where
    if not checks.once((file, (*loc, "id")), "the enterprise", enterprise.id):
        return
    plant = _Plant()
    if enterprise.id != UNKNOWN:
        checks.plants[enterprise.id] = plant
    # Ids below are unique within their holder: sets of its own keep millions of channels cheap.
    for number, source in enumerate(enterprise.sources):
        at: Loc = (*loc, "sources", number)
        if source.id in plant.sources and source.id != UNKNOWN:
            ids = [one.id for one in enterprise.sources]
            _report_twice(checks, file, at, "the source", ids)
        channels = plant.sources.setdefault(source.id, {})
        for n, channel in enumerate(source.channels):
            if channels.setdefault(channel.id, channel) is not channel and channel.id != UNKNOWN:
                ids = [one.id for one in source.channels]
                _report_twice(checks, file, (*at, "channels", n), "the channel", ids)
    _check_units(checks, where, enterprise, plant)


def _report_twice(checks: _Checks, file: int, loc: Loc, what: str, ids: list[str]) -> None:
    """Report that the entry at ``loc`` has an id which one of ``ids``, its list's, has already."""
    number = loc[-1]
    name = ids[number] if isinstance(number, int) else ""
    message = f'{what} "{name}" is there twice: first at {{other}}'
    first: Loc = (*loc[:-1], ids.index(name), "id")
    checks.report((file, (*loc, "id")), message, (file, first))


def _check_units(checks: _Checks, where: _Where, enterprise: Enterprise, plant: _Plant) -> None:
    file, loc = where
    taken: dict[str, tuple[int, str]] = {}
    for number, unit in enumerate(enterprise.units):
        at: Loc = (*loc, "units", number)
        checks.once((file, (*at, "id")), "the unit", enterprise.id, unit.id)
        for key, reference in unit.channels.items():
            source, _, channel = reference.partition("/")
            if channel not in plant.sources.get(source, ()):
                if UNKNOWN in plant.sources or UNKNOWN in plant.sources.get(source, ()):
                    continue  # it may well be the entry whose id cannot be read
                checks.report(
                    (file, (*at, "channels", key)),
                    f'there is no channel "{reference}" in {enterprise.id}',
                )
                continue
            first, first_key = taken.setdefault(reference, (number, key))
            if (first, first_key) != (number, key):
                checks.report(
                    (file, (*at, "channels", key)),
                    f"{reference} is reported already: a channel has one unit and one key at a "
                    "time, see {other}",
                    (file, (*loc, "units", first, "channels", first_key)),
                )


def _check_permit(checks: _Checks, where: _Where, permit: Permit) -> None:
    file, loc = where
    checks.once((file, (*loc, "number")), "the permit", permit.number)
    plant = checks.plants.get(permit.enterprise)
    if plant is None and permit.enterprise != UNKNOWN:
        checks.report((file, (*loc, "enterprise")), f'there is no enterprise "{permit.enterprise}"')
    seen: dict[tuple[str, str, int], int] = {}
    for number, limit in enumerate(permit.limits):
        at: Loc = (*loc, "limits", number)
        if limit.rules is not None or limit.average is None:
            pass  # what its rule set makes of it is seen when there is nothing else to mend
        elif limit.average != UNKNOWN and UNKNOWN not in (limit.source, limit.channel):
            key = (limit.source, limit.channel, nominal(limit.average))
            first = seen.setdefault(key, number)
            if first != number:
                checks.report(
                    (file, at),
                    f"{limit.source}/{limit.channel} has a limit over {limit.average} in this "
                    "permit already: {other}",
                    (file, (*loc, "limits", first)),
                )
        if plant is not None:
            _check_limit(checks, (file, at), limit, plant)


def _check_limit(checks: _Checks, where: _Where, limit: Limit, plant: _Plant) -> None:
    file, loc = where
    if limit.source not in plant.sources:
        if limit.source != UNKNOWN and UNKNOWN not in plant.sources:
            checks.report((file, (*loc, "source")), f'there is no source "{limit.source}"')
        return
    channels = plant.sources[limit.source]
    channel = channels.get(limit.channel)
    if channel is None:
        if limit.channel != UNKNOWN and UNKNOWN not in channels:
            checks.report(
                (file, (*loc, "channel")),
                f'there is no channel "{limit.channel}" at {limit.source}',
            )
        return
    if limit.rules is None:
        _check_plain_limit(checks, where, limit, channel)


def _check_plain_limit(checks: _Checks, where: _Where, limit: Limit, channel: Channel) -> None:
    """Check a limit without a rule set: nothing is converted for it."""
    file, loc = where
    if UNKNOWN not in (limit.unit, channel.unit) and limit.unit != channel.unit:
        checks.report(
            (file, (*loc, "unit")),
            f"a limit in {limit.unit} on a channel in {channel.unit}: units must be the same, or "
            "name a rule set that converts (rules: kz-20min)",
        )
    if limit.average is None:
        checks.report(where, "average is missing")
    elif UNKNOWN not in (limit.average, channel.period) and (
        microseconds(limit.average) % microseconds(channel.period)
    ):
        checks.report(
            (file, (*loc, "average")),
            f"an average over {limit.average} is no whole multiple of the channel's period of "
            f"{channel.period}",
        )

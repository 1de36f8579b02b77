"""The channel that a limit judges, and the rows of the derived channels that it needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.core.vocabulary import MINUTE
from ingest.registry_values import canonical, microseconds
from ingest.rules_counted import basis_of, counted
from ingest.rules_recipe import USUAL_COVERAGE, chain_recipe, select_recipe, substitutes
from ingest.rules_stack import RuleProblem, period_of
from storage.registry_rows import ChannelRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.registry_model import Channel
    from ingest.rules_chain import Chain
    from ingest.rules_counted import Counted
    from ingest.rules_recipe import Recipe

_UNIT_OF_SUBSTITUTE = {
    "temperature": "degC", "pressure": "kPa", "h2o": "%", "o2": "%", "co2": "%", "flow": "m3/h",
}  # fmt: skip
IDLE = "idle"
SERVICED = "serviced"
_SERVICE = ("calibration", "maintenance")
_NOT_NORMAL = ("start_up", "shut_down", "stopped")


@dataclass(frozen=True, slots=True)
class Judged:
    """The channel that a limit judges: ``basis`` "" is the measured one.

    ``rows`` are the derived channels to be kept for it. ``idle``, ``serviced``, ``marks`` are the
    bases of the channels that tell when the plant is not in normal operation, when the AMS was
    calibrated or maintained, and where a substitute was used.
    ``main`` is the (channel, basis) whose blocks tell how many values stand behind an average that
    was made first and converted then.
    """

    basis: str
    uom: str
    period_us: int
    rows: tuple[ChannelRow, ...]
    idle: str | None
    serviced: str | None
    marks: str | None
    main: tuple[str, str] | None


def judged(  # noqa: PLR0913 - the chain and what is asked of its values
    chain: Chain,
    enterprise: str,
    *,
    short_term: str,
    coverage: str,
    by_idleness: bool,
    starts: bool = False,
) -> Judged:
    """Return the channel that a chain ends in, and the derived channels that it needs.

    ``short_term`` are the averages made of its values, ``coverage`` the share of a member's values
    that a value needs, ``by_idleness`` whether times outside normal operation are left out;
    ``starts``: the values are those of start-up and shut-down alone. Raises RuleProblem where
    periods do not fit.
    """
    rows, taken = _Rows(chain, enterprise), counted(chain, starts=starts)
    for part in chain.parts:
        rows.selects(part.channel, taken.gas)
    of_gas = basis_of(taken.gas)
    basis, period = of_gas, period_of(chain.parts[0].channel)
    uom: str = chain.channel.unit
    marks = None
    if _converts(chain):
        step = _step(chain, short_term)
        words = [*chain.words, *_more_words(chain, short_term, coverage, step)]
        words += [of_gas] * bool(of_gas)
        if taken.uncorrected:
            words.append(f"{' '.join(taken.uncorrected)} uncorrected")
        rows.selects_members(taken)
        basis = ", ".join(words) or "calibrated"
        uom, period = chain.uom, step
        recipe = chain_recipe(chain, step, coverage, taken)
        rows.add(basis, recipe, period, uom)
        if substitutes(recipe):
            marks = f"{basis} mark"
            rows.add(marks, {**recipe, "output": "mark"}, period, uom)
    if microseconds(short_term) % period:
        raise RuleProblem(
            f"averages over {short_term} cannot be made of values every "
            f"{canonical(f'{period // 1_000_000}s')}",
            "rules",
        )
    if by_idleness:
        rows.tells(IDLE, _NOT_NORMAL)
    first_averaged = _converts(chain) and MINUTE < period == microseconds(short_term)
    main = (chain.parts[0].channel.id, of_gas) if first_averaged else None
    if chain.version.validity.quadrants:
        rows.tells(SERVICED, _SERVICE)
    idle = IDLE if by_idleness else None
    serviced = SERVICED if chain.version.validity.quadrants else None
    return Judged(basis, uom, period, tuple(rows.made), idle, serviced, marks, main)


@dataclass(slots=True)
class _Rows:
    """The derived channels of one chain, as they are found to be needed."""

    chain: Chain
    enterprise: str
    made: list[ChannelRow]

    def __init__(self, chain: Chain, enterprise: str) -> None:
        self.chain, self.enterprise, self.made = chain, enterprise, []

    def add(
        self, basis: str, recipe: Recipe, period: int, uom: str, of: Channel | None = None
    ) -> None:
        channel = of or self.chain.channel
        target = self.chain.target
        state = {"dry": target.dry, "o2": target.oxygen, "standard": target.standard}
        state = {key: value for key, value in state.items() if value is not None}
        self.made.append(
            ChannelRow(
                self.enterprise,
                self.chain.stack.source.id,
                channel.id,
                channel.parameter,
                uom,
                float("-inf"),
                float("inf"),
                period,
                (),
                0,
                float("inf"),
                json.dumps(state) if state and recipe["kind"] == "chain" else None,
                basis,
                json.dumps(recipe),
            )
        )

    def selects(self, channel: Channel, statuses: Sequence[str]) -> None:
        """Add what has a channel's values of some statuses, where they are not the valid ones."""
        basis = basis_of(statuses)
        if basis:
            recipe = select_recipe(channel, statuses, "measured")
            self.add(basis, recipe, period_of(channel), channel.unit, channel)

    def selects_members(self, taken: Counted) -> None:
        """Add what has the values of other statuses that the chain takes of its members."""
        for role, channel in self.chain.members.items():
            self.selects(channel, taken.of_role(role))
        if taken.uncorrected:
            for part in self.chain.parts:
                self.selects(part.channel, taken.uncorrected)

    def tells(self, basis: str, statuses: Sequence[str]) -> None:
        """Add what tells when the channel was in one of some statuses, whatever its value."""
        channel = self.chain.parts[0].channel
        recipe = select_recipe(channel, statuses, "idle")
        self.add(basis, recipe, period_of(channel), channel.unit)


def _converts(chain: Chain) -> bool:
    return bool(
        chain.members
        or len(chain.parts) > 1
        or chain.scale != 1.0
        or chain.stated is not None
        or any(part.channel.calibration for part in chain.parts)
    )


def _averages_first(chain: Chain) -> bool:
    """Tell whether the order matters, and averages come first; a mere factor may come anywhere."""
    return chain.version.normalise == "short_term" and bool(chain.members)


def _step(chain: Chain, short_term: str) -> int:
    channels = [part.channel for part in chain.parts] + list(chain.members.values())
    longest = max(MINUTE, *map(period_of, channels))
    step = microseconds(short_term) if _averages_first(chain) else longest
    for channel in channels:
        if step % period_of(channel):
            raise RuleProblem(
                f"values of {channel.id} every {channel.period} do not fit steps of "
                f"{canonical(f'{step // 1_000_000}s')}, in which they are brought together"
            )
    return step


def _more_words(chain: Chain, short_term: str, coverage: str, step: int) -> list[str]:
    words = []
    if _averages_first(chain):
        words.append(f"averaged over {short_term} first")
    channels: Sequence[Channel] = [*(one.channel for one in chain.parts), *chain.members.values()]
    if coverage != USUAL_COVERAGE and any(step > period_of(one) for one in channels):
        words.append(f"{coverage} of each step")
    for role in chain.members:
        value = getattr(chain.version.substitutes, role)
        if value is not None:
            words.append(f"missing {role} is {value:g} {_UNIT_OF_SUBSTITUTE[role]}")
    return words

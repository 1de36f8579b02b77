"""Which readings a chain takes, by their status: of the gas, and of what tells its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.rules_stack import RuleProblem, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.rules_chain import Chain

_VALID = "valid"
_STARTS = ("start_up", "shut_down")
_DILUENTS = ("o2", "co2")

Statuses = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """The statuses whose readings a chain takes.

    ``gas``: of what is judged; ``uncorrected``: those of them that are not brought to the reference
    oxygen or CO2; ``state``: of temperature, pressure, moisture and flow; ``diluent``: of oxygen
    and CO2, which are those of the values that are corrected.
    """

    gas: Statuses
    uncorrected: Statuses
    state: Statuses
    diluent: Statuses

    def of_role(self, role: str) -> Statuses:
        """Return the statuses of the channel that is bound to ``role``."""
        return self.diluent if role in _DILUENTS else self.state


def counted(chain: Chain, *, starts: bool) -> Counted:
    """Return what counts by the chain's rule set; ``starts``: start-up and shut-down alone.

    Raises RuleProblem where values that are to be left uncorrected are stated at an oxygen already:
    nothing tells whether they were brought to it then.
    """
    version = chain.version
    valid = (_VALID, *dict.fromkeys(version.counts))
    gas = _STARTS if starts else valid
    state = (*valid, *(one for one in gas if one not in valid))
    corrects = chain.target.oxygen is not None or "co2" in chain.members
    uncorrected = tuple(one for one in gas if corrects and one in version.uncorrected)
    main = chain.parts[0].channel
    stated = state_of(main.basis).oxygen
    if uncorrected and stated is not None:
        raise RuleProblem(
            f"{chain.rules} takes values of {' and '.join(uncorrected)} as measured, but those of "
            f"{main.id} are at {stated:g} % O2 already: give the channel as it is measured, or "
            "take them as they are stated (override: {uncorrected: []})"
        )
    diluent = tuple(one for one in state if one not in uncorrected)
    return Counted(gas, uncorrected, state, diluent)


def basis_of(statuses: Sequence[str]) -> str:
    """Return the basis of the channel that has a measured one's readings of some statuses."""
    if statuses[:1] != (_VALID,):
        return f"only {' '.join(statuses)}"
    more = statuses[1:]
    return f"with {' '.join(more)}" if more else ""

"""What a stack may send: values as decimals, gaps, statuses, several values in a slot."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.oracles import MINUTE, OUTSIDE_RANGE, SECOND, Limit, Reading

START = 1_772_323_200 * SECOND  # 2026-03-01T00:00:00Z

values = st.one_of(
    st.integers(-50, 20_000).map(lambda tenths: tenths / 10),
    st.sampled_from([700.1, 0.1, 0.3, 100.000001, 100.0, 33.3333333, 1e-7, 0.0, -0.0]),
    st.integers(100_000_000, 999_999_999).map(lambda whole: whole / 1e6),
)


@st.composite
def series(draw: st.DrawFn, *, period: int, length: int = 120) -> list[Reading]:
    """Readings of one channel over about ``length`` periods, in stretches of one kind."""
    time = START + draw(st.integers(0, 3)) * 7 * MINUTE
    until = time + length * period
    found: dict[int, Reading] = {}
    while time < until:
        kind = draw(st.sampled_from(["steady", "steady", "varied", "gap", "calibration", "dense"]))
        slots = draw(st.integers(1, 25))
        value = draw(values)
        for _ in range(slots):
            one = value if kind != "varied" else draw(values)
            if kind == "dense":
                found[time + period // 3] = Reading(time + period // 3, value * 2)
            if kind == "calibration":
                found[time] = Reading(time, one, "calibration")
            elif kind != "gap":
                flags = OUTSIDE_RANGE if draw(st.integers(0, 30)) == 0 else 0
                found[time] = Reading(time, one, "valid", flags)
            time += period
    return [found[time] for time in sorted(found)] or [Reading(START, 1.0)]


@st.composite
def limits(draw: st.DrawFn, *, window: int, period: int) -> Limit:
    return Limit(
        value=draw(st.sampled_from(["50", "100", "700.1", "0.3"])),
        window=window,
        period=period,
        coverage=draw(st.sampled_from(["2/3", "0.75", "0.1", "1"])),
        warn_at=draw(st.sampled_from(["0.8", "0.5", "1"])),
        clear_at=draw(st.sampled_from(["0.95", "0.5", "1"])),
        open_after=draw(st.sampled_from([0, 0, 1, 5])) * MINUTE,
        clear_after=draw(st.sampled_from([5, 0, 1, 30])) * MINUTE,
    )

"""Which alert keeps its id when its course is worked out anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alerts.core.course import Episode
from alerts.core.episodes import Known, Reconciled, Withdrawn, reconcile
from alerts.core.vocabulary import Severity


def episode(opened_at: int, resolved_at: int | None) -> Episode:
    warning = Severity.WARNING
    return Episode(opened_at, True, resolved_at, warning, warning, 1.0, opened_at, 1.0)  # noqa: FBT003


def matched(
    old: list[tuple[int, int | None]], new: list[tuple[int, int | None]]
) -> Reconciled[str]:
    known = [Known("abcdefgh"[i], begin, end) for i, (begin, end) in enumerate(old)]
    return reconcile(known, [episode(*times) for times in new])


def test_an_unchanged_course_keeps_its_ids() -> None:
    assert matched([(1, 5), (8, None)], [(1, 5), (8, None)]) == Reconciled(["a", "b"], [])


def test_a_new_episode_is_a_new_alert() -> None:
    assert matched([(1, 5)], [(1, 5), (8, 9)]) == Reconciled(["a", None], [])


def test_an_episode_over_two_alerts_keeps_the_earliest_id_and_replaces_the_other() -> None:
    assert matched([(8, 9), (1, 5)], [(1, 9)]) == Reconciled(["b"], [Withdrawn("a", 0)])


def test_an_alert_over_two_episodes_is_the_earlier_one() -> None:
    assert matched([(1, 9)], [(1, 3), (6, 9)]) == Reconciled(["a", None], [])


def test_a_later_episode_takes_the_next_alert_that_it_overlaps() -> None:
    assert matched([(1, 9), (10, 20)], [(1, 3), (6, 15)]) == Reconciled(["a", "b"], [])


def test_an_alert_without_an_episode_is_withdrawn_and_replaced_by_nothing() -> None:
    assert matched([(1, 5), (8, 9)], [(8, 9)]) == Reconciled(["b"], [Withdrawn("a", None)])


def test_an_alert_that_ends_where_an_episode_begins_does_not_overlap_it() -> None:
    expected: Reconciled[str] = Reconciled([None], [Withdrawn("a", None)])
    assert matched([(1, 5)], [(5, 9)]) == expected


def test_what_is_still_open_overlaps_all_that_comes_later() -> None:
    assert matched([(1, None)], [(7, 9)]) == Reconciled(["a"], [])
    assert matched([(7, 9)], [(1, None)]) == Reconciled(["a"], [])


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=6).map(
    lambda pairs: [(begin, begin + length) for begin, length in pairs]
)


@given(spans, spans)
def test_every_alert_is_kept_once_or_withdrawn(
    old: list[tuple[int, int | None]], new: list[tuple[int, int | None]]
) -> None:
    found = matched(old, new)
    kept = [one for one in found.kept if one is not None]
    assert sorted(kept + [one.id for one in found.withdrawn]) == list("abcdefgh"[: len(old)])
    assert len(found.kept) == len(new)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.test_tasks import TWO_ORIGINS, collect, collected, send, sent, work
from tests.model.written import ENDED, parent, pool, run_of, worker


@st.composite
def samples(draw: st.DrawFn) -> tuple[list[int], list[int], int, list[int]]:
    """Give the origin and the worker of every task, and the sampling shifts of parent and workers."""
    count = draw(st.integers(1, 60))
    origins = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    owners = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    return origins, owners, draw(st.integers(0, 4)), draw(st.lists(st.integers(0, 4), min_size=3, max_size=3))


def chosen(index: int, shift: int) -> bool:
    """Whether a task is timed: nested choices, as the recorder makes them."""
    return (index * 0x9E3779B1 & 0xFFFFFFFF) < (1 << 32) >> shift


def recorded(origins: list[int], owners: list[int], shift: int, shifts: list[int], run_ms: list[int]) -> str:
    """Give the trace of these tasks, sampled."""
    numbers = (1001, 2001)
    records = [pool(), TWO_ORIGINS]
    for place, number in enumerate(numbers):
        records += [sent(origins.count(place), number), collected(origins.count(place), number)]
    for index, origin in enumerate(origins):
        if chosen(index, shift):
            job, number, weight = origin, numbers[origin], f"weight={shift}"
            records += [send(job, index, number, weight), collect(job, index, number, weight)]
    text = ENDED + parent(*records)
    for place, worker_shift in enumerate(shifts):
        text += worker(101 + place, done=owners.count(place))
        for index, owner in enumerate(owners):
            if owner == place and chosen(index, worker_shift):
                more = f"run={run_ms[index]}ms weight={worker_shift}"
                text += work(origins[index], index, more).replace("run=10ms ", "")
    return text


@settings(deadline=None)
@given(samples())
def test_weights_conserve_totals(sample: tuple[list[int], list[int], int, list[int]]) -> None:
    origins, owners, shift, shifts = sample
    run = run_of(recorded(origins, owners, shift, shifts, [10] * len(origins)))
    tasks = run.tasks
    assert (tasks["weight"] >= 0).all()
    for origin in run.origins:
        mine = tasks["origin"] == origin.index
        if mine.any():
            assert tasks["weight"][mine].sum() == pytest.approx(origin.tasks)
    if len(tasks):
        # Whatever could not be attributed stands for the origins that no task is known of.
        known = sum(origin.tasks for origin in run.origins if (tasks["origin"] == origin.index).any())
        rest = tasks["weight"][tasks["origin"] < 0].sum()
        assert rest in (0, pytest.approx(len(origins) - known))


@settings(deadline=None)
@given(samples())
def test_sums_over_a_worker_are_what_it_did_when_all_is_timed(
    sample: tuple[list[int], list[int], int, list[int]],
) -> None:
    origins, owners, _, _ = sample
    run = run_of(recorded(origins, owners, 0, [0, 0, 0], [10] * len(origins)))
    np.testing.assert_allclose(run.tasks["weight"], 1)


def test_sums_over_a_worker_are_as_near_as_the_timed_tasks_allow() -> None:
    # One in two is timed, and by chance more of the first worker's.
    owners = [0, 0, 0, 1] * 50 + [1, 1, 0, 1] * 50
    origins = [0] * len(owners)
    run = run_of(recorded(origins, owners, 1, [1, 1, 1], [10] * len(owners)))
    tasks = run.tasks
    raw = [np.count_nonzero(tasks["worker"] == place) * 2 for place in range(2)]
    assert raw != [200, 200]
    for place in range(2):
        assert tasks["weight"][tasks["worker"] == place].sum() == pytest.approx(200)


@pytest.mark.parametrize(("shift", "shifts"), [(0, [0, 0, 0]), (3, [1, 1, 1]), (1, [3, 3, 3]), (2, [0, 4, 2])])
def test_weighted_sums_estimate_the_sum_over_all_tasks(shift: int, shifts: list[int]) -> None:
    count = 1200
    run_ms = [1 + index * 7919 % 40 for index in range(count)]
    owners = [index * 31 % 3 for index in range(count)]
    origins = [index // 100 % 2 for index in range(count)]
    tasks = run_of(recorded(origins, owners, shift, shifts, run_ms)).tasks
    compute = float(np.nansum(tasks["weight"] * (tasks["end"] - tasks["begin"])))
    assert compute == pytest.approx(sum(run_ms) / 1e3, rel=0.15)
    # The same weights serve the columns of the other side.
    dump = float(np.nansum(tasks["weight"] * (tasks["pickled"] - tasks["pickled_from"])))
    assert dump == pytest.approx(count * 1e-5, rel=1e-3)


def test_tasks_that_were_never_answered_are_a_group_of_their_own() -> None:
    answered = "".join(send(1, index, more="weight=1") + collect(1, index, more="weight=1") for index in range(5))
    unanswered = "".join(send(1, index, more="weight=3") for index in range(10, 12))
    text = (
        ENDED
        + parent(pool(), sent(100), collected(40), answered, unanswered)
        + worker(101, done=40)
        + "".join(work(1, index) for index in range(5))
    )
    tasks = run_of(text).tasks
    np.testing.assert_allclose(tasks["weight"], [8] * 5 + [30] * 2)


def test_answers_that_nobody_collected_count_as_answered() -> None:
    text = (
        ENDED
        + parent(pool(), sent(10), collected(2), "".join(send(1, index) for index in range(10)))
        + worker(101, done=6)
        + "".join(work(1, index) for index in range(6))
    )
    tasks = run_of(text).tasks
    np.testing.assert_allclose(tasks["weight"], 1)


def test_without_any_workers_records_the_parents_carry_the_weight() -> None:
    text = ENDED + parent(pool(), sent(10), collected(10), *(send(1, index) + collect(1, index) for index in range(5)))
    np.testing.assert_allclose(run_of(text).tasks["weight"], 2)


def test_tasks_of_unknown_origin_stand_for_origins_without_tasks() -> None:
    text = (
        ENDED
        + parent(pool(), TWO_ORIGINS, sent(10), collected(10), sent(6, 2001), collected(6, 2001), send(1, 0))
        + worker(101, done=16)
        + work(1, 0)
        + work(2, 0)
        + work(2, 1)
    )
    tasks = run_of(text).tasks
    assert tasks["origin"].tolist() == [0, -1, -1]
    np.testing.assert_allclose(tasks["weight"], [10, 3, 3])


def test_a_worker_whose_count_is_lost_keeps_its_share() -> None:
    text = (
        ENDED
        + parent(pool(), sent(4), collected(4), *(send(1, index) + collect(1, index) for index in range(4)))
        + worker(101, done=2)
        + work(1, 0)
        + work(1, 1)
        + worker(102, done=0)
        + work(1, 2)
        + work(1, 3)
    )
    np.testing.assert_allclose(run_of(text).tasks["weight"], 1)

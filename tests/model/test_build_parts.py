from __future__ import annotations

from mpdiag.model.run import Loss, Part
from tests.model.test_tasks import TWO_ORIGINS, collect, collected, send, sent, work
from tests.model.written import ENDED, parent, pool, run_of, worker


def part(index: int, size: int, origin: int = 1001, more: str = "", job: int = 1) -> str:
    return f"part bytes={size} payload={size + 100} digest=0x5 origin={origin} items=1 job={job} index={index} {more}\n"


ARGUMENT = "role=argument name=table type=dict"
RESULT = 'role=result name="return value" type=bytes'


def large(record: str) -> str:
    return record.replace("bytes=10", "bytes=50000").replace("result=5", "result=50000")


def test_parts_are_grouped_and_their_number_estimated() -> None:
    # Ten of forty tasks are timed, half of those are large; four messages were looked into, three hold a table.
    sends = "".join(large(send(1, index, more="weight=2")) for index in range(5))
    sends += "".join(send(1, index, more="weight=2") for index in range(5, 10))
    parts = [
        part(0, 30000, more=ARGUMENT + " effort=200000"),
        part(1, 20000, more=ARGUMENT + " effort=300000 flags=same|large"),
        part(2, 40000, more=ARGUMENT + " effort=400000 flags=same|large"),
        part(2, 9000, more="role=callable name=self.model type=Model").replace("payload=9100", "payload=40100"),
        part(3, 25000, more="role=callable name=self.model type=Model"),
    ]
    run = run_of(ENDED + parent(pool(), sent(40), collected(40), sends, *parts))
    assert run.parts == (
        Part(
            origin=0,
            role="argument",
            name="table",
            type="dict",
            bytes=30000,
            payload=30100,
            messages=3,
            repeats=2,
            estimated=15.0,
            contents=1,
            effort=0.3,
        ),
        Part(
            origin=0,
            role="callable",
            name="self.model",
            type="Model",
            bytes=25000,
            payload=40100,
            messages=2,
            repeats=0,
            estimated=10.0,
            contents=1,
        ),
    )


def test_parts_of_results_find_their_origin_through_the_task() -> None:
    text = (
        ENDED
        + parent(pool(), TWO_ORIGINS, sent(4), sent(4, 2001), collected(4), collected(4, 2001))
        + "".join(send(1, index) for index in range(4))
        + "".join(send(2, index, 2001) for index in range(4))
        + worker(101)
        + "".join(large(work(2, index)) for index in range(2))
        + part(0, 49000, origin=0, more=RESULT, job=2)
        + part(1, 49000, origin=0, more=RESULT, job=2)
        + part(3, 49000, origin=0, more=RESULT, job=2)
    )
    (found,) = run_of(text).parts
    assert (found.origin, found.role, found.messages, found.estimated) == (1, "result", 3, 4)


def test_at_least_the_messages_that_were_seen_are_estimated() -> None:
    text = (
        ENDED + parent(pool(), sent(9), collected(9), send(1, 0)) + worker(101) + part(5, 49000, origin=0, more=RESULT)
    )
    (found,) = run_of(text).parts
    assert found.estimated == 9
    text = ENDED + parent(pool(), sent(9), collected(9), send(1, 0), part(5, 49000, more=ARGUMENT))
    (found,) = run_of(text).parts
    assert found.estimated == 1


def test_parts_that_cannot_be_attributed_are_a_loss() -> None:
    text = ENDED + parent(pool(), TWO_ORIGINS, sent(4), collect(1, 0)) + worker(101) + part(5, 49000, origin=0, job=7)
    run = run_of(text)
    assert run.parts == ()
    assert Loss("a part of a large message", "what it belongs to was not recorded", 1) in run.losses

"""Six diagnoses as reports meet them, made by hand: what is said in them is plausible and adds up."""

from __future__ import annotations

from mpdiag.diagnosis import (
    Account,
    Diagnosis,
    Evidence,
    Failed,
    Finding,
    Fix,
    PoolSummary,
    RunSummary,
    Savings,
    Skipped,
    Verdict,
    WhatIf,
)
from mpdiag.model.change import Chunk, KeepPool, Shed
from mpdiag.model.run import Loss, Overhead, Site
from tests.reporters.pipelines import PIPELINE, account

HEALTHY = Diagnosis(
    run=RunSummary(
        command=("python", "thumbnails.py", "photos/"),
        python="3.11.9",
        wall_s=6.21,
        start_method="fork",
        cpus_usable=4,
        processes=5,
        tasks=120,
        items=1200,
        trace_bytes=61_440,
        complete=True,
        exit_status=0,
    ),
    verdict=Verdict(
        headline="3.7x faster than serial code would be, on 4 CPUs",
        speedup_vs_serial=3.7,
        serial_estimate_s=22.98,
        best_predicted_s=6.15,
    ),
    accounting=account(24.6, 0.06, compute=22.91, unpickle=0.02, pickle=0.05, transfer=0.31, startup=0.08, idle=1.13),
    pools=(
        PoolSummary(
            id=0,
            kind="Pool",
            count=1,
            workers=4,
            method="fork",
            site=Site("thumbnails.py", 41, "main"),
            tasks=120,
            items=1200,
            argument_bytes=91_000,
            callable_bytes=4_800,
            result_bytes=120_000,
            round_trips=120,
            compute_s=22.91,
            wall_s=6.15,
        ),
    ),
    findings=(),
    what_if=(WhatIf("chunksize 1 at thumbnails.py:42", 6.15, 6.02, 6.31),),
    skipped=(),
    failed=(),
    losses=(),
    overhead=Overhead(seconds=0.011, counted=240, timed=240, trace_bytes=61_440),
)

_CLASSIFY = Site("/home/ann/logs/classify.py", 58, "main")

CHATTY = Diagnosis(
    run=RunSummary(
        command=("python", "classify.py", "fork"),
        python="3.11.9",
        wall_s=3.42,
        start_method="fork",
        cpus_usable=4,
        processes=5,
        tasks=40_000,
        items=40_000,
        trace_bytes=1_204_224,
        complete=True,
        exit_status=0,
    ),
    verdict=Verdict(
        headline="3.6x slower than serial code would be: the processes cost more than they bring",
        speedup_vs_serial=0.28,
        serial_estimate_s=0.956,
        best_predicted_s=0.482,
    ),
    accounting=account(
        12.96, 0.21, compute=0.748, unpickle=0.31, pickle=0.22, transfer=1.93, wait_task=9.41, startup=0.05, idle=0.12
    ),
    pools=(
        PoolSummary(
            id=0,
            kind="Pool",
            count=1,
            workers=4,
            method="fork",
            site=_CLASSIFY,
            tasks=40_000,
            items=40_000,
            argument_bytes=5_812_400,
            callable_bytes=1_240_000,
            result_bytes=2_040_000,
            round_trips=40_000,
            compute_s=0.748,
            wall_s=3.21,
        ),
    ),
    findings=(
        Finding(
            rule="chatty-tasks",
            title="40,000 tasks of 19 µs each: sending and collecting one costs 78 µs",
            site=_CLASSIFY,
            evidence=(
                Evidence("tasks", 40_000, "count"),
                Evidence("items in a task", 1, "count"),
                Evidence("computing, median of a task", 18.7e-6, "s"),
                Evidence("messages, of a task", 78.2e-6, "s"),
                Evidence("workers waiting for a task", 0.726, "share"),
                Evidence("function", "classify", "text"),
            ),
            fix=Fix(
                summary="send 256 items in one message: give imap_unordered() chunksize=256",
                steps=(
                    "The results arrive in the same way, an item at a time.",
                    "Anything between 64 and 1,024 is within 2 % of the best.",
                ),
                snippet="kinds = Counter(pool.imap_unordered(classify, lines, chunksize=256))\n",
            ),
            change=Chunk(0, 256),
            confidence="high",
            severity="high",
            savings=Savings(2.94, 0.86, 2.71, 3.02, "replay of this run"),
            about=(("origin", 0), ("pool", 0)),
        ),
    ),
    what_if=(
        WhatIf("chunksize 256 at classify.py:58", 0.482, 0.401, 0.712),
        WhatIf("chunksize 16 at classify.py:58", 0.731, 0.652, 0.904),
        WhatIf("no processes at all", 0.956, 0.914, 1.021),
    ),
    skipped=(Skipped("manager-hotspot", "no manager was used"), Skipped("shm-leak", "no shared memory was used")),
    failed=(),
    losses=(),
    overhead=Overhead(seconds=0.187, counted=120_000, timed=6_400, trace_bytes=1_204_224),
)

_SCORE = Site("/srv/forecast/jobs/nightly/score_customers.py", 214, "Scorer.run")
_LOAD = Site("/srv/forecast/jobs/nightly/loading.py", 77, "read_partitions")

BIG_ARGUMENT = Diagnosis(
    run=RunSummary(
        command=("python", "-m", "forecast.jobs.nightly", "--date", "2024-05-17"),
        python="3.12.3",
        wall_s=148.3,
        start_method="spawn",
        cpus_usable=8,
        processes=75,
        tasks=2_464,
        items=88_200,
        trace_bytes=3_870_720,
        complete=True,
        exit_status=0,
    ),
    verdict=Verdict(
        headline="1.3x faster than serial code would be, on 8 CPUs",
        speedup_vs_serial=1.31,
        serial_estimate_s=194.0,
        best_predicted_s=38.6,
    ),
    accounting=account(
        962.4,
        21.8,
        compute=171.3,
        unpickle=212.6,
        pickle=3.9,
        transfer=167.0,
        wait_task=281.2,
        startup=88.4,
        idle=24.1,
    ),
    pools=(
        PoolSummary(
            id=0,
            kind="ProcessPoolExecutor",
            count=1,
            workers=8,
            method="spawn",
            site=_SCORE,
            tasks=2_400,
            items=2_400,
            argument_bytes=40_800_000,
            callable_bytes=31_440_000_000,
            result_bytes=19_200_000,
            round_trips=2_400,
            compute_s=160.9,
            wall_s=104.2,
        ),
        PoolSummary(
            id=1,
            kind="Pool",
            count=8,
            workers=8,
            method="spawn",
            site=_LOAD,
            tasks=64,
            items=85_800,
            argument_bytes=9_240_000,
            callable_bytes=7_680,
            result_bytes=1_310_000_000,
            round_trips=64,
            compute_s=10.4,
            wall_s=22.3,
        ),
    ),
    findings=(
        Finding(
            rule="oversized-callable",
            title="every task carries its Scorer along: 13 MB of self.model, 2,400 times the same",
            site=_SCORE,
            evidence=(
                Evidence("callable, of a task", 13_100_000, "bytes"),
                Evidence("arguments, of a task", 17_000, "bytes"),
                Evidence("self.model (sklearn.ensemble.RandomForestRegressor), of a message", 13_100_000, "bytes"),
                Evidence("of it sent before", 0.9996, "share"),
                Evidence("unpickling in the workers", 212.6, "s"),
                Evidence("bytes, against those of the arguments", 770.0, "ratio"),
                Evidence("explains repeated-payload", "13 MB of self.model sent 2,400 times", "text"),
            ),
            fix=Fix(
                summary="send the model once to each worker, in the initialiser, and map a plain function",
                steps=("Define the two functions at the top level of score_customers.py.",),
                snippet=(
                    "_scorer = None\n"
                    "\n"
                    "def _start(scorer):\n"
                    "    global _scorer\n"
                    "    _scorer = scorer\n"
                    "\n"
                    "def _score(customer):\n"
                    "    return _scorer.score(customer)  # instead of self.score: 13 MB less in every message\n"
                    "\n"
                    "with ProcessPoolExecutor(max_workers=8, mp_context=spawn, initializer=_start, initargs=(self,))"
                    " as pool:\n"
                    "    scores = list(pool.map(_score, customers, chunksize=16))\n"
                ),
            ),
            change=Shed(0, "callable", 13_100_000.0, once=13_100_000.0),
            confidence="high",
            severity="high",
            savings=Savings(84.1, 0.567, 71.5, 90.2, "replay of this run"),
            explains=("repeated-payload",),
            about=(("origin", 0), ("pool", 0)),
        ),
        Finding(
            rule="pool-churn",
            title="8 pools made one after the other at the same line, each starting 8 processes anew",
            site=_LOAD,
            evidence=(
                Evidence("pools", 8, "count"),
                Evidence("starting one worker, median", 1.38, "s"),
                Evidence("computing, of a pool", 1.3, "s"),
            ),
            fix=Fix(
                summary="make the pool once, outside the loop, and use it for all partitions",
                steps=(),
                snippet=(
                    "with multiprocessing.Pool(8) as pool:\n"
                    "    for partition in partitions:\n"
                    "        frames += pool.map(parse, partition)\n"
                ),
            ),
            change=KeepPool((1, 2, 3, 4, 5, 6, 7, 8)),
            confidence="medium",
            severity="low",
            savings=Savings(11.9, 0.08, 8.3, 14.6, "replay of this run"),
            about=(("pool", 1),),
        ),
        Finding(
            rule="oversized-result",
            title="results of 20 MB: reading them takes the parent 4.1 s",
            site=Site("/srv/forecast/jobs/nightly/loading.py", 81, "read_partitions"),
            evidence=(Evidence("result, of a task", 20_500_000, "bytes"),),
            fix=Fix("return only the columns that are used", (), ""),
            change=Shed(1, "result", 12_000_000.0),
            confidence="low",
            severity="info",
            savings=Savings(2.2, 0.015, 0.9, 3.4, "replay of this run"),
            about=(("origin", 1), ("pool", 1)),
        ),
    ),
    what_if=(
        WhatIf("all changes together", 38.6, 31.9, 52.0),
        WhatIf("only the model sent once to each worker (score_customers.py:214)", 64.2, 58.1, 76.8),
        WhatIf("no processes at all", 194.0, 186.2, 221.5),
    ),
    skipped=(Skipped("manager-hotspot", "no manager was used"), Skipped("shm-leak", "no shared memory was used")),
    failed=(),
    losses=(),
    overhead=Overhead(seconds=1.92, counted=12_712, timed=12_712, trace_bytes=3_870_720),
)

CUT_OFF = Diagnosis(
    run=RunSummary(
        command=("python", "crawl.py"),
        python="3.13.0",
        wall_s=812.0,
        start_method="forkserver",
        cpus_usable=2,
        processes=7,
        tasks=5_210,
        items=5_210,
        trace_bytes=8_912_000,
        complete=False,
        exit_status=-9,
    ),
    verdict=Verdict(
        headline="1.9x faster than serial code would be, on 2 CPUs",
        speedup_vs_serial=1.9,
        serial_estimate_s=1_543.0,
        best_predicted_s=None,
    ),
    accounting=account(3_230.0, 0.0, compute=2_092.0, transfer=14.2, wait_task=611.0, startup=3.1, idle=96.7),
    pools=(
        PoolSummary(
            id=0,
            kind="ProcessPoolExecutor",
            count=1,
            workers=4,
            method="forkserver",
            site=Site("crawl.py", 19, "main"),
            tasks=5_210,
            items=5_210,
            argument_bytes=1_240_000,
            callable_bytes=260_000,
            result_bytes=412_000_000,
            round_trips=5_210,
            compute_s=2_092.0,
            wall_s=812.0,
        ),
    ),
    findings=(),
    what_if=(),
    skipped=(Skipped("pool-churn", "no pool was seen to end"), Skipped("slow-startup", "too few starts were seen")),
    failed=(Failed("oversized-result", "ZeroDivisionError: float division by zero"),),
    losses=(
        Loss("the ends of 4 workers", "the whole run was killed (SIGKILL)"),
        Loss("records of process 4242", "no space left on device", 1_318),
        Loss("one child process", "python 3.8.18 is too old to be instrumented (3.9 or newer)"),
    ),
    overhead=Overhead(seconds=4.4, counted=15_630, timed=15_630, trace_bytes=8_912_000),
)

EMPTY = Diagnosis(
    run=RunSummary(
        command=("python", "hello.py"),
        python="3.10.14",
        wall_s=0.034,
        start_method="",
        cpus_usable=2,
        processes=1,
        tasks=0,
        items=0,
        trace_bytes=4_096,
        complete=True,
        exit_status=1,
    ),
    verdict=Verdict("No pool was used: there are no tasks to judge", None, None, None),
    accounting=Account(0.0, (), 0.034),
    pools=(),
    findings=(),
    what_if=(),
    skipped=tuple(
        Skipped(rule, "no task was recorded")
        for rule in ("chatty-tasks", "oversized-argument", "oversized-callable", "oversized-result", "repeated-payload")
    ),
    failed=(),
    losses=(),
    overhead=Overhead(seconds=0.0006, counted=0, timed=0, trace_bytes=4_096),
)

SAMPLES = {
    "healthy": HEALTHY,
    "chatty": CHATTY,
    "big_argument": BIG_ARGUMENT,
    "cut_off": CUT_OFF,
    "empty": EMPTY,
    "pipeline": PIPELINE,
}

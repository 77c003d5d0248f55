"""What processes outside pools gain when they talk less or are started less often: seconds of the run's wall time.

Processes that live at the same time are taken for stages of one pipeline: it is as fast as the busiest of them, and no
faster than the processors allow. What a change spares a stage makes that stage less busy; the seconds in which even
the busiest one was not busy (start-up, the first message's way through) stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mpdiag.model.regions import length
from mpdiag.model.stages import CHANNELS, SENDING, activity, stages, target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mpdiag.model.change import Fewer, Reuse
    from mpdiag.model.run import Run, Use
    from mpdiag.model.stages import Stage

PUT_S = 2.5e-6
"""What ``Queue.put`` costs its caller beside the feeder's work (measured: CPython 3.11, a bounded queue)."""
GET_S = 4e-6
"""What taking a waiting message costs: the queue's lock, two reads of the pipe, unpickling (measured likewise)."""
SEND_S = 4e-6
"""What sending and receiving a small message costs each side of a pipe (measured: send and recv 11.7 us together)."""
ANSWERS = 0.9
"""Of the messages that a line received this share were answers: then it is a dialogue."""
SLACK = 1.1
"""The other end may have received a tenth more than was answered."""
BUSY = ("startup", "compute", "pickle", "unpickle", "wait_lock", "manager")


def spared(run: Run, changes: Iterable[Fewer]) -> dict[int, float]:
    """Process (index) to the seconds that it is spared by these changes, dialogues aside."""
    found: dict[int, float] = defaultdict(float)
    for change in changes:
        gone = 1.0 - change.share
        for use in (run.uses[index] for index in change.uses):
            if not is_dialogue(use):
                found[use.process] += gone * _cost_s(use)
        for lock in (run.locks[index] for index in change.locks):
            found[lock.process] += gone * lock.waited_s
    return dict(found)


def _cost_s(use: Use) -> float:
    """What the messages of one line cost its process, their waiting for other processes aside."""
    if activity(use) == "manager":
        return use.blocked_s
    if use.kind == "Connection":
        return use.count * SEND_S
    if use.operation in SENDING:
        feeding = use.busy_s / use.timed * use.count if use.timed else 0.0
        return use.count * PUT_S + feeding
    return use.count * GET_S


def is_dialogue(use: Use) -> bool:
    """Whether a line receives answers to what its process has just sent: each side waits for the other in turn."""
    return use.kind == "Connection" and use.operation == "recv" and use.timed > ANSWERS * use.count


def dialogue_s(run: Run, changes: Iterable[Fewer]) -> float:
    """Seconds of wall time in the round trips that these changes spare, less what the other side worked meanwhile."""
    total = 0.0
    for change in changes:
        asked = [run.uses[index] for index in change.uses if is_dialogue(run.uses[index])]
        # Of several pipes asked at once the round trips overlap: no longer than the waiting for answers, about.
        waited = sum(run.uses[index].blocked_s for index in change.uses)
        spent = min(sum(use.busy_s for use in asked), SLACK * waited)
        if asked:
            others = partners(run, asked)
            work = sum(stage.seconds["compute"] for stage in stages(run) if stage.process in others)
            total += (1.0 - change.share) * max(0.0, spent - work / max(1, len(others)))
    return total


def partners(run: Run, asked: Sequence[Use]) -> frozenset[int]:
    """The process at the other end of a dialogue: one of those that received about as many messages as were answered.

    Which of them, no recording tells: they are taken to be alike.
    """
    counts: dict[int, int] = defaultdict(int)
    for other in run.uses:
        if other.kind == asked[0].kind and other.operation == "recv" and other.process != asked[0].process:
            counts[other.process] += other.count
    answered = sum(use.timed for use in asked)
    close = {process for process, count in counts.items() if answered <= count <= answered * SLACK + 1}
    return frozenset(close or set(counts))


def pipeline_s(run: Run, less: Mapping[int, float]) -> float:
    """Seconds of wall time that the program is spared when its processes (indices) are spared so many each."""
    total = 0.0
    for group in _together(run, less):
        before = _bound_s(run, group, {})
        total += max(0.0, before - max(_bound_s(run, group, less), 0.0))
    return total


def _bound_s(run: Run, group: tuple[Stage, ...], less: Mapping[int, float]) -> float:
    """The seconds that the busiest stage, or the processors, need for what a group does."""
    first = target(run)
    span = (min(s.begin for s in group if s.process != first), max(s.end for s in group if s.process != first))
    busy, cpu = [], 0.0
    for stage in group:
        share = 1.0
        if stage.process == first:  # only what it does beside the others counts
            share = min(1.0, (span[1] - span[0]) / max(stage.end - stage.begin, 1e-9))
        spent = share * max(0.0, sum(stage.seconds[name] for name in BUSY) - less.get(stage.process, 0.0))
        if stage.process != first:
            spent += stage.seconds["unaccounted"]
        busy.append(spent)
        cpu += min(spent, share * (stage.seconds["compute"] + stage.seconds["pickle"] + stage.seconds["unpickle"]))
    return max(*busy, cpu / max(1, run.meta.cpus_usable))


def _together(run: Run, less: Mapping[int, float]) -> list[tuple[Stage, ...]]:
    """The stages that live at the same time, in groups of which at least one is spared something."""
    first = target(run)
    groups: list[list[Stage]] = []
    until = -1.0
    for stage in sorted((stage for stage in stages(run) if stage.process != first), key=lambda stage: stage.begin):
        if groups and stage.begin < until:
            groups[-1].append(stage)
        else:
            groups.append([stage])
        until = max(until, stage.end)
    root = [stage for stage in stages(run) if stage.process == first]
    talking = {use.process for use in run.uses if use.kind in CHANNELS}
    # The target takes part where it exchanges messages; where it waits for the others to end, it does not.
    joined = root if first in talking or first in less else []
    return [(*group, *joined) for group in groups if any(stage.process in less for stage in (*group, *joined))]


def reuse_s(run: Run, change: Reuse) -> float:
    """Seconds of wall time that a program is spared when lasting processes do the work of many short ones."""
    lives = [stage for stage in stages(run) if stage.process in set(change.processes)]
    if not lives:
        return 0.0
    span = length((stage.begin, stage.end) for stage in lives)
    lasting = max(1, change.lasting)
    startup = sorted(stage.seconds["startup"] for stage in lives)[len(lives) // 2]
    work = sum(stage.end - stage.begin - stage.seconds["startup"] for stage in lives)
    side_by_side = min(lasting, max(1, run.meta.cpus_usable))
    return max(0.0, span - startup - work / side_by_side)

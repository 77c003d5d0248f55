"""``mpdiag run``: run a program under observation and report on it."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from mpdiag import __version__
from mpdiag.commands.message import say
from mpdiag.diagnosis import SEVERITY_FROM
from mpdiag.errors import EXIT_FINDINGS, EXIT_USAGE, MpdiagError
from mpdiag.supervise.cpus import usable_cpus
from mpdiag.supervise.launch import die_by, supervise
from mpdiag.supervise.output import RunFile, check_writable, same_file
from mpdiag.supervise.recording import Recording
from mpdiag.supervise.rundir import RunDirectory, current_directory, environment, initial_names
from mpdiag.supervise.sampler import FIRST_LOOK_S
from mpdiag.supervise.streams import reserve_streams
from mpdiag.supervise.target import Target, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = "run a program and report where its worker processes lose their time"
SEVERITIES = tuple(SEVERITY_FROM)
"""What --fail-on takes, from the highest; a finding at or above it fails the run."""
EPILOG = """The exit status is the program's own, or death by the signal that killed it. Where the program
succeeded: 3 when --fail-on is met; 2 when --fail-on is given and the program could not be judged (no Python process
of it was recorded, or the diagnosis failed), or a file of -o or --json could not be written. 2 also stands for errors
before the program is started."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "mpdiag run [options] [--] TARGET [arguments of TARGET ...]"
    parser.epilog = EPILOG
    parser.add_argument(
        "target", nargs=argparse.REMAINDER, metavar="TARGET",
        help="script.py, -m module, -c code, - (script on stdin), or any command, with its own arguments",
    )  # fmt: skip
    parser.add_argument("-o", dest="output", metavar="RUN", help="keep the recorded run in this file")
    parser.add_argument("--force", action="store_true", help="overwrite the files of -o and --json")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of the report on stderr (text)")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON to this file, too")
    parser.add_argument(
        "--fail-on", type=severity, metavar=f"{{{','.join(SEVERITIES)}}}",
        help="exit with 3 on a finding this severe, or more; with 2 when the program could not be judged",
    )  # fmt: skip
    parser.add_argument(
        "--budget", type=percentage, default=0.02, metavar="PERCENT", help="of wall time that recording may take (2)"
    )
    parser.add_argument("--python", default=sys.executable, metavar="FILE", help="interpreter of scripts and modules")
    parser.add_argument("--quiet", action="store_true", help="no report on stderr")


def severity(text: str) -> str:
    """A severity; MpdiagError for what is none: most often the program, the severity having been forgotten."""
    if text not in SEVERITIES:
        choices = f"{', '.join(SEVERITIES[:-1])} or {SEVERITIES[-1]}"
        message = f"--fail-on needs {choices} before the program, and {text!r} is none of them"
        raise MpdiagError(message)
    return text


def percentage(text: str) -> float:
    """A share from "2" or "2%"; argparse's error for what is none."""
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        message = f"{text!r} is not a percentage from 0 to 100"
        raise argparse.ArgumentTypeError(message)
    return share


def run(args: argparse.Namespace) -> int:
    """Run the target; its exit status, or ``_conclude``'s when it succeeded, or death by the signal that killed it."""
    if not sys.platform.startswith("linux"):
        message = f"mpdiag run needs Linux, this is {sys.platform}; mpdiag report reads its run files everywhere"
        raise MpdiagError(message)
    reserve_streams()
    target = resolve(args.target, args.python)
    _check_apart(args.output, args.json, target)
    if args.json:
        args.json = check_writable(args.json, force=args.force)
    with ExitStack() as undo:
        directory = RunDirectory.create()
        undo.callback(directory.remove)
        run_file = None
        if args.output:
            run_file = RunFile(args.output, directory.path, force=args.force)
            undo.callback(run_file.withdraw)
        recording = Recording(directory, _meta(target, args.budget), run_file)
        variables = environment(os.environ, initial_names(), directory.path, args.budget)
        ended = supervise(target, variables, recording, FIRST_LOOK_S)
        undo.pop_all()
    lost = recording.end(ended, target.interpreted())
    concluded = _conclude(args, directory, run_file, lost, succeeded=not ended.exit_code)
    if ended.exit_code < 0:
        return die_by(-ended.exit_code)
    return ended.exit_code or concluded


def _check_apart(output: str | None, json: str | None, target: Target) -> None:
    """MpdiagError where a file to be written is the other one, or a file of the program's command line."""
    if output and json and same_file(output, json):
        message = f"-o and --json both name {output!r}; give them two files"
        raise MpdiagError(message)
    for option, path in (("-o", output), ("--json", json)):
        if path and any(same_file(path, word) for word in (target.executable, *target.typed)):
            message = f"{option} would overwrite {path!r}, which the program's command line names; name another file"
            raise MpdiagError(message)


def _meta(target: Target, budget: float) -> dict[str, Any]:
    """What meta.json says before the program runs."""
    return {
        "format": 1,
        "mpdiag": __version__,
        "command": target.typed,
        "cwd": current_directory(),
        "cpus_usable": usable_cpus(),
        "budget": budget,
    }


def _conclude(
    args: argparse.Namespace,
    directory: RunDirectory,
    run_file: RunFile | None,
    lost: Sequence[tuple[str, str]],
    *,
    succeeded: bool,
) -> int:
    """Save and report the run; the exit status for a program that succeeded.

    Never fails: the program's own exit status must be delivered.
    """
    met = saved = False
    owed = {name for name in ("output", "json", "fail_on") if getattr(args, name)}
    try:
        # numpy and the models only now: the program had the machine to itself.
        from mpdiag.commands import conclusion  # noqa: PLC0415

        if run_file is not None:
            conclusion.save(directory.path, run_file.path)
            saved = True
            owed.remove("output")
        judged = conclusion.judge(directory.path, lost)
        met = args.fail_on is not None and judged.fails(args.fail_on)
        if met or not judged.unknown:
            owed.discard("fail_on")
        conclusion.deliver(args, judged.diagnosis)
        owed.discard("json")
        if owed and succeeded:
            say(f"--fail-on is undecided: {judged.unknown}")
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        if args.debug:
            traceback.print_exc()
        say(_reason(error))
        if saved:
            directory.remove()
        else:
            say(f"the recording is kept in {directory.path}; report it with: mpdiag report {directory.path}")
    else:
        directory.remove()
    return EXIT_FINDINGS if met else EXIT_USAGE if owed else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, MpdiagError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted before the report was complete"
    return f"no report, by a defect of mpdiag: {type(error).__name__}: {error}; --debug shows where, please report it"

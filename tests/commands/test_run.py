"""What ``mpdiag run`` writes, and what it refuses to do."""

from __future__ import annotations

import json
import os
import signal
import sys
import zipfile

import pytest

POOL = """
import multiprocessing, sys

def square(number):
    return number * number

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(1) as pool:
        print(sum(pool.map(square, range(100), chunksize=1)))
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.py").write_text(POOL)
    return "program.py"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_report_goes_to_stderr_and_to_files(mpdiag, tmp_path, program, method):
    run = mpdiag("run", "-o", "r.mpdiag", "--json", "r.json", program, method)

    assert (run.returncode, run.stdout) == (0, "328350\n")
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["run"]["tasks"] == 100
    assert document["run"]["command"] == [program, method]
    assert document["losses"] == []
    # THEN the packed run gives the same report, and nothing else is left
    again = mpdiag("report", "r.mpdiag")
    assert again.stdout == run.stderr
    assert zipfile.is_zipfile(tmp_path / "r.mpdiag")
    assert list(mpdiag.temporary.iterdir()) == []


def test_report_as_json_on_stderr(mpdiag, program):
    run = mpdiag("run", "--format", "json", program, "fork")

    assert json.loads(run.stderr)["schema"] == "mpdiag/1"


def test_quiet_writes_files_all_the_same(mpdiag, tmp_path, program):
    run = mpdiag("run", "--quiet", "--json", "r.json", program, "fork")

    assert run.stderr == ""
    assert json.loads((tmp_path / "r.json").read_text())["run"]["tasks"] == 100


def test_other_interpreters_need_no_mpdiag(mpdiag, tmp_path, program, interpreter):
    run = mpdiag("run", "--quiet", "--json", "r.json", "--python", interpreter, program, "spawn")

    assert (run.returncode, run.stdout) == (0, "328350\n")
    assert json.loads((tmp_path / "r.json").read_text())["run"]["tasks"] == 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no program given"),
        (["--quiet"], "no program given"),
        (["--"], "no program given"),
        (["missing.py"], "no file 'missing.py'"),
        (["."], "without __main__.py"),
        (["data"], "not executable"),
        (["./broken"], "interpreter that its first line names"),
        (["--python", "missing", "program.py"], "--python"),
        (["-o", "there", "program.py"], "--force"),
        (["--json", "there", "program.py"], "--force"),
        (["-o", "no/such", "program.py"], "no directory"),
        (["--json", "/proc/r.json", "program.py"], "/proc"),
        (["-o", "/proc/r.mpdiag", "program.py"], "/proc"),
        (["-o", ".", "program.py"], "is a directory"),
        (["--force", "-o", "there", "--json", "./there", "program.py"], "both"),
        (["--force", "-o", "there", "./broken"], "interpreter that its first line names"),
        (["--budget", "x", "program.py"], "percentage"),
        (["--budget", "101%", "program.py"], "percentage"),
        (["--fail-on", "worst", "program.py"], "--fail-on needs high, medium or low before the program"),
        (["--fail-on", "program.py"], "--fail-on needs high, medium or low before the program"),
        (["--force", "-o", "program.py", "program.py"], "would overwrite 'program.py'"),
        (["--force", "--json", "./program.py", sys.executable, "program.py"], "would overwrite './program.py'"),
        (["--force", "-o", "broken", "./broken"], "would overwrite 'broken'"),
        (["-o"], "-o"),
        (["-X", "dev", "program.py"], "unknown option -X"),
        (["--verbose", "program.py"], "unknown option --verbose"),
        (["--output=x", "program.py"], "unknown option --output=x"),
        (["missing.py", "--debug"], "no file 'missing.py'"),
    ],
)
def test_errors_are_one_line_before_the_program_runs(mpdiag, tmp_path, arguments, words):
    (tmp_path / "program.py").write_text("open('ran', 'w')")
    (tmp_path / "data").write_text("")
    (tmp_path / "there").write_text("old")
    (tmp_path / "broken").write_text("#!/no/such/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    before = sorted(tmp_path.iterdir())

    run = mpdiag("run", *arguments)

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("mpdiag: ")
    assert run.stderr.count("\n") == 1
    assert words in run.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there").read_text() == "old"
    assert (tmp_path / "program.py").read_text() == "open('ran', 'w')"
    assert list(mpdiag.temporary.iterdir()) == []


def test_force_replaces_files(mpdiag, tmp_path, program):
    for name in ("r.mpdiag", "r.json"):
        (tmp_path / name).write_text("old")

    run = mpdiag("run", "--quiet", "--force", "-o", "r.mpdiag", "--json", "r.json", program, "fork")

    assert run.returncode == 0
    assert zipfile.is_zipfile(tmp_path / "r.mpdiag")
    assert json.loads((tmp_path / "r.json").read_text())


def test_run_can_be_reported_while_it_lasts(mpdiag, tmp_path):
    program = POOL.replace("print(", "print('done', flush=True); sys.stdin.read(); print(")
    (tmp_path / "program.py").write_text(program.replace("print('done'", "pool.map(square, range(7)); print('done'"))
    started = mpdiag.start(*mpdiag.command("run", "--quiet", "-o", "r.mpdiag", "program.py", "fork"), stdin=mpdiag.PIPE)
    started.read_until("done")

    live = mpdiag("report", "--format", "json", "r.mpdiag")
    document = json.loads(live.stdout)
    assert document["run"]["items"] == 7
    assert not document["run"]["complete"]

    started.process.stdin.close()
    assert started.end() == 0
    document = json.loads(mpdiag("report", "--format", "json", "r.mpdiag").stdout)
    assert document["run"]["items"] == 107
    assert document["run"]["complete"]


def test_program_may_change_its_directory(mpdiag, tmp_path):
    (tmp_path / "elsewhere").mkdir()

    run = mpdiag("run", "--quiet", "-o", "r.mpdiag", "--json", "r.json", "-c", "import os; os.chdir('elsewhere')")

    assert run.returncode == 0
    assert (tmp_path / "r.mpdiag").exists()
    assert (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "-I", "-c", ""], "ignores PYTHONPATH"),
        ([sys.executable, "-S", "-c", ""], "does not import sitecustomize"),
        (["env", "-i", sys.executable, "-c", ""], "env -i"),
        (["sh", "-c", "true"], "sh is not a Python program"),
    ],
)
def test_what_could_not_be_looked_into_is_said(mpdiag, tmp_path, command, words):
    run = mpdiag("run", "--json", "r.json", *command)

    assert run.returncode == 0
    assert words in " ".join(run.stderr.split())
    assert words in json.dumps(json.loads((tmp_path / "r.json").read_text())["losses"])


def test_python_behind_a_shell_is_found(mpdiag, tmp_path, program):
    run = mpdiag("run", "--quiet", "--json", "r.json", "sh", "-c", f"{sys.executable} {program} fork; true")

    document = json.loads((tmp_path / "r.json").read_text())
    assert run.returncode == 0
    assert document["run"]["tasks"] == 100
    assert document["losses"] == []


def test_deleted_run_directory_is_named(mpdiag, tmp_path):
    program = "import os, shutil; shutil.rmtree(os.environ['MPDIAG_RUN']); print('unharmed'); os._exit(6)"

    run = mpdiag("run", "--json", "r.json", "-c", program)

    assert (run.returncode, run.stdout) == (6, "unharmed\n")
    assert "deleted while the program ran" in " ".join(run.stderr.split())
    assert "deleted" in (tmp_path / "r.json").read_text()
    assert list(mpdiag.temporary.iterdir()) == []


# A limit on the size of files fails like a full disk; the shell counts in blocks of 512 or 1024 bytes.
LIMITED = ["sh", "-c", 'ulimit -f "$0"; "$@"']


def test_disk_that_fills_up_leaves_the_program_unharmed(mpdiag):
    # GIVEN room for meta.json, but not for a segment
    run = mpdiag.bare(*LIMITED, "20", *mpdiag.command("run", "-c", "print('unharmed'); raise SystemExit(6)"))

    assert (run.returncode, run.stdout) == (6, "unharmed\n")
    assert "what the supervisor sees: File too large" in " ".join(run.stderr.split())


def test_disk_that_is_full_from_the_start_is_an_error(mpdiag):
    run = mpdiag.bare(*LIMITED, "0", *mpdiag.command("run", "-c", "print('ran')"))

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("mpdiag: no room for recording")
    assert run.stderr.count("\n") == 1


def test_run_file_that_cannot_be_written_keeps_the_recording(mpdiag, tmp_path):
    (tmp_path / "place").mkdir()
    program = "import shutil; shutil.rmtree('place'); raise SystemExit(6)"

    run = mpdiag("run", "-o", "place/r.mpdiag", "-c", program)

    assert run.returncode == 6
    (kept,) = mpdiag.temporary.iterdir()
    assert str(kept) in run.stderr
    assert mpdiag("report", str(kept)).returncode == 0


def test_failing_report_does_not_hide_the_status(mpdiag, tmp_path):
    failing = "from mpdiag import cli, engine; engine.diagnose = None; exit(cli.main())"
    program = "import os; os.kill(os.getpid(), 9)"

    run = mpdiag.bare(sys.executable, "-c", failing, "run", "-c", program)
    debugged = mpdiag.bare(sys.executable, "-c", failing, "run", "--debug", "-o", "r.mpdiag", "-c", program)

    assert run.returncode == debugged.returncode == -signal.SIGKILL
    assert "Traceback" not in run.stderr
    assert all(line.startswith("mpdiag: ") for line in run.stderr.splitlines())
    assert "Traceback" in debugged.stderr
    assert zipfile.is_zipfile(tmp_path / "r.mpdiag")
    assert len(list(mpdiag.temporary.iterdir())) == 1


def test_fail_on_speaks_only_when_the_program_succeeded(mpdiag, tmp_path):
    (tmp_path / "finding.py").write_text(
        "import sys\n"
        "from mpdiag import cli, engine\n"
        "from mpdiag.diagnosis import Finding, Fix\n"
        "import dataclasses\n"
        "true = engine.diagnose\n"
        "finding = Finding('r', 't', None, (), Fix('s', (), ''), None, severity='medium')\n"
        "engine.diagnose = lambda run: dataclasses.replace(true(run), findings=(finding,))\n"
        "sys.exit(cli.main())\n"
    )

    for level, code, status in (
        ("high", "", 0),
        ("medium", "", 3),
        ("low", "", 3),
        ("low", "exit(5)", 5),
        ("low", "import os; os.abort()", -signal.SIGABRT),
    ):
        run = mpdiag.bare(sys.executable, "finding.py", "run", "--quiet", "--fail-on", level, "-c", code)
        assert (run.returncode, run.stderr) == (status, "")


TOO_OLD = """
import glob, os
run = os.environ["MPDIAG_RUN"]
with open(f"{run}/{os.getpid()}.note", "w") as note:
    note.write("too old")
for name in glob.glob(f"{run}/segments/{os.getpid()}-*"):
    os.remove(name)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "-I", "-c", ""], "ignores PYTHONPATH"),
        (["sh", "-c", "true"], "sh is not a Python program"),
        (["-c", "import os, shutil; shutil.rmtree(os.environ['MPDIAG_RUN']); os._exit(0)"], "no Python process"),
        (["-c", TOO_OLD], "too old"),
    ],
)
def test_fail_on_fails_when_the_program_was_not_recorded(mpdiag, command, words):
    run = mpdiag("run", "--quiet", "--fail-on", "high", *command)

    assert run.returncode == 2
    assert run.stderr.startswith("mpdiag: --fail-on is undecided: ")
    assert run.stderr.count("\n") == 1
    assert words in run.stderr


def test_fail_on_leaves_the_status_of_a_failing_program(mpdiag):
    run = mpdiag("run", "--quiet", "--fail-on", "high", sys.executable, "-I", "-c", "exit(5)")

    assert (run.returncode, run.stderr) == (5, "")


PATCHED = """
import sys
from mpdiag import cli, engine
from mpdiag.diagnosis import Failed, Finding, Fix
import dataclasses
true = engine.diagnose
finding = Finding('r', 't', None, (), Fix('s', (), ''), None, severity='medium')
engine.diagnose = {diagnose}
sys.exit(cli.main())
"""
WITH_FINDING = "lambda run: dataclasses.replace(true(run), findings=(finding,))"
WITH_FAILURE = "lambda run: dataclasses.replace(true(run), failed=(Failed('r', 'e'),))"


@pytest.mark.parametrize(
    ("diagnose", "options", "status"),
    [
        ("None", ["--fail-on", "high"], 2),
        ("None", ["--json", "r.json"], 2),
        ("None", ["-o", "r.mpdiag"], 0),
        ("None", [], 0),
        (WITH_FAILURE, ["--fail-on", "high"], 2),
        (WITH_FAILURE, [], 0),
        (WITH_FINDING, ["--fail-on", "high", "--json", "place/r.json"], 2),
        (WITH_FINDING, ["--fail-on", "medium", "--json", "place/r.json"], 3),
        (WITH_FINDING, ["--json", "place/r.json"], 2),
        (WITH_FINDING, ["-o", "place/r.mpdiag"], 2),
        (WITH_FINDING, ["-o", "place/r.mpdiag", "--fail-on", "medium"], 2),
    ],
)
def test_what_was_asked_for_and_could_not_be_given_fails(mpdiag, tmp_path, diagnose, options, status):
    (tmp_path / "place").mkdir()
    (tmp_path / "patched.py").write_text(PATCHED.format(diagnose=diagnose))

    for code, expected in (("", status), ("; exit(5)", 5)):
        (tmp_path / "place").mkdir(exist_ok=True)
        program = f"import shutil; shutil.rmtree('place'){code}"
        run = mpdiag.bare(sys.executable, "patched.py", "run", "--force", "--quiet", *options, "-c", program)
        assert run.returncode == expected
        assert all(line.startswith("mpdiag: ") for line in run.stderr.splitlines())


def test_help_tells_the_exit_statuses(mpdiag):
    said = " ".join(mpdiag("run", "--help").stdout.split())

    assert "3 when --fail-on is met" in said
    assert "2 when --fail-on is given and the program could not be judged" in said


def test_descendants_that_outlive_the_program_are_not_waited_for(mpdiag):
    program = (
        "import os; r, w = os.pipe(); pid = os.fork(); print(pid, flush=True) if pid else (os.close(1), os.read(r, 1))"
    )

    run = mpdiag("run", "--quiet", "-c", program, capture_output=False, stdout=mpdiag.PIPE)

    os.kill(int(run.stdout), signal.SIGKILL)
    assert run.returncode == 0


def test_budget_is_a_percentage(mpdiag):
    for text, share in (("2", "0.02"), ("2%", "0.02"), ("0.5%", "0.005"), ("0", "0.0"), ("100", "1.0")):
        run = mpdiag("run", "--quiet", "--budget", text, "-c", "import os; print(os.environ['MPDIAG_BUDGET'])")
        assert run.stdout == f"{share}\n"

"""Under ``mpdiag run`` a program ends, writes and is started as it is without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile

import pytest

STATE = """
import os, signal, sys
for line in open("/proc/self/status"):
    if line.startswith(("SigIgn", "SigCgt", "SigBlk", "ShdPnd", "SigPnd", "Threads")):
        print(line, end="")
print(sys.argv, sys.flags, sys.path[1:], __name__, __spec__ and __spec__.name, globals().get("__file__"))
print(os.getcwd(), os.umask(0), os.getpgrp() == os.getpgid(os.getppid()), sorted(os.listdir("/proc/self/fd")))
ours = {"MPDIAG_RUN", "MPDIAG_BUDGET", "PYTHONPATH"}
print(sorted(item for item in os.environ.items() if item[0] not in ours))
"""
EXEC = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
ENDINGS = {
    "success": "print('out')",
    "exit 3": "import sys; print('out'); sys.exit(3)",
    "exit message": "import sys; sys.exit('msg')",
    "traceback": "def f():\n    return 1 / 0\nf()",
    "os._exit": "import os; os._exit(77)",
    "interrupt": "raise KeyboardInterrupt",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "terminated": "import os; os.kill(os.getpid(), 15)",
    "aborted": "import os; os.abort()",
    "real-time signal": "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)",
    "broken pipe": "import os, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.kill(os.getpid(), 13)",
    "state": STATE,
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_script_ends_as_bare(mpdiag, tmp_path, name):
    (tmp_path / "program.py").write_text(ENDINGS[name])

    bare = mpdiag.bare(sys.executable, "program.py", "-x", "--", "a b")
    run = mpdiag("run", "--quiet", "program.py", "-x", "--", "a b")

    assert (run.returncode, run.stdout) == (bare.returncode, bare.stdout)
    assert run.stderr == bare.stderr
    assert list(mpdiag.temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "bare"),
    [
        (["-m", "package.module", "--quiet", "-o", "x"], None),
        (["--", "-m", "package.module", "--", "x"], ["-m", "package.module", "--", "x"]),
        (["-m", "package"], None),
        (["-c", STATE, "-m", "x"], None),
        (["-", "x"], None),
        (["directory", "x"], None),
        (["archive.pyz", "x"], None),
        (["--python", sys.executable, "directory"], ["directory"]),
    ],
)
def test_every_way_to_start_python_is_as_bare(mpdiag, tmp_path, arguments, bare):
    for name in ("package", "directory"):
        (tmp_path / name).mkdir()
        for file in ("__init__.py", "__main__.py", "module.py"):
            (tmp_path / name / file).write_text("" if file == "__init__.py" else STATE)
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", STATE)

    expected = mpdiag.bare(sys.executable, *(bare or arguments), input=STATE)
    run = mpdiag("run", "--quiet", *arguments, input=STATE)

    assert expected.returncode == 0
    assert (run.returncode, run.stdout, run.stderr) == (0, expected.stdout, expected.stderr)


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", 'echo "$0" "$@"; exit 4', "zero", "--quiet", "-o", "x"],
        ["sh", "-c", "kill -KILL $$"],
        ["env", "-i", sys.executable, "-c", "import sys; sys.exit(5)"],
        ["./script", "a"],
        ["./plain", "a"],
        [sys.executable, "-I", "-c", "import sys; print(sys.flags.isolated); sys.exit(6)"],
        [sys.executable, "-S", "-E", "-c", "print('here')"],
        ["cat"],
    ],
)
def test_any_command_is_as_bare(mpdiag, tmp_path, command):
    for name, text in (("script", "#!/bin/sh\necho $0 $1; exit 7\n"), ("plain", "echo $0 $1; exit 8\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    # Python's subprocess does not try a shell for a file without a first line, as execvp and shells do.
    bare_command = ["/bin/sh", *command] if command[0] == "./plain" else command

    bare = mpdiag.bare(*bare_command, input="standard input")
    run = mpdiag("run", "--quiet", *command, input="standard input")

    assert (run.returncode, run.stdout, run.stderr) == (bare.returncode, bare.stdout, bare.stderr)


@pytest.mark.parametrize("ignored", [signal.SIGINT, signal.SIGHUP, signal.SIGCHLD])
def test_ignored_signals_stay_ignored(mpdiag, ignored):
    ignore = (
        f"import os, signal, sys; signal.signal({int(ignored)}, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    program = f"import signal; print(int(signal.getsignal({int(ignored)})))"

    run = mpdiag.bare(sys.executable, "-c", ignore, *mpdiag.command("run", "--quiet", "-c", program))

    assert (run.returncode, run.stdout) == (0, f"{int(signal.SIG_IGN)}\n")


def test_blocked_signals_stay_blocked(mpdiag):
    block = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [10, 30]); {EXEC}"
    program = "import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))"

    run = mpdiag.bare(sys.executable, "-c", block, *mpdiag.command("run", "--quiet", "-c", program))

    assert (run.returncode, run.stdout) == (0, "[10, 30]\n")


def test_descriptors_are_handed_on(mpdiag, tmp_path):
    (tmp_path / "handed").write_text("content")

    with (tmp_path / "handed").open() as file:
        run = mpdiag("run", "--quiet", "-c", f"import os; print(os.read({file.fileno()}, 9))", pass_fds=[file.fileno()])

    assert run.stdout == "b'content'\n"


def test_closed_output_reaches_its_reader_while_the_program_goes_on(mpdiag):
    # The reader of stdout sees its end although the program lives, until stdin tells it to go.
    program = "import os, sys; print('out', flush=True); os.close(1); sys.stdin.read()"

    started = mpdiag.start(*mpdiag.command("run", "--quiet", "-c", program), stdin=subprocess.PIPE)

    assert started.process.stdout.read() == b"out\n"
    assert started.process.poll() is None
    started.process.stdin.close()
    assert started.end() == 0


def test_closed_streams_are_no_trouble(mpdiag, tmp_path):
    program = "import os; open('made', 'a').write(f'{os.listdir(\"/proc/self/fd\")}\\n')"
    closed = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh"]

    bare = mpdiag.bare(*closed, sys.executable, "-c", program)
    run = mpdiag.bare(*closed, *mpdiag.command("run", "-c", program))

    assert (bare.returncode, run.returncode) == (0, 0)
    first, second = (tmp_path / "made").read_text().splitlines()
    assert first == second


def test_deleted_current_directory_is_no_trouble(mpdiag, tmp_path):
    (tmp_path / "gone").mkdir()
    shell = 'cd gone && rmdir ../gone && exec "$@"'

    run = mpdiag.bare("sh", "-c", shell, "sh", *mpdiag.command("run", "--quiet", "-c", "print('out')"))

    assert (run.returncode, run.stdout) == (0, "out\n")


def test_stderr_whose_reader_has_gone_is_no_trouble(mpdiag):
    reader, writer = os.pipe()
    os.close(reader)

    run = mpdiag("run", "-c", "print('out'); exit(5)", capture_output=False, stdout=subprocess.PIPE, stderr=writer)

    os.close(writer)
    assert (run.returncode, run.stdout) == (5, "out\n")

"""Pools and processes where the system refuses something. Takes what is refused."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


def double(item):
    return item * 2


def work(count=100):
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(double, range(count), 1)))
        pool.close()
        pool.join()
    with ProcessPoolExecutor(1) as executor:
        print(sum(executor.map(double, range(count))))


def fill(path):
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC


def full_disk():
    fill(Path(os.environ["TMPDIR"], "filler"))
    work()


def disk_fills_up():
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(double, range(10), 1)))
        fill(Path(os.environ["TMPDIR"], "filler"))
        print(sum(pool.map(double, range(6000), 1)))
        pool.close()
        pool.join()
    work()


def read_only_directory():
    work()
    try:
        Path("file").touch()
    except OSError as error:
        print(errno.errorcode[error.errno])


def deleted_directory():
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(double, range(10), 1)))
        for path in sorted(Path(os.environ["TMPDIR"]).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        print(sum(pool.map(double, range(6000), 1)))
        pool.close()
        pool.join()
    work()


def free_descriptors():
    """How many more files this process can open."""
    opened = []
    try:
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        assert error.errno == errno.EMFILE
    for descriptor in opened:
        os.close(descriptor)
    return len(opened)


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
    print(free_descriptors())
    with multiprocessing.Pool(1) as pool:
        print(sum(pool.map(double, range(100), 1)), free_descriptors(), pool.apply(free_descriptors))
        pool.close()
        pool.join()
    work()
    print(free_descriptors())


def no_descriptors():
    """Only the descriptors that a pool itself needs are left."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(double, range(10), 1)))
        taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(free_descriptors())]
        print(sum(pool.map(double, range(6000), 1)))
        child = os.fork()
        if not child:
            os._exit(5)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        for descriptor in taken:
            os.close(descriptor)
        pool.close()
        pool.join()


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    work()
    try:
        Path("file").write_bytes(b"x" * 20_000)
    except OSError as error:
        print(errno.errorcode[error.errno], Path("file").stat().st_size)


def small_files_and_a_signal():
    """What exceeds the limit is to die."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    work()
    sys.stdout.flush()
    Path("file").write_bytes(b"x" * 20_000)


def no_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    process = multiprocessing.Process(target=print, args=("child",))
    process.start()
    process.join()
    print(process.exitcode)


def check_files(files):
    """All these files are open under their own numbers, and can be written."""
    for file in files:
        file.write("line\n")
        file.flush()
        assert os.fstat(file.fileno()).st_ino == Path(file.name).stat().st_ino
    return len(files)


def close_all_and_open_own():
    """As a daemon does: close whatever is open, then open files that get the numbers of what was closed."""
    os.closerange(3, 256)
    return [Path(f"file-{number}").open("w") for number in range(20)]  # noqa: SIM115


def closed_descriptors():
    work()
    gc.collect()
    files = close_all_and_open_own()
    work()
    gc.collect()
    print(check_files(files), [file.fileno() for file in files])
    child = os.fork()
    if not child:
        print(check_files(files), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(check_files(files))
    process = multiprocessing.Process(target=closing_child)
    process.start()
    process.join()
    print(process.exitcode, check_files(files))


def closing_child():
    files = close_all_and_open_own()
    with multiprocessing.Pool(1) as pool:
        print(sum(pool.map(double, range(10), 1)))
        pool.close()
        pool.join()
    print(check_files(files), [file.fileno() for file in files])


def empty_environment():
    program = "import multiprocessing as m, math; pool = m.Pool(1); print(sum(pool.map(math.sqrt, [4] * 10)));"
    program += "pool.close(); pool.join()"
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", program], env={}, check=True)
    work()
    os.environ.clear()
    multiprocessing.set_start_method("spawn", force=True)
    work()


def other_user():
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(double, range(10), 1)))
        pool.close()
        pool.join()
    os.setgid(65534)
    os.setuid(65534)
    work()
    print(os.getuid())


def other_root():
    Path("root", "dev").mkdir(parents=True)
    if os.path.ismount("/dev/shm"):
        Path("root", "dev", "shm").mkdir()
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(double, range(10), 1)))
        pool.close()
        pool.join()
    os.chroot("root")
    child = os.fork()
    if not child:
        os._exit(5)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def many_processes():
    for start in range(0, 1000, 20):
        if start % 100:
            processes = [multiprocessing.Process(target=double, args=(start,)) for _ in range(20)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
                assert process.exitcode == 0
        else:
            children = []
            for _ in range(20):
                children.append(os.fork())
                if not children[-1]:
                    os._exit(0)
            for child in children:
                os.waitpid(child, 0)
    print("done")


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")]()

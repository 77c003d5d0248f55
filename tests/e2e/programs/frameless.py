"""Queues and pipes that C calls itself, with no line of the program's above; and an item that cannot be pickled."""

import _thread
import atexit
import multiprocessing


class Odd:
    """Cannot be pickled, and must not be looked at."""

    @property
    def obj(self):
        print("looked at")
        raise RuntimeError

    def __reduce__(self):
        raise TypeError("no pickling")


if __name__ == "__main__":
    queue, simple = multiprocessing.Queue(), multiprocessing.SimpleQueue()
    here, there = multiprocessing.Pipe()
    for call, item in ((queue.put, 1), (simple.put, 2), (here.send, 3)):
        _thread.start_new_thread(call, (item,))
    print(queue.get(timeout=60), simple.get(), there.recv())
    queue.put(Odd())
    queue.put(5)
    print(queue.get(timeout=60))
    atexit.register(print, "end")
    atexit.register(here.poll, 0.01)
    atexit.register(there.recv)
    atexit.register(here.send, 4)

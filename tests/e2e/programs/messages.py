"""Messages between processes by every kind of queue and pipe; argument: the start method."""

import multiprocessing
import queue
import sys
import threading
from multiprocessing.connection import Client, Listener


def produce(messages, done, rounds):
    for number in range(rounds):
        messages.put(number)  # put
    for number in range(5):
        messages.put_nowait(b"x" * 50_000)  # put-nowait
    done.put(None)  # simple-put


def consume(messages, answers, rounds):
    total = 0
    for _ in range(rounds):
        total += messages.get()  # get
    for _ in range(5):
        total += len(messages.get(timeout=60))  # get-timeout
    answers.put(total)


def join(tasks, results):
    while (task := tasks.get()) is not None:  # task-get
        results.put(task * 2)
        tasks.task_done()
    tasks.task_done()


def answer(pipe):
    while (question := pipe.recv()) != "stop":  # recv
        pipe.send(question + 1)  # send
    pipe.send_bytes(b"y" * 70_000)  # send-bytes


def listen(address, channel):
    with Client(address, authkey=b"key") as connection:  # client
        connection.send(list(range(1000)))
        channel.send(connection.recv())


def queues(context):
    messages, done, answers = context.Queue(), context.SimpleQueue(), context.Queue(3)
    producer = context.Process(target=produce, args=(messages, done, 200))
    consumer = context.Process(target=consume, args=(messages, answers, 200))
    for process in (producer, consumer):
        process.start()
    print(done.get(), answers.get())  # done-get
    for process in (producer, consumer):
        process.join()
    try:
        answers.get(timeout=0.05)  # empty
    except queue.Empty:
        print("empty")


def joinable(context):
    tasks, results = context.JoinableQueue(), context.Queue()
    worker = context.Process(target=join, args=(tasks, results))
    worker.start()
    for number in range(20):
        tasks.put(number)  # task-put
    tasks.put(None)
    tasks.join()
    print(sum(results.get() for _ in range(20)))
    worker.join()


def pipes(context):
    here, there = context.Pipe()
    process = context.Process(target=answer, args=(there,))
    process.start()
    total = 0
    for number in range(300):
        here.send(number)  # ask
        total += here.recv()  # answered
    here.send("stop")
    print(total, len(here.recv_bytes()), here.poll(0))  # recv-bytes
    process.join()
    try:
        there.close()
        here.recv()  # end
    except EOFError:
        print("end")


def sockets(context):
    reader, writer = context.Pipe(duplex=False)
    with Listener(None, authkey=b"key") as listener:
        process = context.Process(target=listen, args=(listener.address, writer))
        process.start()
        with listener.accept() as connection:
            connection.send(sum(connection.recv()))
            print(reader.recv())
    process.join()


def threads(context):
    messages = context.Queue()
    together = threading.Barrier(100)

    def put():
        together.wait()
        for _ in range(20):
            messages.put(1)  # threads

    started = [threading.Thread(target=put) for _ in range(100)]
    for thread in started:
        thread.start()
    print(sum(messages.get() for _ in range(2000)))
    for thread in started:
        thread.join()


def main():
    context = multiprocessing.get_context(sys.argv[1])
    for part in (queues, joinable, pipes, sockets, threads):
        part(context)


if __name__ == "__main__":
    main()

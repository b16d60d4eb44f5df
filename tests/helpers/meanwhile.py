"""Something that is done to a run once it has come so far."""

import contextlib
import threading


@contextlib.contextmanager
def once(is_so, action):
    """Does something as soon as something is so; gives a list that is empty until it was done."""
    done, over = [], threading.Event()

    def wait():
        while not over.wait(0.01) and not done:
            if is_so():
                done.append(True)
                action()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()

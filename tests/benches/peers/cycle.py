"""Cycles of a Python lock, for the costs bench: cycle.py WAY PATH TIMES prints their nanoseconds."""
import sys
import time

way, path, times = sys.argv[1], sys.argv[2], int(sys.argv[3])

if way == "Python filelock":
    import filelock

    make = lambda: filelock.FileLock(path)
elif way == "Python filelock, soft":
    import filelock

    make = lambda: filelock.SoftFileLock(path)
elif way == "Python portalocker":
    import portalocker

    make = lambda: portalocker.Lock(path)
elif way == "Python fasteners":
    import fasteners

    make = lambda: fasteners.InterProcessLock(path)
elif way == "Python flufl.lock":
    from datetime import timedelta

    import flufl.lock

    make = lambda: flufl.lock.Lock(path, lifetime=timedelta(minutes=5))
elif way == "Python zc.lockfile":
    import zc.lockfile

    class Taken:
        """It takes its lock as it is made."""

        def __enter__(self):
            self.lock = zc.lockfile.LockFile(path)

        def __exit__(self, *_):
            self.lock.close()

    make = Taken
else:
    sys.exit("what is " + way)

lock = make()
with lock:
    pass
start = time.perf_counter_ns()
for _ in range(times):
    with lock:
        pass
print(time.perf_counter_ns() - start)

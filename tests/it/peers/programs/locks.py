"""A peer in Python: locks.py LIBRARY hold|try|wait PATH

Ends with 75 if the lock is held by another."""
import sys

library, what, path = sys.argv[1:]

if library == "filelock":
    import filelock

    lock = filelock.FileLock(path)
    take, give, busy = lambda: lock.acquire(blocking=False), lock.release, filelock.Timeout
elif library == "filelock soft":
    import filelock

    lock = filelock.SoftFileLock(path)
    take, give = lambda: lock.acquire(blocking=what == "wait"), lock.release
    busy = filelock.Timeout
elif library == "flufl.lock":
    import datetime
    import socket

    import flufl.lock

    # On a host without a domain they are the same.
    socket.getfqdn = socket.gethostname
    lock = flufl.lock.Lock(path)
    # Without time it would not look at the age of what is in its way.
    take, give = lambda: lock.lock(timeout=datetime.timedelta(seconds=1)), lock.unlock
    busy = flufl.lock.TimeOutError
elif library == "portalocker":
    import portalocker

    lock = portalocker.Lock(path, fail_when_locked=True, timeout=0)
    take, give = lock.acquire, lock.release
    busy = (portalocker.AlreadyLocked, portalocker.LockException)
elif library == "fasteners":
    import fasteners

    lock = fasteners.InterProcessLock(path)

    def take():
        if not lock.acquire(blocking=False):
            raise BlockingIOError

    give, busy = lock.release, BlockingIOError
elif library == "zc.lockfile":
    import zc.lockfile

    held = []
    take, give = lambda: held.append(zc.lockfile.LockFile(path)), lambda: held[0].close()
    busy = zc.lockfile.LockError
else:
    sys.exit("what is " + library)

try:
    take()
except busy:
    sys.exit(75)
if what == "hold":
    print("READY", flush=True)
    sys.stdin.read()
give()

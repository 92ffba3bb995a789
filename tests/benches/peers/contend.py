"""A contender for the waiting bench, with a Python lock: contend.py WAY PATH HOLD_US MILLISECONDS"""
import sys
import time

way, path, hold_us, ms = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

if way == "Python filelock":
    import filelock

    lock = filelock.FileLock(path)
elif way == "Python filelock, soft":
    import filelock

    lock = filelock.SoftFileLock(path)
elif way == "Python portalocker":
    import portalocker

    lock = portalocker.Lock(path, timeout=600)
elif way == "Python fasteners":
    import fasteners

    lock = fasteners.InterProcessLock(path)
else:
    sys.exit("what is " + way)

print("ready", flush=True)
sys.stdin.readline()
end, start, log = time.monotonic_ns() + ms * 1_000_000, time.process_time(), []
while time.monotonic_ns() < end:
    requested = time.monotonic_ns()
    with lock:
        acquired = time.monotonic_ns()
        time.sleep(hold_us / 1e6)
        released = time.monotonic_ns()
    log.append((requested, acquired, released))
    time.sleep(hold_us / 2e6)
used = time.process_time() - start
for times in log:
    print(*times)
print("used", int(used * 1e6))

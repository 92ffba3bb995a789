"""run.py PATH COMMAND [ARGUMENT]...: a command under a lock of Python's filelock."""
import subprocess
import sys

import filelock

with filelock.FileLock(sys.argv[1]):
    sys.exit(subprocess.call(sys.argv[2:]))

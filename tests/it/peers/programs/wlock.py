"""Holds a Mercurial repository's working copy until its input ends: wlock.py REPOSITORY"""
import sys

from mercurial import hg, ui

repository = hg.repository(ui.ui.load(), sys.argv[1].encode())
with repository.wlock(wait=False):
    print("READY", flush=True)
    sys.stdin.read()

"""Files that tests write and use at once are young: those of folders and patterns are left for the next run."""

import os

SETTLED = {"settle": 0}  # settings of `[data]`, or of a batch prediction, by which every file is taken as it is
OLD = 3600  # seconds: such files have settled


def make_old(path, seconds=OLD):
    """As if a file had last been changed some time ago."""
    time = path.stat().st_mtime - seconds
    os.utime(path, (time, time))

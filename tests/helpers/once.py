"""What several files of tests need and none changes, made once for all processes that run tests."""

import os

from tasks.storage.files.atomic import locked


def made_once(tmp_path_factory, name, make):
    """A folder that `make` fills, in whichever process asks first; the others wait. It is for copying, not for use."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "once" / name
    with locked(shared / "once" / f"{name}.lock"):
        if not (folder / "made").exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            (folder / "made").touch()
    return folder

"""What tests of stores share: digests in which it does not matter what they are of, and all that a folder holds."""

import hashlib


def digest(name):
    """A digest that stands for what the test calls `name`."""
    return hashlib.sha256(name.encode()).hexdigest()


def listing(root):
    """All that lies below a folder, with the contents of files and what links lead to."""
    return {
        path: path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }

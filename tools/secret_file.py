"""Files for their owner's eyes only: of mode 0600 from the first byte, there as a whole or not at all."""

import os
import tempfile
from pathlib import Path


def write(files, force=False):
    """Write {path: text}: all of them, or none where one cannot be.

    force: put them in the place of files that are there. Raises OSError, whose `filename` is a path of these.
    """
    parts, made = {}, []
    try:
        for path, text in files.items():
            path = Path(path)
            handle, parts[path] = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600
            with open(handle, "w") as f:
                f.write(text)
                f.flush()
                os.fsync(handle)
        for path, part in parts.items():
            if force:
                os.replace(part, path)
            else:
                name(part, path)
                made.append(path)
    except BaseException as e:
        for each in [*parts.values(), *made]:
            Path(each).unlink(missing_ok=True)
        if isinstance(e, OSError):
            e.filename, e.filename2 = str(path), None
        raise


def name(part, path):
    """Give the file `part` this path, unless that is there: FileExistsError."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        os.replace(part, path)
    else:
        os.unlink(part)

"""The unix port's `vfs`, which has no room for one more name: _rom puts rom_ioctl here."""

from vfs import *  # noqa: F403

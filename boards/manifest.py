# What every board freezes: the library and the firmware of both roles, and the board's own data.
# MicroPython's build executes this with this folder as the current one.

import sys

sys.path.insert(0, "../tools")
import frozen  # noqa: E402

sys.path.pop(0)

freeze(*frozen.written())
module("board.py", base_path="$(BOARD_DIR)")

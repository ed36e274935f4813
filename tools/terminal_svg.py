"""What rich has recorded as SVG that stands alone: it names no host from which a reader would load a font."""

import io
import re

from rich.console import Console


def recorder(width, height=None):
    """A Console of this size that draws nowhere and remembers it."""
    return Console(
        width=width,
        height=height,
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def svg(console, title):
    found = console.export_svg(title=title)
    found = re.sub(r"@font-face\s*\{[^}]*\}\s*", "", found)
    found = re.sub(r"<!--.*?-->\s*", "", found, flags=re.DOTALL)
    found = found.replace("<text ", '<text xml:space="preserve" ')  # or some drop the spaces at the ends of a text
    return "\n".join(line.rstrip() for line in found.split("\n")) + "\n"

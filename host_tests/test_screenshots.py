"""tools/screenshots.py: pictures of real runs, which name no host."""

import html
import re
import subprocess
import sys

import pytest
import support

SCREENSHOTS = support.REPO / "tools/screenshots.py"


@pytest.mark.parametrize(
    "what, shown",
    (
        ("monitor", ("kitchen", "bedroom", "4.01", "5.03", "cache", "served", "239.255.7")),
        ("demo", ("make demo", "Profile", "Multicast-Timeout", "Reply-From", "bedroom")),
    ),
)
def test_a_picture_is_of_a_real_run_and_stands_alone(tmp_path, what, shown):
    words = [sys.executable, SCREENSHOTS, what, "--servers", "2", "--folder", tmp_path]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    drawing = (tmp_path / f"{what}.svg").read_text()
    text = html.unescape(drawing).replace("\xa0", " ")
    assert not [words for words in shown if words not in text]
    assert set(re.findall(r"https?://[^\"' )]*", drawing)) == {"http://www.w3.org/2000/svg"}  # the name of the format
    assert "font-face" not in drawing


def test_a_wrong_argument_is_told_in_one_line(tmp_path):
    for arguments, said in (
        (["views"], "argument WHAT: expected monitor or demo, not 'views'"),
        (["--folder", "/nonexistent"], "argument --folder: expected a folder, not '/nonexistent'"),
    ):
        ended = subprocess.run([sys.executable, SCREENSHOTS, *arguments], capture_output=True, text=True, timeout=20)
        assert (ended.returncode, ended.stderr) == (2, f"screenshots: {said}\n")

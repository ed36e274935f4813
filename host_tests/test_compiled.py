"""tools/compiled.py: how the sources become the .mpy files that a board gets."""

import subprocess
import sys

import pytest
import support

sys.path.insert(0, str(support.REPO / "tools"))
import compiled  # noqa: E402

VALUES = {"GET": 1, "CONTENT": 69}
RAISING = """from micropython import const
_A = const(7)
B = const(8)

def f(x):
    x < _A or g("no more than %d" % _A)
    if x:
        raise ValueError("é: not zero but %d" % x)
    raise ValueError("nothing at all")

def g(text):
    raise ValueError(text)

for x in (8, 1, 0):
    try:
        f(x)
    except ValueError as e:
        print(e, B)
"""


def test_constants_are_those_that_the_module_has(repo):
    import groupcoap.numbers as numbers

    found = compiled.constants(compiled.NUMBERS.read_text())
    assert found == {name: value for name, value in vars(numbers).items() if name.isupper()}


@pytest.mark.parametrize(
    "line", ["from . import numbers as n", "from .. import numbers as n", "from groupcoap import numbers as n"]
)
def test_a_number_stands_in_place_of_its_name(line):
    source = f"{line}\n\ndef f(m):\n    return m.code == n.GET or {{n.CONTENT: 'é', n.GET: n.CONTENT}}  # n.GET\n"
    expected = "pass\n\ndef f(m):\n    return m.code == 1 or {69: 'é', 1: 69}  # n.GET\n"
    assert compiled.folded(source, VALUES) == expected


def test_what_stands_beside_the_numbers_is_still_imported():
    source = "from . import hot, numbers\n'é', numbers.GET\n"
    assert compiled.folded(source, VALUES) == "from . import hot\n'é', 1\n"


def test_a_module_of_which_more_is_used_is_still_imported():
    source = "from . import numbers as n\nn.dotted(n.GET, m.GET)\n"
    assert compiled.folded(source, VALUES) == "from . import numbers as n\nn.dotted(1, m.GET)\n"


def test_a_private_name_for_a_number_is_a_constant():
    source = "from . import numbers as n\n_GET = n.GET\nGET = n.GET\n_BOTH = (n.GET, 1)\n"
    assert compiled.folded(source, VALUES) == "pass\n_GET = const(1)\nGET = 1\n_BOTH = (1, 1)\n"


def test_a_source_without_the_numbers_is_left_alone():
    for source in ("n.GET\n", "import numbers as n\nn.GET\n", "from . import uri as n\nn.GET\n"):
        assert compiled.folded(source, VALUES) == source


def test_what_is_private_to_a_module_has_a_name_that_others_use_too():
    source = (
        "from micropython import const\n_A = const(1)\n_table, _e = [_A], 2\n_known = _own = 3\n__all__ = ()\n\n"
        "class _Row:\n    _own = _table\n\n    def _find(self, _e):\n        "
        "return self._own, _find(_e), _own, 'é', _Row\n\n"
        "def _find(x, _known, by=1):\n    return _known, x, by, x.x\n\n"
        "def find(x):\n    return x\n\ndef _all(x):\n    return lambda: x\n"
    )
    expected = (
        "from micropython import const\n_A = const(1)\n_0, _e = [_A], 2\n_known = _own = 3\n__all__ = ()\n\n"
        "class _3:\n    _own = _0\n\n    def _find(self, _e):\n        "
        "return self._own, _find(_e), _own, 'é', _3\n\n"
        "def _find(_a0, _known, by=1):\n    return _known, _a0, by, _a0.x\n\n"
        "def find(x):\n    return x\n\ndef _5(x):\n    return lambda: x\n"
    )
    assert compiled.shortened(source, {"_known", "by"}) == expected


def test_texts_that_are_raised_are_pieces_of_one():
    source = (
        '"""Doc."""\n\ndef f(x):\n    if x:\n        raise ValueError("a long text: %d" % x)\n'
        '    0 < x < 9 or g("another text")\n    raise E("a long text: %d", n) from "the third text"\n'
    )
    expected = (
        '_TEXTS = \'a long text: %danother textthe third text\'; """Doc."""\n\ndef f(x):\n    if x:\n'
        "        raise ValueError(_TEXTS[0:15] % x)\n"
        "    0 < x < 9 or g(_TEXTS[15:27])\n    raise E(_TEXTS[0:15], n) from _TEXTS[27:41]\n"
    )
    assert compiled.joined(source) == expected


def test_other_texts_stay():
    texts = 'raise E("the first text", "the second text", "the third text")'
    for line in (
        texts,  # outside of a function: what is in front of the module might not be there
        'def f():\n    raise E("the first text", "the second text", "short")',  # two: not worth it
        'def f():\n    raise E(b"the first bytes", b"the second bytes", b"the third bytes")',
        'def f(x):\n    x and g("the first text", "the second text", "the third text")',
        'def f(x):\n    g("the first text", "the second text", "the third text")',
        'def f(x):\n    return x or g("the first text", "the second text", "the third text")',
        f"_TEXTS = 1\ndef f():\n    {texts}",
        'def f():\n    raise E("""the\nfirst text""", "the second text", "the third text")',
    ):
        assert compiled.joined(line + "\n") == line + "\n"


def test_const_is_not_imported_where_mpy_cross_alone_needs_it():
    line = "from micropython import const\n"
    for source, rest in (
        (f"{line}_A = const(1)\nB = const(_A + 1)\n", "pass\n_A = const(1)\nB = const(_A + 1)\n"),
        (f"{line}_A = (const(1), 2)\n", None),
        (f"{line}f(const)\n", None),
        ("from micropython import const, viper\nA = const(1)\n", None),
        (f"try:\n    {line}except E:\n    pass\n", None),
    ):
        assert compiled.joined(source) == (rest or source)


def test_what_is_compiled_raises_the_texts_of_its_source(tmp_path):
    source = tmp_path / "a.py"
    source.write_text(RAISING)
    compiled.compile_one(compiled.tool("mpy-cross", "MPY_CROSS"), None, source, tmp_path / "a.mpy", VALUES, "a")
    source.unlink()
    command = [support.micropython(), "-m", "a"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "no more than 7 8\né: not zero but 1 8\nnothing at all 8\n"


def test_an_error_in_a_source_names_its_module(tmp_path):
    source = tmp_path / "a.py"
    source.write_text("\nfrom . import numbers as n\nnonlocal x\n")
    mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
    with pytest.raises(subprocess.CalledProcessError) as failure:
        compiled.compile_one(mpy_cross, None, source, tmp_path / "a.mpy", VALUES, "groupcoap.a")
    assert 'File "groupcoap.a", line 3' in failure.value.stderr
    assert not list(tmp_path.glob("*.mpy"))

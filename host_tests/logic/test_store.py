"""Records survive a loss of power at every step of every write, on models of file systems, on littlefs and on FAT.

A sequence on the store is the judge: after any two losses of power no number comes twice, and the third start succeeds.
"""

import gc
import os
import sys

sys.path.append(__file__.rsplit("/", 3)[0] + "/firmware")

import store  # noqa: E402
from groupcoap.oscore.sequence import Sequence  # noqa: E402
from store import Store  # noqa: E402

VMS = ("cpython", "unix")

ON_MICROPYTHON = sys.implementation.name == "micropython"
NAME = "sequence"


class PowerCut(Exception):
    pass


class Model:
    """A file system that loses power before step `cut`, and in place of `os` in the module `store`.

    kind: "torn": opening empties a file, and each byte written is there at once; "in place": each byte takes the place
    of an old one, and closing cuts off the rest; "at close": what is written is there with `flush` or `close`.
    """

    def __init__(self, kind, renames_at_once):
        self.kind = kind
        self.renames_at_once = renames_at_once
        self.files = {}
        self.folders = set()
        self.power(-1)

    def power(self, cut):
        self.cut = cut
        self.steps = 0
        self.dead = False

    def step(self):
        if self.dead or self.steps == self.cut:
            self.dead = True
            raise PowerCut
        self.steps += 1

    def getcwd(self):
        return "/"

    def mkdir(self, path):
        self.step()
        if path in self.folders:
            raise OSError(17, "")
        self.folders.add(path)

    def rename(self, old, new):
        if not self.renames_at_once and new in self.files:
            self.step()
            del self.files[new]
        self.step()
        self.files[new] = self.files.pop(old)

    def remove(self, path):
        self.step()
        if path not in self.files:
            raise OSError(2, "")
        del self.files[path]

    def sync(self):
        self.step()

    def open(self, path, mode):
        if mode == "wb":
            self.step()
            if self.kind == "torn" or path not in self.files:
                self.files[path] = bytearray()
        elif path not in self.files:
            raise OSError(2, "")
        return ModelFile(self, path, mode)


class ModelFile:
    def __init__(self, model, path, mode):
        self.model = model
        self.path = path
        self.written = bytearray() if mode == "wb" else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        model = self.model
        if self.written is not None and not model.dead:
            model.step()
            model.files[self.path] = bytearray(self.written)

    def read(self, size):
        return bytes(self.model.files[self.path][:size])

    def write(self, data):
        for byte in data:
            at = len(self.written)
            self.written.append(byte)
            if self.model.kind != "at close":
                self.model.step()
                self.model.files[self.path][at : at + 1] = bytes((byte,))
        return len(data)

    def flush(self):
        self.model.step()
        if self.model.kind == "at close":
            self.model.files[self.path] = bytearray(self.written)


def modelled(model, function):
    """What `function` does with this model in place of the file system."""
    store.os, store.open = model, model.open
    try:
        return function()
    finally:
        store.os = os
        del store.open


def live(given, folder, count=3):
    """A start, then `count` messages: their numbers go to `given`."""
    sequence = Sequence(Store(folder), NAME, 2)
    for _ in range(count):
        given.append(sequence.take())


def survives(model):
    """Lose power before each step of a first life and of a second: how many steps the first has."""

    def try_all():
        cut, steps = 0, 1
        while cut <= steps:
            for second in range(-1, steps):
                model.files.clear()
                model.folders.clear()
                given = []
                for each in (cut, second, -1):
                    model.power(each)
                    before = len(given)
                    try:
                        live(given, "/records")
                        steps = max(steps, model.steps)
                    except PowerCut:
                        pass
                assert len(given) == before + 3
                assert sorted(set(given)) == given, (cut, second, given)
            cut += 1
        return steps

    return modelled(model, try_all)


def test_no_number_twice_on_a_file_that_is_torn():
    assert survives(Model("torn", True)) > 30
    assert survives(Model("torn", False)) > 30


def test_no_number_twice_on_a_file_that_is_overwritten_in_place():
    assert survives(Model("in place", True)) > 30
    assert survives(Model("in place", False)) > 30


def test_no_number_twice_on_a_file_that_is_written_at_its_close():
    assert survives(Model("at close", True)) > 8
    assert survives(Model("at close", False)) > 8


class Flash:
    """A block device in memory that loses power in the middle of write or erasure `cut`, of which `part` is done."""

    def __init__(self, data, block, erases, cut=-1, part=0):
        self.data = bytearray(data)
        self.block = block
        self.erases = erases
        self.cut = cut
        self.part = part
        self.steps = 0
        self.erased = 0
        self.dead = False

    def change(self, at, buf):
        if self.dead:
            return -5
        size = len(buf)
        if self.steps == self.cut:
            self.dead = True
            size = int(size * self.part)
        self.steps += 1
        self.data[at : at + size] = buf[:size]
        return -5 if self.dead else 0

    def readblocks(self, block, buf, offset=0):
        if self.dead:
            return -5
        at = block * self.block + offset
        buf[:] = self.data[at : at + len(buf)]
        return 0

    def writeblocks(self, block, buf, offset=0):
        return self.change(block * self.block + offset, buf)

    def ioctl(self, command, block):
        if command == 4:
            return len(self.data) // self.block
        if command == 5:
            return self.block
        if command == 6 and self.erases:
            self.erased += 1
            return self.change(block * self.block, b"\xff" * self.block)
        return 0


class RealFileSystem:
    """A file system of the VM's own, on a Flash that is a new one for each life."""

    def __init__(self, kind, size, block, erases, **options):
        self.kind = kind
        self.block = block
        self.erases = erases
        self.options = options
        flash = Flash(b"\xff" * size, block, erases)
        kind.mkfs(flash, **options)
        self.empty = bytes(flash.data)

    def life(self, data, given, cut=-1, part=0, count=3):
        """Mount it, live, take power away: the Flash as it was left."""
        import vfs

        flash = Flash(data, self.block, self.erases, cut, part)
        mounted = False
        try:
            vfs.mount(self.kind(flash, **self.options), "/flash")
            mounted = True
            live(given, "/flash/records", count)
        except OSError as e:
            if not flash.dead:
                raise e
        finally:
            broken_off, flash.dead = flash.dead, True  # for good: what is still open must not be closed in another life
            if mounted:
                vfs.umount("/flash")
        flash.broken_off = broken_off
        return flash

    def survives(self, parts):
        """Lose power in each step of a first life, and of a second: how many steps the first has."""
        steps = cut = 0
        while cut <= steps:
            for part in parts:
                first = []
                flash = self.life(self.empty, first, cut, part)
                assert flash.broken_off == (flash.steps > cut)
                steps = max(steps, flash.steps)
                for second in range(-1, steps):
                    given = list(first)
                    after = self.life(flash.data, given, second, part)
                    before = len(given)
                    assert not self.life(after.data, given).broken_off and len(given) == before + 3
                    assert sorted(set(given)) == given, (cut, part, second, given)
                gc.collect()
            cut += 1
        return steps


def test_no_number_twice_on_littlefs():
    if ON_MICROPYTHON:
        import vfs

        assert RealFileSystem(vfs.VfsLfs2, 32 * 512, 512, True).survives((0, 0.3, 0.9)) > 8
        assert RealFileSystem(vfs.VfsLfs2, 32 * 512, 512, True, progsize=256).survives((0, 0.3, 0.9)) > 8  # as on RP2


def test_no_number_twice_on_fat_whose_sectors_are_whole():
    if ON_MICROPYTHON:
        import vfs

        assert RealFileSystem(vfs.VfsFat, 64 * 512, 512, False).survives((0, 1)) > 8


def test_flash_is_erased_for_a_fraction_of_the_writes_only():
    if ON_MICROPYTHON:
        import vfs

        for options, most in (({}, 10), ({"progsize": 256}, 40)):
            system = RealFileSystem(vfs.VfsLfs2, 32 * 4096, 4096, True, **options)
            flash = system.life(system.empty, [], count=200)  # 100 writes
            assert 0 < flash.erased <= most, flash.erased


def in_a_model(function):
    model = Model("torn", True)
    modelled(model, lambda: function(model, Store("/records")))


def refused(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return True
    return False


def test_record_is_read_as_it_was_written():
    def check(model, one):
        assert one.read("a") is None
        for data in (b"", b"x", bytes(range(256)), bytearray(b"other"), b"z" * store.MAX_LENGTH):
            one.write("a", data)
            assert one.read("a") == data and Store("/records").read("a") == data
        one.write("b", b"b")
        assert one.read("a") == b"z" * store.MAX_LENGTH and one.read("b") == b"b"

    in_a_model(check)


def test_record_that_is_too_long_is_refused_and_the_old_one_stays():
    def check(model, one):
        one.write("a", b"old")
        assert refused(ValueError, one.write, "a", bytes(store.MAX_LENGTH + 1)) and one.read("a") == b"old"

    in_a_model(check)


def test_damaged_record_is_refused_and_not_taken_for_none():
    def check(model, one):
        one.write("a", b"data")
        good = bytes(model.files["records/a"])
        assert len(good) == 12
        for i in range(len(good)):
            for bit in range(8):
                model.files["records/a"] = bytearray(good)
                model.files["records/a"][i] ^= 1 << bit
                assert refused(ValueError, one.read, "a")
            model.files["records/a"] = bytearray(good[:i])
            assert refused(ValueError, one.read, "a")
        model.files["records/a"] = bytearray(good + bytes(2000))
        assert refused(ValueError, one.read, "a")
        one.write("a", bytes(store.MAX_LENGTH))
        model.files["records/a"] += b"\0"
        assert refused(ValueError, one.read, "a")
        model.files["records/b"] = bytearray(good)  # of another name
        assert refused(ValueError, one.read, "b")
        model.files["records/a"] = bytearray(good)
        assert one.read("a") == b"data"

    in_a_model(check)


def test_damaged_record_stops_a_sequence_even_with_a_whole_new_one_beside_it():
    def check(model, one):
        one.write(NAME, bytes(6))
        model.files["records/sequence.new"] = bytearray(model.files["records/sequence"])
        model.files["records/sequence"] = bytearray()
        assert refused(ValueError, Sequence, one, NAME)

    in_a_model(check)


def test_file_that_cannot_be_read_is_not_taken_for_none():
    def check(model, one):
        def broken(path, mode):
            raise OSError(5, "")

        one.write("a", b"data")
        store.open = broken
        assert refused(OSError, one.read, "a")

    in_a_model(check)


def test_write_without_room_leaves_the_old_record():
    def check(model, one):
        one.write("a", b"old")
        room = ModelFile.write
        ModelFile.write = lambda self, data: room(self, data[:5])
        try:
            assert refused(OSError, one.write, "a", b"new")
        finally:
            ModelFile.write = room
        assert one.read("a") == b"old"
        one.write("a", b"new")
        assert one.read("a") == b"new"

    in_a_model(check)


def test_removed_record_is_gone_whatever_step_is_the_last():
    def check(model, one):
        for cut in range(4):
            model.power(-1)
            one.write("a", b"newer, and whole")
            newer = model.files["records/a"]
            one.write("a", b"data")
            model.files["records/a.new"] = newer
            model.power(cut)
            try:
                one.remove("a")
                assert cut == 3
            except PowerCut:
                pass
            model.power(-1)
            assert one.read("a") == (None if cut > 1 else b"data")
            one.remove("a")
            one.remove("a")  # there is none
            assert one.read("a") is None and not model.files

    in_a_model(check)


def test_name_is_letters_digits_dashes_only():
    def check(model, one):
        for name in ("", "a.b", "../a", "a/b", "a b", "ä", "a" * 33, "a\n"):
            assert refused(ValueError, one.read, name) and refused(ValueError, one.write, name, b"")
            assert refused(ValueError, one.remove, name)
        one.write("Az09-_" + "a" * 26, b"")

    in_a_model(check)

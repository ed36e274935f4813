"""boards/: what is frozen, how the flash is divided, what a README tells; and what MicroPython has to say of it.

With MICROPYTHON_DIR, the folder of MicroPython's sources, the definitions are compared with these as well.
"""

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import board_files
import pytest
import support
from board_files import BOARDS, BUILT, FOLDER

sys.path.insert(0, str(support.REPO / "tools"))
import compiled  # noqa: E402
import romfs  # noqa: E402

MICROPYTHON = os.environ.get("MICROPYTHON_DIR")
PORTS = ("rp2", "esp32", "unix")
ESP32 = [name for name in BUILT if board_files.data(name)["PORT"] == "esp32"]
RP2 = [name for name in BUILT if board_files.data(name)["PORT"] == "rp2"]
# Of MicroPython, what a manifest may name; its own port's manifest brings asyncio.
FOREIGN = {name: ["$(PORT_DIR)/boards/manifest.py"] for name in ESP32}
FOREIGN |= {name: [f"$(PORT_DIR)/boards/{name}/manifest.py"] for name in RP2}
COMPUTERS = {"groupcoap.net._unix", "groupcoap.net._cpython", "groupcoap.net._inet"}
KEYS = ["ACCESS_POINT", "ARCH", "BUTTON", "BUTTON_MS", "BUTTON_PRESSED", "DEFAULTS", "LED", "LED_ON", "MACHINE", "NAME"]
KEYS += ["PORT", "STATION", "TIMER", "WATCHDOG_CONTROL", "WATCHDOG_MS"]
FOR_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MICROPYTHON_DIR", "BOARD", "PORT")
PROGRAMS = ("esptool.py", "picotool", "idf.py", "cmake", "arm-none-eabi-gcc")
LINKED = sorted([support.REPO / "README.md", *(support.REPO / "docs").glob("*.md"), *FOLDER.rglob("README.md")])

modules = functools.cache(romfs.modules)
manifest = functools.cache(board_files.Manifest)
of_each = pytest.mark.parametrize("name", BUILT)


def make(*words, path=None, folder=support.REPO):
    """GNU make's exit status and output, as by someone's own shell."""
    environment = {key: value for key, value in os.environ.items() if key not in FOR_MAKE}
    environment["PATH"] = f"{path}:{environment['PATH']}" if path else environment["PATH"]
    done = subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, timeout=30, env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def programs(tmp_path):
    """A folder with stand-ins for the tools of a build, which do nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def sources(tmp_path):
    """The folder of a MicroPython that has but two Makefiles, which tell what they are to build."""
    for port in ("rp2", "esp32"):
        folder = tmp_path / "micropython/ports" / port
        folder.mkdir(parents=True)
        (folder / "Makefile").write_text("all:\n\t@echo told $(CURDIR) $(BOARD_DIR) $(BUILD)\n")
    return tmp_path / "micropython"


# --- What is frozen


@of_each
def test_a_manifest_freezes_what_both_roles_need_and_no_more(name):
    needed = {}
    for role in romfs.ROLES:
        needed |= modules(role)
    started = {name for name in ("boot", "main") if romfs.source_of(name)}
    frozen = {compiled.module_name(Path(file)) for file in manifest(name).files}
    assert frozen == {*needed, *started, "board"} - COMPUTERS


@of_each
def test_a_manifest_takes_the_boards_own_data(name):
    assert manifest(name).files["board.py"] == FOLDER / name / "board.py"


@of_each
def test_a_manifest_takes_what_the_port_freezes_itself(name):
    assert manifest(name).foreign == FOREIGN[name]


def test_constants_are_in_their_places_before_a_module_is_frozen():
    files = manifest(BUILT[0]).files
    source = support.REPO / "lib/groupcoap/server.py"
    values = compiled.constants(compiled.NUMBERS.read_text())
    assert "numbers" in source.read_text()
    assert files["groupcoap/server.py"].read_text() == compiled.folded(source.read_text(), values)


def test_what_has_not_changed_is_not_written_again():
    before = {path: path.stat().st_mtime_ns for path in manifest(BUILT[0]).files.values()}
    assert board_files.Manifest(BUILT[0]).files.keys() == manifest(BUILT[0]).files.keys()
    assert {path: path.stat().st_mtime_ns for path in before} == before


# --- Flash


def test_partitions_are_aligned_and_apart_and_leave_room_for_files():
    end = board_files.PARTITION_TABLE + 0x1000
    for name, kind, _, offset, size in board_files.partitions(FOLDER / "partitions-4MiB.csv"):
        assert offset >= end, f"{name} overlaps what is before it"
        assert offset % (0x10000 if kind == "app" or name == "romfs" else 0x1000) == 0 == size % 0x1000, name
        end = offset + size
    assert end % 0x1000 == 0 and board_files.ESP32_FLASH - end >= 1 << 20


def test_the_partitions_are_those_that_esp32_looks_for():
    table = board_files.partitions(FOLDER / "partitions-4MiB.csv")
    assert [row[:3] for row in table] == [
        ("nvs", "data", "nvs"),
        ("phy_init", "data", "phy"),
        ("factory", "app", "factory"),
        ("romfs", "data", "0x8f"),
    ]


@pytest.mark.parametrize("name", RP2)
def test_firmware_romfs_and_files_fill_the_flash_of_an_rp2(name):
    sizes = board_files.cmake_numbers(name)
    romfs_size, files = sizes["MICROPY_HW_ROMFS_BYTES"], sizes["MICROPY_HW_FLASH_STORAGE_BYTES"]
    assert romfs_size % 4096 == 0 == files % 4096 and romfs_size > 0
    firmware = board_files.FLASH[name] - romfs_size - files
    assert (
        f"The flash: {firmware >> 10} KiB firmware, {romfs_size >> 10} KiB ROMFS, {files >> 10} KiB file"
        in " ".join(board_files.readme(name).split())
    )
    assert f"`firmware.bin` may have {firmware:,} bytes" in " ".join(board_files.readme(name).split())


@of_each
def test_the_image_of_a_proxy_fits_the_romfs_partition(name):
    assert image(board_files.data(name)["ARCH"]) <= board_files.romfs_bytes(name)


@functools.cache
def image(arch):
    """Bytes of a proxy's image for this chip; a server's is smaller."""
    return romfs.build("proxy", arch).stat().st_size


# --- Data


@pytest.mark.parametrize("name", BOARDS)
def test_a_boards_data_is_whole(name):
    data = board_files.data(name)
    assert sorted(data) == [key for key in KEYS if key != "ARCH" or name in BUILT]
    assert data["NAME"] == name and data["PORT"] in PORTS and data["MACHINE"]
    assert data["LED"] is None or isinstance(data["LED"], (int, str))
    assert data["BUTTON"] is None or isinstance(data["BUTTON"], (int, str))
    assert data["LED_ON"] in (0, 1) and data["BUTTON_PRESSED"] in (0, 1)
    most = 8388 if data["PORT"] == "rp2" else 60_000
    assert data["WATCHDOG_MS"] is None or 1000 <= data["WATCHDOG_MS"] <= most


def test_a_machine_is_one_board():
    machines = [board_files.data(name)["MACHINE"] + " with " for name in BOARDS]
    assert not [(a, b) for i, a in enumerate(machines) for b in machines[:i] + machines[i + 1 :] if b.startswith(a)]


@pytest.mark.parametrize("role", romfs.ROLES)
@pytest.mark.parametrize("name", BOARDS)
def test_a_boards_defaults_are_a_configuration_of_either_role(name, role):
    config = {"role": role, **({"proxy": {}} if role == "proxy" else {}), **board_files.data(name)["DEFAULTS"]}
    assert checked(config) == "ok"


@pytest.mark.parametrize("role", romfs.ROLES)
def test_the_example_for_a_board_is_a_configuration(role):
    config = json.loads((support.REPO / f"examples/board-{role}.json").read_text())
    assert config["role"] == role and config["wifi"]["ssid"]
    assert checked(config) == "ok"


def checked(config):
    """What config.check says on a board: "ok", or what is wrong."""
    program = "import sys, json, config\ntry:\n config.check(json.loads(sys.argv[1]), True)\n print('ok')\n"
    program += "except config.ConfigError as e:\n print(e)"
    place = f"{support.REPO / 'lib'}:{support.REPO / 'firmware'}:.frozen"
    command = [support.micropython(), "-c", program, json.dumps(config)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MICROPYPATH": place})
    return done.stdout.strip() + done.stderr


def test_lint_compiles_for_the_chip_of_each_board():
    chips = {board_files.data(name)["ARCH"] for name in BUILT}
    assert set(compiled.CHIPS) == chips
    _, said, _ = make("-n", "-o", ".venv/.stamp", "lint")
    assert set(re.search(r"for arch in (.*); do", said).group(1).split()) == chips


@of_each
def test_board_json_has_what_micropython_asks_for(name):
    facts = json.loads((FOLDER / name / "board.json").read_text())
    keys = ["deploy", "docs", "features", "images", "mcu", "product", "thumbnail", "url", "vendor"]
    assert sorted(facts) == sorted(keys + ["deploy_options"] * (name in ESP32))
    assert [file for file in facts["deploy"] if not (FOLDER / name / file).exists()] == []
    if name in ESP32:
        assert facts["deploy_options"] == {"flash_offset": "0x1000" if facts["mcu"] == "esp32" else "0x0"}


# --- Commands


def shown(name, sources, word):
    """The words of the one command in a README that begins so, as a shell would have them."""
    own = {"$MICROPYTHON_DIR": str(sources), "$PWD": str(support.REPO)}
    lines = [line for line in board_files.commands(name) if line.startswith(word) and "_flash" not in line]
    lines += [line for line in board_files.commands(name) if line.startswith(word) and " write_flash " in line]
    [line] = [line for line in lines if not line.endswith(" submodules")]
    for variable, value in own.items():
        line = line.replace(variable, value)
    return shlex.split(line)


def asked(name, target, sources):
    """The `make TARGET …` of a README as arguments for make()."""
    return shown(name, sources, f"make {target} ")[1:]


@of_each
def test_a_readme_shows_the_command_that_builds(name, sources, programs):
    status, said, errors = make("-n", *asked(name, "firmware", sources), path=programs)
    assert status == 0, errors
    ran = [shlex.split(line) for line in said.splitlines() if line.startswith("make -C ")]
    assert ran == [shown(name, sources, "make -C ")]


@of_each
def test_a_build_begins_in_the_port_with_our_folders(name, sources, programs):
    status, said, errors = make(*asked(name, "firmware", sources), path=programs)
    assert status == 0, errors
    port = board_files.data(name)["PORT"]
    ours = support.REPO / "boards" / name, support.REPO / "build/firmware" / name
    assert " ".join(["told", *map(str, (sources / "ports" / port, *ours))]) in said.splitlines()


@of_each
def test_a_readme_shows_the_command_that_flashes(name, sources, programs, tmp_path):
    here = copied(tmp_path, name)
    status, said, errors = make("-n", *asked(name, "flash", sources), path=programs, folder=here)
    assert status == 0, errors
    tool = "picotool" if name in RP2 else "esptool.py"
    assert [shlex.split(line) for line in said.splitlines() if line != "true"] == [shown(name, sources, tool)]


def copied(folder, name):
    """A copy of the Makefile and the boards in which the firmware of one is built."""
    here = folder / "repository"
    (here / "build/firmware" / name).mkdir(parents=True)
    (here / "build/firmware" / name / "firmware.bin").touch()
    shutil.copy(support.REPO / "Makefile", here)
    shutil.copytree(FOLDER, here / "boards")
    return here


@pytest.mark.parametrize(
    "words, about",
    [
        (["firmware"], 'BOARD: expected one of ESP32_GENERIC .*; not ""'),
        (["firmware", "BOARD=PICO"], 'BOARD: expected one of .*; not "PICO"'),
        (["firmware", "BOARD=UNIX"], 'BOARD: expected one of .*; not "UNIX"'),
        (["firmware", "BOARD=RPI_PICO_W"], 'MICROPYTHON_DIR: expected the folder .*; not ""'),
        (["firmware", "BOARD=RPI_PICO_W", "MICROPYTHON_DIR=/nowhere"], "MICROPYTHON_DIR: expected .*/nowhere"),
        (["firmware", "BOARD=RPI_PICO_W", "MICROPYTHON_DIR=SOURCES"], "arm-none-eabi-gcc: not on PATH; see boards/RPI"),
        (["firmware", "BOARD=ESP32_GENERIC", "MICROPYTHON_DIR=SOURCES"], "idf.py: not on PATH; see boards/ESP32_GENER"),
        (["flash"], 'BOARD: expected one of .*; not ""'),
        (["flash", "BOARD=ESP32_GENERIC"], "PORT: expected the board's serial port"),
        (["flash", "BOARD=RPI_PICO2_W"], "build/firmware/RPI_PICO2_W: no firmware; make firmware BOARD=RPI_PICO2_W"),
        (["flash", "BOARD=RPI_PICO_W"], "picotool: not on PATH"),
        (["flash", "BOARD=ESP32_GENERIC", "PORT=/dev/ttyUSB0", "BUILT"], "esptool.py: not on PATH"),
    ],
)
def test_what_is_missing_for_a_build_is_said_in_one_line(words, about, sources, tmp_path, monkeypatch):
    words = [word.replace("SOURCES", str(sources)) for word in words]
    here = copied(tmp_path, "ESP32_GENERIC" if "BUILT" in words else "RPI_PICO_W")
    bare = tmp_path / "bare"
    bare.mkdir()
    for program in ("make", "sed", "sh", "cmake"):
        (bare / program).symlink_to(shutil.which(program) or "/bin/true")
    monkeypatch.setenv("PATH", str(bare))
    status, said, errors = make(*[word for word in words if word != "BUILT"], folder=here)
    assert (status, said, errors.count("\n")) == (2, "", 1)
    assert re.search(about, errors), errors


def test_every_make_target_that_a_readme_names_is_one():
    files = "".join((support.REPO / file).read_text() for file in ("Makefile", "boards/firmware.mk"))
    targets = set(re.findall(r"^([a-z-]+):", files, re.M))
    named = {
        word for name in BUILT for word in re.findall(r"^make ([a-z-]+) ", "\n".join(board_files.commands(name)), re.M)
    }
    assert named - targets == set()


# --- Documents


@pytest.mark.parametrize("path", LINKED, ids=[str(path.relative_to(support.REPO)) for path in LINKED])
def test_every_link_into_the_repository_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    links = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not (path.parent / link).exists()] == []


@of_each
def test_a_readme_says_whether_its_board_was_built_and_tried(name):
    [(built, tried)] = re.findall(r"^\*\*Built: (.+)\. Tried on a board: (.+)\.\*\*", board_files.readme(name), re.M)
    assert row(name)[-2:] == [built, tried]


@of_each
def test_the_table_of_boards_has_what_their_data_say(name):
    data, found = board_files.data(name), row(name)
    assert found[4] == f"{board_files.romfs_bytes(name):,}"
    assert found[5] == ("none" if data["LED"] is None else data["LED"])
    assert found[6] == (data["BUTTON"] if data["PORT"] == "rp2" else f"BOOT, GPIO{data['BUTTON']}")


def row(name):
    """The cells of a board's row in boards/README.md."""
    [line] = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith(f"| [{name}]")]
    return [cell.strip() for cell in line.strip("|").split("|")]


# --- MicroPython's sources, where they are at hand


if MICROPYTHON:
    TREE = Path(MICROPYTHON).resolve()

    def port_of(name):
        return TREE / "ports" / board_files.data(name)["PORT"]

    @of_each
    def test_micropython_has_what_a_manifest_names(name):
        for text in manifest(name).foreign:
            assert Path(text.replace("$(PORT_DIR)", str(port_of(name)))).exists(), text

    @of_each
    def test_micropython_freezes_the_same_files(name, tmp_path):
        # Its libraries are a submodule: any that is asked for is an empty one here.
        names = set()
        for path in (port_of(name) / "boards").rglob("manifest.py"):
            names |= set(re.findall(r'require\("([^"]+)"', path.read_text()))
        for library in names:
            (tmp_path / "lib/micropython" / library).mkdir(parents=True)
            (tmp_path / "lib/micropython" / library / "manifest.py").touch()
        (tmp_path / "build/genhdr").mkdir(parents=True)
        header = tmp_path / "build/genhdr/qstrdefs.preprocessed.h"
        header.write_text("QCFG(BYTES_IN_LEN, (1))\nQCFG(BYTES_IN_HASH, (2))\n")
        variables = {"MPY_DIR": TREE, "MPY_LIB_DIR": tmp_path / "lib", "PORT_DIR": port_of(name)}
        command = [
            sys.executable,
            TREE / "tools/makemanifest.py",
            "-o",
            tmp_path / "frozen.c",
            "-b",
            tmp_path / "build",
        ]
        for variable, value in {**variables, "BOARD_DIR": FOLDER / name}.items():
            command += ["-v", f"{variable}={value}"]
        command += [f"-f-march={board_files.data(name)['ARCH']}", "--mpy-tool-flags=", FOLDER / name / "manifest.py"]
        cross = {**os.environ, "MICROPY_MPYCROSS": compiled.tool("mpy-cross", "MPY_CROSS")}
        done = subprocess.run(command, capture_output=True, text=True, env=cross, timeout=60)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        frozen = set(re.findall(r'MICROPY_FROZEN_LIST_ITEM\("[^"]*", "([^"]+)"\)', (tmp_path / "frozen.c").read_text()))
        assert set(manifest(name).files) <= frozen
        assert not any(name.startswith("groupcoap/") for name in frozen - set(manifest(name).files))

    @of_each
    def test_micropythons_own_definition_has_the_machine_and_the_led(name):
        own = port_of(name) / "boards" / name
        data = board_files.data(name)
        assert f'"{data["MACHINE"]}"' in (own / "mpconfigboard.h").read_text()
        if isinstance(data["LED"], str):
            assert re.search(f"^{data['LED']},", (own / "pins.csv").read_text(), re.M)
        facts = json.loads((own / "board.json").read_text())
        ours = json.loads((FOLDER / name / "board.json").read_text())
        assert (facts["mcu"], facts["vendor"], facts["features"]) == (ours["mcu"], ours["vendor"], ours["features"])
        offsets = [int(of.get("deploy_options", {}).get("flash_offset", "-1"), 0) for of in (facts, ours)]
        assert offsets[0] == offsets[1]

    @of_each
    def test_cmake_takes_the_definition(name, tmp_path):
        cmake = shutil.which("cmake") or support.missing("needs cmake")
        asked = ["SDKCONFIG_DEFAULTS", "IDF_TARGET", "PICO_BOARD", "PICO_PLATFORM", "MICROPY_FROZEN_MANIFEST"]
        asked += ["MICROPY_BOARD_PINS", "MICROPY_DEF_BOARD"]
        script = tmp_path / "script.cmake"
        port = board_files.data(name)["PORT"]
        lines = [f"set(MICROPY_BOARD {name})", f"set(MICROPY_BOARD_DIR {FOLDER / name})"]
        lines += [f"set(CMAKE_BINARY_DIR {tmp_path})"]
        lines += [f"set(MICROPY_PORT_DIR {port_of(name)})"] * (port == "rp2")  # esp32 sets it later
        lines += ["include(${MICROPY_BOARD_DIR}/mpconfigboard.cmake)"]
        lines += ["include(${MICROPY_BOARD_DIR}/mpconfigvariant.cmake OPTIONAL)"]
        lines += [f'message("{variable}=${{{variable}}}")' for variable in asked]
        script.write_text("\n".join(lines))
        done = subprocess.run([cmake, "-P", script], cwd=port_of(name), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = dict(line.split("=", 1) for line in done.stderr.splitlines())
        assert found["MICROPY_FROZEN_MANIFEST"] == str(FOLDER / name / "manifest.py")
        if port == "rp2":
            sizes = board_files.cmake_numbers(name)
            assert found["MICROPY_DEF_BOARD"].split(";") == [
                f"MICROPY_HW_ROMFS_BYTES={sizes['MICROPY_HW_ROMFS_BYTES']}",
                f"GROUPCOAP_STORAGE_BYTES={sizes['MICROPY_HW_FLASH_STORAGE_BYTES']}",
            ]
            assert Path(found["MICROPY_BOARD_PINS"]).exists()
            assert found["PICO_BOARD"] == {"RPI_PICO_W": "pico_w", "RPI_PICO2_W": "pico2_w"}[name]
        else:
            *stock, own = found["SDKCONFIG_DEFAULTS"].split(";")
            assert [file for file in stock if not (port_of(name) / file).exists()] == []
            [table] = re.findall('^CONFIG_PARTITION_TABLE_CUSTOM_FILENAME="(.*)"$', Path(own).read_text(), re.M)
            assert Path(table).resolve() == FOLDER / "partitions-4MiB.csv"

# Every target works on a fresh clone; only `demo` must do so with Python alone.

PYTHON ?= python3
BIN := .venv/bin
VENV := .venv/.stamp
NODE_MODULES := node_modules/.stamp

# What mpy-cross calls the chips of our boards.
ARCHS := $(sort $(shell sed -n 's/^ARCH = "\(.*\)"$$/\1/p' boards/*/board.py))

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile boards/firmware.mk

demo: $(VENV)  ## one proxy and six servers on this computer, one group request
	@$(BIN)/python tools/demo.py

fleet: $(VENV)  ## N servers (12) and a proxy on this computer, and the monitor on them
	@$(BIN)/python tools/fleet $(N)

configure: $(VENV)  ## ask for a board's configuration, check each answer, write the file
	@$(BIN)/python tools/configure

test: $(VENV) $(NODE_MODULES)  ## all tests, on CPython and on both MicroPython VMs
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(VENV)  ## ruff, and mpy-cross of every board file for every chip
	@$(BIN)/ruff check
	@for arch in $(ARCHS); do \
	    out=build/mpy/$$arch; rm -rf $$out; mkdir -p $$out; \
	    find lib $(wildcard firmware boards/*/board.py) -name '*.py' | ARCH=$$arch OUT=$$out xargs -P 4 -I{} sh -c \
	        'mkdir -p "$$OUT/$$(dirname {})" && $(BIN)/mpy-cross -march=$$ARCH -s {} -o "$$OUT/$$(echo {} | sed s/py$$/mpy/)" {}' \
	        || { echo "mpy-cross: does not compile for $$arch"; exit 1; }; \
	    find $$out -name '*.mpy' -exec cat {} + | wc -c | \
	        awk -v arch=$$arch -v files=$$(find $$out -name '*.mpy' | wc -l) \
	            '{ printf "mpy-cross: %-9s %3d files, %6d bytes of .mpy\n", arch, files, $$1 }'; \
	done

bench: $(VENV) $(NODE_MODULES)  ## each figure beside its yardstick
	@$(BIN)/python host_tests/bench/bench.py

romfs: $(VENV)  ## the ROMFS image of each role; ROLE=proxy ARCH=armv6m for one, with native code; PLAIN=1 without security; PORT: onto a board
	@$(if $(PORT),$(NEEDS); $(DEPLOY) --romfs,$(BIN)/python tools/romfs.py $(ROLE) $(if $(ARCH),--arch $(ARCH)) $(if $(PLAIN),--plain))

# What a target that goes onto a board cannot do without.
NEEDS = test -n "$(PORT)" -a -n "$(ROLE)" || { \
    echo "make $@: PORT=/dev/ttyACM0 ROLE=server (or proxy) are missing; see make help" >&2; exit 2; }
DEPLOY = $(BIN)/python tools/deploy "$(PORT)" $(ROLE) $(if $(CONFIG),--config "$(CONFIG)") $(if $(BOARD),--board $(BOARD))

deploy: $(VENV)  ## a node onto a board: PORT=/dev/ttyACM0 ROLE=server CONFIG=config.json
	@$(NEEDS)
	@$(DEPLOY)

romfs-deploy: $(VENV)  ## the same from the ROM partition, which our board builds have
	@$(NEEDS)
	@$(DEPLOY) --romfs

mip: $(VENV)  ## the packages of mip/ anew; with PORT and ROLE onto a board, by mpremote mip
	@$(if $(PORT)$(ROLE),$(NEEDS))
	@$(BIN)/python tools/packages.py
	@$(if $(PORT),$(BIN)/python tools/packages.py --port "$(PORT)" $(ROLE))

conformance: $(VENV)  ## docs/conformance.md and docs/draft-coverage.md, from their tests
	@$(BIN)/python host_tests/conformance/table.py conformance draft-coverage

include boards/firmware.mk

screenshots: $(VENV)  ## docs/monitor.svg and docs/demo.svg, from real runs
	@$(BIN)/python tools/screenshots.py

clean:  ## remove whatever these targets made
	rm -rf .venv build node_modules .hypothesis .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamp is written last: an installation that broke off is made anew.
$(VENV): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
	    { echo "groupcoap needs Python 3.10 or newer as $(PYTHON): make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "installing requirements.txt into .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# Without node, or without its package, the tests of the 32-bit VM say so themselves.
$(NODE_MODULES): package.json package-lock.json
	@if node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null; \
	    then npm ci --loglevel=error && touch $@ || echo "npm ci failed" >&2; fi

.PHONY: help demo fleet configure test lint bench romfs deploy romfs-deploy mip conformance screenshots clean

# MicroPython with groupcoap in it, built and flashed: the commands of boards/*/README.md, which show them as they are
# here. What differs between the boards is in board.py and board.json.

BOARDS := $(patsubst boards/%/mpconfigboard.cmake,%,$(sort $(wildcard boards/*/mpconfigboard.cmake)))
FIRMWARE = build/firmware/$(BOARD)

board_py = $(shell sed -n 's/^$(1) = "\(.*\)"$$/\1/p' boards/$(BOARD)/board.py)
board_json = $(shell sed -n 's/^ *"$(1)": "\(.*\)",*$$/\1/p' boards/$(BOARD)/board.json)
port = $(call board_py,PORT)

BUILD_COMMAND = $(MAKE) -C "$(MICROPYTHON_DIR)/ports/$(port)" BOARD_DIR="$(CURDIR)/boards/$(BOARD)" BUILD="$(CURDIR)/$(FIRMWARE)"
FLASH_esp32 = esptool.py --chip $(call board_json,mcu) --port $(PORT) --baud 460800 write_flash $(call board_json,flash_offset) $(FIRMWARE)/firmware.bin
FLASH_rp2 = picotool load -x $(FIRMWARE)/firmware.uf2

BUILDS_esp32 = idf.py
BUILDS_rp2 = cmake arm-none-eabi-gcc
FLASHES_esp32 = esptool.py
FLASHES_rp2 = picotool

wrong = $(error $(strip $(1)))
need_board = $(if $(filter $(BOARDS),$(BOARD)),,$(call wrong,BOARD: expected one of $(BOARDS); not "$(BOARD)"))
need_program = $(if $(shell command -v $(1)),,$(call wrong,$(1): not on PATH; see boards/$(BOARD)/README.md))
need_micropython = $(if $(wildcard $(MICROPYTHON_DIR)/ports/$(port)/Makefile),,$(call wrong,\
    MICROPYTHON_DIR: expected the folder of MicroPython's sources; not "$(MICROPYTHON_DIR)"))
need_port = $(if $(PORT)$(filter-out esp32,$(port)),,$(call wrong,PORT: expected the board's serial port such as /dev/ttyUSB0))
need_firmware = $(if $(wildcard $(FIRMWARE)/firmware.*),,$(call wrong,\
    $(FIRMWARE): no firmware; make firmware BOARD=$(BOARD) MICROPYTHON_DIR=…))

firmware:  ## MicroPython with groupcoap in it: BOARD=RPI_PICO_W MICROPYTHON_DIR=…
	@$(need_board)$(need_micropython)$(foreach program,$(BUILDS_$(port)),$(call need_program,$(program)))true
	$(BUILD_COMMAND)

flash:  ## that onto a board: BOARD=ESP32_GENERIC PORT=/dev/ttyUSB0
	@$(need_board)$(need_port)$(need_firmware)$(foreach program,$(FLASHES_$(port)),$(call need_program,$(program)))true
	$(FLASH_$(port))

.PHONY: firmware flash

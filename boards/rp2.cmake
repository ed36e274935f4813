# What our RP2 boards have in common. Up to v1.28 MicroPython knows the two sizes as macros alone, from then on as these
# variables, too; GROUPCOAP_STORAGE_BYTES is for mpconfigboard.h.

list(APPEND MICROPY_DEF_BOARD
    MICROPY_HW_ROMFS_BYTES=${MICROPY_HW_ROMFS_BYTES}
    GROUPCOAP_STORAGE_BYTES=${MICROPY_HW_FLASH_STORAGE_BYTES}
)

set(MICROPY_BOARD_PINS ${MICROPY_PORT_DIR}/boards/${MICROPY_BOARD}/pins.csv)
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)

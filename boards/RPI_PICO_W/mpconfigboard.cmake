# The port's own definition of this board, with a partition for a ROMFS image. Of 2 MiB of flash, 1280 KiB are left for
# the firmware; the port leaves it 1200.

set(MICROPY_HW_ROMFS_BYTES 262144) # 256 KiB
set(MICROPY_HW_FLASH_STORAGE_BYTES 524288) # 512 KiB

include(${MICROPY_PORT_DIR}/boards/RPI_PICO_W/mpconfigboard.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../rp2.cmake)

# The port's own definition of this board, with a partition for a ROMFS image. Of 4 MiB of flash, 1792 KiB are left for
# the firmware; the port leaves it 1536.

set(MICROPY_HW_ROMFS_BYTES 262144) # 256 KiB
set(MICROPY_HW_FLASH_STORAGE_BYTES 2097152) # 2048 KiB

include(${MICROPY_PORT_DIR}/boards/RPI_PICO2_W/mpconfigboard.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../rp2.cmake)

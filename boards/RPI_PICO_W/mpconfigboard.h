// The port's own definition of this board, its flash divided otherwise.

#include "boards/RPI_PICO_W/mpconfigboard.h"

// Up to v1.28 that header says how long the file system is; here mpconfigboard.cmake does.
#undef MICROPY_HW_FLASH_STORAGE_BYTES
#define MICROPY_HW_FLASH_STORAGE_BYTES          (GROUPCOAP_STORAGE_BYTES)

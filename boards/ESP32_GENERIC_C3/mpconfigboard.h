// The port's own definition of this board, and the file system in the partition `romfs`.

#include "boards/ESP32_GENERIC_C3/mpconfigboard.h"

#define MICROPY_VFS_ROM                         (1)

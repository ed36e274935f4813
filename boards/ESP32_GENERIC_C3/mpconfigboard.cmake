# The port's own definition of this board, with a partition for a ROMFS image.

include(boards/ESP32_GENERIC_C3/mpconfigboard.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../esp32.cmake)

# What our ESP32 boards have in common: the partition table. ESP-IDF reads its name from the configuration, relative to
# the port, and MicroPython copies configurations as they are; so one with the whole path is written here.

set(GROUPCOAP_SDKCONFIG ${CMAKE_BINARY_DIR}/sdkconfig.groupcoap)
file(WRITE ${GROUPCOAP_SDKCONFIG}
    "CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${CMAKE_CURRENT_LIST_DIR}/partitions-4MiB.csv\"\n"
)
list(APPEND SDKCONFIG_DEFAULTS ${GROUPCOAP_SDKCONFIG})

set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)

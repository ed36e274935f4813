# Stands in for `ntptime`: no time server is ever there.
host = None
timeout = 1


def settime():
    raise OSError(110)

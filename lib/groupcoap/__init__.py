"""CoAP group communication for microcontrollers, through a proxy. Import the modules that a role needs."""

__version__ = "0.1.0"

"""Object security: OSCORE (RFC 8613) and Group OSCORE."""

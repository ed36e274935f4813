"""The only part of groupcoap that does I/O: sockets, the clock, asyncio, and the `async` faces of the roles."""

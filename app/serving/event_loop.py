"""Which event loop serves."""

import asyncio


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's where it is installed, else one that can watch a listening socket.

    The standard loop of Windows cannot (it has no `add_reader`), and that is what the framework would choose there.
    """
    try:
        import uvloop  # noqa: PLC0415 - not installed everywhere
    except ImportError:
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()

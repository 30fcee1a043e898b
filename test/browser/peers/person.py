"""What the peers made with slixmpp have in common: how they speak, log in and leave."""
import asyncio
import inspect
import json
import ssl
import sys

import slixmpp


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Person(slixmpp.ClientXMPP):
    """Somebody in a room, whatever the server's certificate says."""

    def __init__(self, jid, password, room, nick):
        super().__init__(jid, password)
        self.room, self.nick = room, nick
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        self.add_event_handler("failed_all_auth", lambda _: tell("failed", why="auth"))

    def dial(self, host, port):
        # Up to slixmpp 1.8 (Debian 12) the address is one argument, later it is two.
        two = "host" in inspect.signature(self.connect).parameters
        self.connect(*((host, port) if two else ((host, port),)))

    async def said(self):
        """What is said to us, up to "/quit" or the end."""
        words = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
        while (line := (await words.readline()).decode().rstrip("\n")) not in ("", "/quit"):
            yield line

    async def leave(self):
        if self.is_connected():
            self.disconnect()
            await asyncio.wait({self.disconnected}, timeout=5)

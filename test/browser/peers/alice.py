#!/usr/bin/python3
"""An ordinary XMPP client (slixmpp) in a room; speaks JSON lines.

usage: alice.py JID PASSWORD HOST PORT ROOM NICK

stdout: {"event": "online"|"joined"|"occupant"|"left"|"message"|"refused"|"failed", ...}
stdin:  a line is sent to the room; the line "/quit" leaves.
"""
import asyncio
import sys
import xml.etree.ElementTree as ET

from person import Person, tell

MUC = "{http://jabber.org/protocol/muc"


class Alice(Person):
    def __init__(self, *args):
        super().__init__(*args)
        for plugin in ("xep_0030", "xep_0045", "xep_0199"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.start)
        self.add_event_handler("groupchat_message", self.message)
        self.add_event_handler("presence", self.presence)

    async def start(self, _):
        tell("online", jid=str(self.boundjid), mechanism=self["feature_mechanisms"].mech.name)
        self.send_presence()
        self.send_raw(
            f"<presence to='{self.room}/{self.nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )

    def message(self, message):
        tell("message", nick=message["from"].resource, body=message["body"])

    def presence(self, presence):
        if presence["from"].bare != self.room:
            return
        nick = presence["from"].resource
        if presence["type"] == "error":
            tell("refused", condition=presence["error"]["condition"], text=presence["error"]["text"])
        elif presence["type"] == "unavailable":
            tell("left", nick=nick)
        else:
            tell("occupant", nick=nick)
            if nick == self.nick:
                asyncio.ensure_future(self.joined(presence))

    async def joined(self, presence):
        # A room of her own opens for others when she accepts its defaults (XEP-0045, 10.1.2).
        if any(status.get("code") == "201" for status in presence.xml.iter(f"{MUC}#user}}status")):
            iq = self.make_iq_set(ito=self.room)
            query = ET.SubElement(iq.xml, f"{MUC}#owner}}query")
            ET.SubElement(query, "{jabber:x:data}x", type="submit")
            await iq.send()
        tell("joined")


async def main():
    jid, password, host, port, room, nick = sys.argv[1:7]
    client = Alice(jid, password, room, nick)
    client.dial(host, int(port))
    async for line in client.said():
        client.send_message(mto=room, mbody=line, mtype="groupchat")
    await client.leave()


asyncio.run(main())

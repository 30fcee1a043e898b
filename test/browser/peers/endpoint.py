#!/usr/bin/python3
"""A participant that is no browser: slixmpp for the room, aiortc for the media; speaks JSON lines.

It knows Jingle as the XEPs have it (0166, 0167, 0176, 0320, 0339, 0343) and of what is Jitsi's own only the bridge
channel, over SCTP: no source names, no transport-wide feedback. Its SRTP is AES_CM_128_HMAC_SHA1_80, its rate feedback
is REMB.

usage: endpoint.py JID PASSWORD HOST PORT ROOM NICK

stdout: {"event": "joined"|"invited"|"ice"|"channel"|"media"|"refused"|"failed"|"terminated", ...}; "media" comes every
        half second: decoded video frames and lines, and how loud the sound was (RMS, 0..32767).
stdin:  the line "/quit" leaves.
"""
import asyncio
import json
import math
import sys
import xml.etree.ElementTree as ET
from fractions import Fraction

import av
import numpy
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.sdp import SessionDescription
from person import Person, tell
from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath

JINGLE = "urn:xmpp:jingle:1"
RTP = "urn:xmpp:jingle:apps:rtp:1"
FEEDBACK = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
EXTENSION = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
SOURCES = "urn:xmpp:jingle:apps:rtp:ssma:0"
ICE = "urn:xmpp:jingle:transports:ice-udp:1"
DTLS = "urn:xmpp:jingle:apps:dtls:0"
SCTP = "urn:xmpp:jingle:transports:dtls-sctp:1"
GROUPING = "urn:xmpp:jingle:apps:grouping:0"
CODECS = ("opus", "VP8", "rtx")
FEATURES = (JINGLE, RTP, RTP + ":audio", RTP + ":video", ICE, DTLS, SCTP, GROUPING, SOURCES,
            "urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:apps:rtp:video", "urn:ietf:rfc:4588", "http://jitsi.org/remb")


class Tone(AudioStreamTrack):
    """440 Hz, half of full scale, 20 ms a frame."""

    async def recv(self):
        frame = await super().recv()  # silence, at the right moment
        n = frame.samples
        at = (frame.pts + numpy.arange(n)) / frame.sample_rate
        tone = (16000 * numpy.sin(2 * math.pi * 440 * at)).astype(numpy.int16)
        out = av.AudioFrame.from_ndarray(tone.reshape(1, n), format="s16", layout="mono")
        out.pts, out.sample_rate, out.time_base = frame.pts, frame.sample_rate, Fraction(1, frame.sample_rate)
        return out


class Bars(VideoStreamTrack):
    """A bar that wanders over 320×180 pixels."""

    shown = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        picture = numpy.full((180, 320, 3), 60, dtype=numpy.uint8)
        left = (self.shown * 4) % 300
        picture[:, left:left + 20] = (200, 160, 40)
        self.shown += 1
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


def text_of(lines):
    return "\r\n".join(lines) + "\r\n"


def offer_of(jingle):
    """The session description a Jingle offer means, less what aiortc does not know."""
    contents = [c for c in jingle.findall(f"{{{JINGLE}}}content") if c.find(f"{{{RTP}}}description") is not None]
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0",
             "a=group:BUNDLE " + " ".join(c.get("name") for c in contents), "a=msid-semantic:WMS *"]
    for content in contents:
        description, transport = content.find(f"{{{RTP}}}description"), content.find(f"{{{ICE}}}transport")
        types = [p for p in description.findall(f"{{{RTP}}}payload-type") if p.get("name") in CODECS]
        by_id = {p.get("id"): p for p in types}

        def repairs(p):
            return next((x.get("value") for x in p.findall(f"{{{RTP}}}parameter") if x.get("name") == "apt"), None)

        types = [p for p in types if p.get("name") != "rtx" or repairs(p) in by_id]
        sctp = transport.find(f"{{{SCTP}}}sctpmap")
        if sctp is None:
            lines += [f"m={description.get('media')} 9 UDP/TLS/RTP/SAVPF " + " ".join(p.get("id") for p in types),
                      "a=sendrecv", "a=rtcp-mux"]
        else:
            lines += ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", f"a=sctp-port:{sctp.get('number')}"]
        lines += ["c=IN IP4 0.0.0.0", f"a=mid:{content.get('name')}",
                  f"a=ice-ufrag:{transport.get('ufrag')}", f"a=ice-pwd:{transport.get('pwd')}"]
        for p in types:
            channels = "/" + p.get("channels") if p.get("channels", "1") != "1" else ""
            lines.append(f"a=rtpmap:{p.get('id')} {p.get('name')}/{p.get('clockrate')}{channels}")
            parameters = [f"{x.get('name')}={x.get('value')}" for x in p.findall(f"{{{RTP}}}parameter")]
            if parameters:
                lines.append(f"a=fmtp:{p.get('id')} " + ";".join(parameters))
            for f in p.findall(f"{{{FEEDBACK}}}rtcp-fb"):
                lines.append(f"a=rtcp-fb:{p.get('id')} {f.get('type')}" + (" " + f.get("subtype") if f.get("subtype") else ""))
        for x in description.findall(f"{{{EXTENSION}}}rtp-hdrext"):
            lines.append(f"a=extmap:{x.get('id')} {x.get('uri')}")
        for f in transport.findall(f"{{{DTLS}}}fingerprint"):
            lines += [f"a=fingerprint:{f.get('hash')} {f.text}", "a=setup:actpass"]
        for c in transport.findall(f"{{{ICE}}}candidate"):
            if c.get("protocol") == "udp":
                lines.append(f"a=candidate:{c.get('foundation')} {c.get('component')} udp {c.get('priority')} "
                             f"{c.get('ip')} {c.get('port')} typ host")
    return text_of(lines)


def accept_of(sdp, name):
    """The contents of a session-accept for our side's description."""
    ours = SessionDescription.parse(sdp)
    contents = []
    for media in ours.media:
        content = ET.Element(f"{{{JINGLE}}}content", creator="initiator", senders="both", name=media.rtp.muxId)
        description = ET.SubElement(content, f"{{{RTP}}}description", media=media.kind)
        for codec in media.rtp.codecs:
            p = ET.SubElement(description, f"{{{RTP}}}payload-type", id=str(codec.payloadType),
                              name=codec.name, clockrate=str(codec.clockRate))
            if codec.channels and codec.channels > 1:
                p.set("channels", str(codec.channels))
            for key, value in codec.parameters.items():
                ET.SubElement(p, f"{{{RTP}}}parameter", name=key, value=str(value))
            for f in codec.rtcpFeedback:
                x = ET.SubElement(p, f"{{{FEEDBACK}}}rtcp-fb", type=f.type)
                if f.parameter:
                    x.set("subtype", f.parameter)
        for x in media.rtp.headerExtensions:
            ET.SubElement(description, f"{{{EXTENSION}}}rtp-hdrext", id=str(x.id), uri=x.uri)
        ET.SubElement(description, f"{{{RTP}}}rtcp-mux")
        for s in media.ssrc:
            source = ET.SubElement(description, f"{{{SOURCES}}}source", ssrc=str(s.ssrc))
            ET.SubElement(source, f"{{{SOURCES}}}parameter", name="cname", value=s.cname)
            ET.SubElement(source, f"{{{SOURCES}}}parameter", name="msid", value=f"{name}-{media.kind} {name}-{media.kind}-0")
        for g in media.ssrc_group:
            group = ET.SubElement(description, f"{{{SOURCES}}}ssrc-group", semantics=g.semantic)
            for ssrc in g.items:
                ET.SubElement(group, f"{{{SOURCES}}}source", ssrc=str(ssrc))
        transport = ET.SubElement(content, f"{{{ICE}}}transport", ufrag=media.ice.usernameFragment, pwd=media.ice.password)
        if media.kind == "application":
            ET.SubElement(transport, f"{{{SCTP}}}sctpmap", number="5000", protocol="webrtc-datachannel", streams="1024")
        for f in media.dtls.fingerprints:
            if f.algorithm == "sha-256":
                x = ET.SubElement(transport, f"{{{DTLS}}}fingerprint", hash=f.algorithm, setup="active")
                x.text = f.value
        for i, c in enumerate(media.ice_candidates):
            ET.SubElement(transport, f"{{{ICE}}}candidate", component=str(c.component), foundation=c.foundation,
                          generation="0", id=str(i), ip=c.ip, network="0", port=str(c.port),
                          priority=str(c.priority), protocol=c.protocol, type=c.type)
        contents.append(content)
    return contents


class Endpoint(Person):
    def __init__(self, *args):
        super().__init__(*args)
        self.pc = None
        self.frames, self.lines, self.loud = 0, 0, 0
        for plugin in ("xep_0030", "xep_0115", "xep_0199"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.start)
        self.add_event_handler("presence", self.presence)
        self.register_handler(CoroutineCallback("jingle", MatchXPath(f"{{jabber:client}}iq/{{{JINGLE}}}jingle"), self.jingle))

    async def start(self, _):
        for feature in FEATURES:
            self["xep_0030"].add_feature(feature)
        # Presences from here on carry them as capabilities.
        await self["xep_0115"].update_caps()
        presence = self.make_presence(pto=f"{self.room}/{self.nick}")
        presence.xml.append(ET.Element("{http://jabber.org/protocol/muc}x"))
        presence.send()

    def presence(self, presence):
        if presence["from"].bare != self.room or presence["from"].resource != self.nick:
            return
        if presence["type"] == "error":
            tell("refused", condition=presence["error"]["condition"], text=presence["error"]["text"])
        elif presence["type"] != "unavailable":
            tell("joined")

    async def jingle(self, iq):
        jingle = iq.xml.find(f"{{{JINGLE}}}jingle")
        action = jingle.get("action")
        iq.reply().send()
        if action == "session-initiate":
            await self.initiated(iq, jingle)
        elif action == "session-terminate":
            tell("terminated")
        # What others add needs no answer: aiortc tells streams apart by payload type.

    async def initiated(self, iq, jingle):
        tell("invited")
        if self.pc:
            await self.pc.close()
        self.pc = pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.on("track", lambda track: asyncio.ensure_future(self.listen(track)))
        pc.on("connectionstatechange", lambda: tell("ice", state=pc.connectionState))
        pc.addTrack(Tone())
        pc.addTrack(Bars())
        await pc.setRemoteDescription(RTCSessionDescription(offer_of(jingle), "offer"))
        channel = pc.createDataChannel("JVB data channel", protocol="http://jitsi.org/protocols/colibri")
        channel.on("open", lambda: self.opened(channel))
        await pc.setLocalDescription(await pc.createAnswer())
        accept = self.make_iq_set(ito=iq["from"])
        answer = ET.Element(f"{{{JINGLE}}}jingle", action="session-accept", sid=jingle.get("sid"),
                            initiator=jingle.get("initiator", ""), responder=str(self.boundjid))
        answer.extend(accept_of(pc.localDescription.sdp, self.nick))
        accept.xml.append(answer)
        await accept.send()

    def opened(self, channel):
        tell("channel")
        # Before it is told what we want to see, the bridge sends no video.
        channel.send(json.dumps({"colibriClass": "ReceiverVideoConstraints", "lastN": -1, "defaultConstraints": {"maxHeight": 360}}))

    async def listen(self, track):
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    self.frames, self.lines = self.frames + 1, frame.height
                else:
                    samples = frame.to_ndarray().astype(numpy.float64)
                    self.loud = max(self.loud, round(math.sqrt((samples * samples).mean())))
        except Exception as end:  # aiortc says so when the track is over
            tell("over", kind=track.kind, why=str(end))

    async def report(self):
        while True:
            await asyncio.sleep(0.5)
            tell("media", frames=self.frames, lines=self.lines, loud=self.loud)


async def main():
    jid, password, host, port, room, nick = sys.argv[1:7]
    client = Endpoint(jid, password, room, nick)
    client.dial(host, int(port))
    reporter = asyncio.ensure_future(client.report())
    async for _ in client.said():
        pass
    reporter.cancel()
    if client.pc:
        await client.pc.close()
    await client.leave()


if __name__ == "__main__":
    asyncio.run(main())

import { describe, expect, it } from 'vitest';
import { NS } from './ns';
import { child, el, escapeXml, parseXml, serialize, XmlError } from './xml';

describe('serialize', () => {
  it('writes xmlns where the namespace changes and never a prefix', () => {
    const iq = el(NS.CLIENT, 'iq', { type: 'set', id: 'a', to: undefined }, el(NS.JINGLE, 'jingle', { action: 'x' }, el(NS.RTP, 'description')));
    expect(serialize(iq)).toBe(
      '<iq xmlns="jabber:client" type="set" id="a"><jingle xmlns="urn:xmpp:jingle:1" action="x"><description xmlns="urn:xmpp:jingle:apps:rtp:1"/></jingle></iq>',
    );
  });

  it('escapes markup and drops what XML cannot hold', () => {
    expect(escapeXml(`<b a="1" c='2'>&\u0000\u0008\uD800</b>`)).toBe('&lt;b a=&quot;1&quot; c=&apos;2&apos;&gt;&amp;&lt;/b&gt;');
  });
});

describe('parseXml', () => {
  it('resolves namespaces and prefixes', () => {
    const features = parseXml(
      `<stream:features xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='${NS.SASL}'><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>`,
    );
    expect(features.ns).toBe(NS.STREAM);
    expect(features.name).toBe('features');
    expect(child(child(features, 'mechanisms', NS.SASL), 'mechanism')?.text).toBe('ANONYMOUS');
  });

  it('keeps a stanza over encode and decode', () => {
    const message = el(NS.CLIENT, 'message', { to: 'r@c', type: 'groupchat' }, el(NS.CLIENT, 'body', {}, 'a < b & "c" \u{1F600}'));
    expect(parseXml(serialize(message))).toEqual(message);
  });

  it('refuses nesting without end', () => {
    expect(() => parseXml('<a>'.repeat(60) + '</a>'.repeat(60))).toThrow(XmlError);
  });
});

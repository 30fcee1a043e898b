import { describe, expect, it } from 'vitest';
import { decodeConferenceAnswer, decodeFocusPresence, decodeServices } from './focus';
import { endpointIdFor } from './jid';
import { decodeMessage, decodePresence, encodePresence } from './muc';
import { NS } from './ns';
import { child, childText, parseXml } from './xml';

const ROOM = 'demo@conference.meet.example.com';
const presence = (attrs: string, inner: string): ReturnType<typeof parseXml> =>
  parseXml(`<presence xmlns="jabber:client" from="${ROOM}/1d615206" ${attrs}>${inner}</presence>`);

describe('presence', () => {
  it('shows an occupant', () => {
    const event = decodePresence(
      presence(
        '',
        `<SourceInfo>{"1d615206-a0":{"muted":true},"1d615206-v0":{"muted":false,"videoType":"camera"},"x":3}</SourceInfo><nick xmlns="${NS.NICK}"> Ann </nick><c xmlns="${NS.CAPS}" node="https://jitsi.org/jitsi-meet"/><x xmlns="${NS.MUC_USER}"><status code="110"/><item role="moderator" affiliation="owner" jid="a@b/c"/></x>`,
      ),
      ROOM,
    );
    expect(event).toMatchObject({
      kind: 'here',
      occupant: { nick: '1d615206', jid: 'a@b/c', role: 'moderator', self: true, displayName: 'Ann', meetingClient: true },
    });
    expect(event?.kind === 'here' && [...(event.occupant.sources ?? [])]).toEqual([
      ['1d615206-a0', { muted: true, videoType: 'camera' }],
      ['1d615206-v0', { muted: false, videoType: 'camera' }],
    ]);
  });

  it.each(['[', 'null', '5', '"x"'])('survives SourceInfo %s', (text) => {
    const event = decodePresence(presence('', `<SourceInfo>${text}</SourceInfo>`), ROOM);
    expect(event?.kind === 'here' && event.occupant.sources?.size).toBe(0);
  });

  it('tells a kick from a leave and from the end of the room', () => {
    const gone = (x: string): unknown => decodePresence(presence('type="unavailable"', `<x xmlns="${NS.MUC_USER}">${x}</x>`), ROOM);
    expect(gone('<item role="none"/>')).toMatchObject({ kind: 'gone', departure: { kicked: false, destroyed: false } });
    expect(gone('<item role="none"><actor nick="m"/><reason>bye</reason></item><status code="307"/><status code="110"/>')).toMatchObject({
      departure: { kicked: true, self: true, actor: 'm', reason: 'bye' },
    });
    expect(gone('<item role="none"/><destroy><reason>over</reason></destroy>')).toMatchObject({ departure: { destroyed: true, reason: 'over' } });
  });

  it('reads a refusal', () => {
    const event = decodePresence(
      presence(
        'type="error"',
        `<error type="cancel"><not-allowed xmlns="${NS.STANZAS}"/><text xmlns="${NS.STANZAS}">Room does not match the room from token</text><room-mismatch xmlns="${NS.JITMEET}"/></error>`,
      ),
      ROOM,
    );
    expect(event).toEqual({
      kind: 'error',
      error: { type: 'cancel', condition: 'not-allowed', text: 'Room does not match the room from token', tags: ['room-mismatch'] },
    });
  });

  it('ignores other rooms', () => {
    expect(decodePresence(presence('', ''), 'other@conference.meet.example.com')).toBeUndefined();
  });

  it('is written with what others read', () => {
    const own = { displayName: 'Ann', region: 'eu', sources: { 'a-a0': { muted: true }, 'a-v0': { muted: false, videoType: 'camera' as const } } };
    const join = encodePresence(`${ROOM}/a`, own, true);
    expect(child(join, 'x', NS.MUC)).toBeDefined();
    expect(JSON.parse(childText(join, 'SourceInfo') ?? '')).toEqual(own.sources);
    expect(childText(join, 'audiomuted')).toBe('true');
    expect(childText(join, 'videomuted')).toBe('false');
    expect(childText(join, 'nick', NS.NICK)).toBe('Ann');
    expect(childText(join, 'jitsi_participant_region')).toBe('eu');
    expect(child(encodePresence(`${ROOM}/a`, { ...own, region: '' }, false), 'jitsi_participant_region')).toBeUndefined();
    expect(child(encodePresence(`${ROOM}/a`, own, false), 'x')).toBeUndefined();
  });
});

describe('messages', () => {
  const message = (attrs: string, inner: string): unknown => decodeMessage(parseXml(`<message xmlns="jabber:client" from="${ROOM}/alice" ${attrs}>${inner}</message>`), ROOM);

  it('are chat, subject or error', () => {
    expect(message('type="groupchat" id="1"', '<body>hi</body>')).toMatchObject({ kind: 'chat', message: { id: '1', nick: 'alice', text: 'hi', privately: false } });
    expect(message('type="chat"', '<body>psst</body>')).toMatchObject({ message: { privately: true } });
    expect(message('type="groupchat"', '<subject>Weekly</subject>')).toEqual({ kind: 'subject', subject: 'Weekly' });
    expect(message('type="error" id="2"', `<error type="auth"><forbidden xmlns="${NS.STANZAS}"/></error>`)).toMatchObject({ kind: 'error', id: '2' });
    expect(message('type="groupchat"', '<store xmlns="urn:xmpp:hints"/>')).toBeUndefined();
  });

  it('of the history carry their time and name', () => {
    const event = message(
      'type="groupchat"',
      `<body>old</body><delay xmlns="${NS.DELAY}" stamp="2024-05-01T10:00:00Z"/><display-name xmlns="${NS.DISPLAY_NAME}">Ann</display-name>`,
    );
    expect(event).toMatchObject({ message: { delayedSince: new Date('2024-05-01T10:00:00Z'), nameHint: 'Ann' } });
  });
});

describe('the focus', () => {
  it('answers a conference request', () => {
    const iq = parseXml(`<iq xmlns="jabber:client"><conference xmlns="${NS.FOCUS}" ready="true" focusjid="focus@auth.x"/></iq>`);
    expect(decodeConferenceAnswer(iq, 'f')).toEqual({ ready: true, focusJid: 'focus@auth.x' });
    expect(decodeConferenceAnswer(parseXml('<iq xmlns="jabber:client"/>'), 'f')).toEqual({ ready: false, focusJid: 'f' });
  });

  it('publishes the state of the bridges', () => {
    expect(
      decodeFocusPresence(
        presence('', `<conference-properties xmlns="${NS.FOCUS}"><property key="bridge-count" value="2"/></conference-properties><bridgeNotAvailable xmlns="${NS.FOCUS}"/>`),
      ),
    ).toEqual({ bridgeCount: 2, bridgeNotAvailable: true });
  });
});

it('lists relays as the browser wants them', () => {
  const iq = parseXml(
    `<iq xmlns="jabber:client"><services xmlns="${NS.EXTDISCO}"><service type="stun" host="t" port="3478"/><service type="turns" transport="tcp" host="t" port="5349" username="u" password="p"/><service type="turn" host="::1"/><service type="im" host="x"/></services></iq>`,
  );
  expect(decodeServices(iq)).toEqual([
    { urls: 'stun:t:3478' },
    { urls: 'turns:t:5349?transport=tcp', username: 'u', credential: 'p' },
    { urls: 'turn:[::1]', username: '', credential: '' },
  ]);
});

it('takes the endpoint id from the address when it can', () => {
  expect(endpointIdFor('1d615206-97ae@meet.example.com/r')).toBe('1d615206');
  expect(endpointIdFor('alice@meet.example.com/r')).toMatch(/^[0-9a-f]{8}$/);
});

import type { Participant } from '../conference/participants';
import type { Visit } from './visit';

/** What arrives of one remote video. */
export interface VideoFigures {
  readonly source: string;
  readonly endpoint: string;
  readonly framesDecoded: number;
  readonly framesDropped: number;
  readonly frameWidth: number;
  readonly frameHeight: number;
  readonly framesPerSecond: number;
  readonly packetsLost: number;
  readonly nackCount: number;
  readonly freezeCount: number;
  readonly totalFreezesDuration: number;
  readonly bytesReceived: number;
  readonly codec: string;
}

export interface AudioFigures {
  readonly source: string;
  readonly endpoint: string;
  readonly totalAudioEnergy: number;
  readonly packetsReceived: number;
  readonly concealedSamples: number;
}

/** A read-only window for tests and for people who look for a fault. */
export interface ParleyDebug {
  readonly state: string;
  readonly link: string;
  readonly media: string;
  readonly endpointId: string;
  readonly pc: RTCPeerConnection | undefined;
  readonly channelOpen: boolean;
  readonly dominantSpeaker: string;
  readonly moderator: boolean;
  readonly participants: readonly Pick<Participant, 'id' | 'name' | 'hasMedia' | 'audioMuted' | 'videoMuted' | 'moderator' | 'screenShared'>[];
  readonly times: Readonly<Record<string, number | undefined>>;
  videoStats(): Promise<VideoFigures[]>;
  audioStats(): Promise<AudioFigures[]>;
  /** The pair the media runs over, and the SRTP profile. */
  path(): Promise<Record<string, unknown>>;
  /** What we send: size, rate, and what limits it. */
  sent(): Promise<Record<string, unknown>[]>;
}

type Report = Readonly<Record<string, unknown>>;

function number(report: Report, key: string): number {
  const value = report[key];
  return typeof value === 'number' ? value : 0;
}

function text(report: Report | undefined, key: string): string {
  const value = report?.[key];
  return typeof value === 'string' ? value : '';
}

export function debugView(visit: Visit): ParleyDebug {
  const conference = (): Visit['stay']['value']['conference'] => visit.stay.peek().conference;
  const reports = async (): Promise<Map<string, Report>> => {
    const stats = await conference().call?.peer?.pc.getStats();
    const all = new Map<string, Report>();
    stats?.forEach((value: Report, key: string) => all.set(key, value));
    return all;
  };
  const inbound = async (kind: 'audio' | 'video'): Promise<{ report: Report; source: string; endpoint: string; codec: string }[]> => {
    const all = await reports();
    const peer = conference().call?.peer;
    return [...all.values()].flatMap((report) => {
      const source = report.type === 'inbound-rtp' && report.kind === kind ? peer?.sourceOfMid(text(report, 'mid')) : undefined;
      return source === undefined
        ? []
        : [{ report, source: source.name, endpoint: source.owner, codec: text(all.get(text(report, 'codecId')), 'mimeType') }];
    });
  };
  return {
    get state() {
      return conference().phase.peek().kind;
    },
    get link() {
      return conference().link.peek().kind;
    },
    get media() {
      return conference().media.peek();
    },
    get endpointId() {
      return conference().endpointId.peek();
    },
    get pc() {
      return conference().call?.peer?.pc;
    },
    get channelOpen() {
      return conference().channelOpen.peek();
    },
    get dominantSpeaker() {
      return conference().dominant.peek();
    },
    get moderator() {
      return conference().moderator.peek();
    },
    get participants() {
      return conference()
        .participants.list.peek()
        .map(({ id, name, hasMedia, audioMuted, videoMuted, moderator, screenShared }) => ({ id, name, hasMedia, audioMuted, videoMuted, moderator, screenShared }));
    },
    get times() {
      return { ...conference().times };
    },
    async videoStats() {
      return (await inbound('video')).map(({ report, source, endpoint, codec }) => ({
        source,
        endpoint,
        codec,
        framesDecoded: number(report, 'framesDecoded'),
        framesDropped: number(report, 'framesDropped'),
        frameWidth: number(report, 'frameWidth'),
        frameHeight: number(report, 'frameHeight'),
        framesPerSecond: number(report, 'framesPerSecond'),
        packetsLost: number(report, 'packetsLost'),
        nackCount: number(report, 'nackCount'),
        freezeCount: number(report, 'freezeCount'),
        totalFreezesDuration: number(report, 'totalFreezesDuration'),
        bytesReceived: number(report, 'bytesReceived'),
      }));
    },
    async audioStats() {
      return (await inbound('audio')).map(({ report, source, endpoint }) => ({
        source,
        endpoint,
        totalAudioEnergy: number(report, 'totalAudioEnergy'),
        packetsReceived: number(report, 'packetsReceived'),
        concealedSamples: number(report, 'concealedSamples'),
      }));
    },
    async path() {
      const all = await reports();
      const transport = [...all.values()].find((r) => r.type === 'transport');
      const pair = all.get(text(transport, 'selectedCandidatePairId'));
      return { transport, pair, local: all.get(text(pair, 'localCandidateId')), remote: all.get(text(pair, 'remoteCandidateId')) };
    },
    async sent() {
      return [...(await reports()).values()].filter((r) => r.type === 'outbound-rtp');
    },
  };
}

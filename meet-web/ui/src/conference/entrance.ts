import { machineUid } from '../lib/storage';
import { NoAnswerError, StanzaError } from '../xmpp/errors';
import { conferenceRequest, decodeConferenceAnswer } from '../xmpp/focus';
import { bareJid } from '../xmpp/jid';
import type { Stream } from '../xmpp/stream';
import type { AppConfig } from './config';

const TIMEOUT_MS = 20_000;
const MAX_TRIES = 14;
/** The parts of a server that began anew come back one after the other, within seconds. */
const PAUSE_MS = { first: 400, factor: 1.5, most: 4_000 };

/** Asks the focus for the conference until it is ready; resolves with the focus's bare address. */
export async function askForConference(stream: Stream, config: AppConfig, room: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const last = attempt >= MAX_TRIES;
    try {
      const answer = decodeConferenceAnswer(await stream.iq('set', config.focus, conferenceRequest(room, machineUid()), TIMEOUT_MS), config.focusUser);
      if (answer.ready) {
        return bareJid(answer.focusJid);
      }
    } catch (error) {
      // "wait" says that there is no focus at the moment: as good as "not ready".
      if (last || !(error instanceof StanzaError && error.info.type === 'wait')) {
        throw error;
      }
    }
    if (last) {
      throw new NoAnswerError('the focus is never ready');
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(PAUSE_MS.first * PAUSE_MS.factor ** attempt, PAUSE_MS.most)));
  }
}

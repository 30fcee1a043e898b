import { signal } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import type { RoomMessage } from '../xmpp/muc';

/** A line of the chat as the page shows it. */
export interface ChatLine {
  readonly key: string;
  readonly sender: string;
  readonly own: boolean;
  readonly privately: boolean;
  readonly text: string;
  readonly time: Date;
  /** Waiting for the room, said, or refused with the server's reason. */
  readonly state: 'sending' | 'sent' | 'refused';
  readonly reason: string;
}

/** More lines than this are forgotten from the top. */
const MAX_LINES = 1_000;

/** The chat of one visit to a room. Owned by Conference. */
export class Chat {
  readonly #lines = signal<readonly ChatLine[]>([]);
  readonly lines: ReadonlySignal<readonly ChatLine[]> = this.#lines;
  /** Lines of others that came while nobody looked. */
  readonly unread = signal(0);
  readonly open = signal(false);
  #serial = 0;

  setOpen(open: boolean): void {
    this.open.value = open;
    if (open) {
      this.unread.value = 0;
    }
  }

  /** Our own words, before the room has repeated them. */
  sending(id: string, text: string, sender: string): void {
    this.#push({ key: id, sender, own: true, privately: false, text, time: new Date(), state: 'sending', reason: '' });
  }

  /** A line from the room; true when it is news to the person. */
  received(message: RoomMessage, sender: string, own: boolean): boolean {
    const lines = this.#lines.value;
    const index = message.id === '' ? -1 : lines.findIndex((l) => l.key === message.id && l.own);
    const known = lines[index];
    if (own && known !== undefined) {
      this.#lines.value = lines.with(index, { ...known, state: 'sent' });
      return false;
    }
    // History is sent again after a rejoin; what we have already is not repeated.
    if (message.delayedSince !== undefined && lines.some((l) => l.text === message.text && sameSecond(l.time, message.delayedSince) && l.sender === sender)) {
      return false;
    }
    this.#push({
      key: message.id === '' || lines.some((l) => l.key === message.id) ? `in-${this.#serial++}` : message.id,
      sender,
      own,
      privately: message.privately,
      text: message.text,
      time: message.delayedSince ?? new Date(),
      state: 'sent',
      reason: '',
    });
    const news = !own && message.delayedSince === undefined;
    if (news && !this.open.value) {
      this.unread.value++;
    }
    return news;
  }

  refused(id: string, reason: string): void {
    this.#lines.value = this.#lines.value.map((l) => (l.key === id && l.own ? { ...l, state: 'refused', reason } : l));
  }

  #push(line: ChatLine): void {
    this.#lines.value = [...this.#lines.value, line].slice(-MAX_LINES);
  }
}

function sameSecond(a: Date, b: Date | undefined): boolean {
  return b !== undefined && Math.abs(a.getTime() - b.getTime()) < 2_000;
}

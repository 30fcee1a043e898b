import { effect, signal } from '@preact/signals';
import { Conference } from '../conference/conference';
import type { Notice } from '../conference/conference';
import type { AppConfig } from '../conference/config';
import { LocalMedia } from '../conference/localmedia';
import { readTabState, writeTabState } from '../conference/room';
import type { RoomAddress } from '../conference/room';
import { Speaking } from '../conference/speaking';
import { readToken } from '../conference/token';
import { t } from '../lang';
import { loadSettings, saveSettings } from '../lib/storage';
import { whenWoken } from '../lib/wake';
import type { DeviceProblem } from '../rtc/devices';
import { ToastList } from './toasts';

/** Title and sentence of a device that does not work. */
export function problemText(problem: DeviceProblem): { title: string; text: string; code: string } {
  const text = problem.code === 'D09' ? problem.detail : t.deviceTexts[problem.code];
  return { title: t.deviceTitles[problem.code], text, code: problem.code };
}

/** What is made anew when a person leaves and comes back without reloading. */
export interface Stay {
  readonly conference: Conference;
  readonly local: LocalMedia;
  readonly speaking: Speaking;
}

/** One tab on one room: owns the stay, the notices, and what a reload must find again. */
export class Visit {
  readonly room: RoomAddress;
  readonly token: string;
  readonly toasts = new ToastList();
  readonly shortcuts = signal(loadSettings().shortcuts);
  readonly name: string;
  readonly stay;
  readonly #config: AppConfig;
  #unloading = false;
  #dispose: () => void = () => undefined;

  constructor(config: AppConfig, room: RoomAddress, token: string) {
    this.#config = config;
    this.room = room;
    this.token = token;
    const tab = readTabState(history.state);
    this.name = tab.name || readToken(token).name || loadSettings().displayName;
    this.stay = signal(this.#begin());
    if (tab.rejoin) {
      this.join(this.name, false);
    }
    addEventListener('pagehide', () => {
      this.#unloading = true;
      this.stay.value.conference.leave();
    });
    addEventListener('pageshow', (event) => event.persisted && location.reload());
    addEventListener('online', () => this.stay.value.conference.retryNow());
    whenWoken(() => this.stay.value.conference.woken());
  }

  join(name: string, silent: boolean): void {
    const { conference, local } = this.stay.value;
    saveSettings({ displayName: name });
    if (silent) {
      local.goSilent();
    } else if (local.undecided.value && !readTabState(history.state).rejoin) {
      // The prompt may take its time: the call does not wait for it.
      void local.openWanted();
    }
    conference.join(name);
    this.#remember(true, name);
  }

  rename(name: string): void {
    saveSettings({ displayName: name });
    this.stay.value.conference.setDisplayName(name);
    this.#remember(true, name);
  }

  leave(): void {
    this.toasts.clear();
    this.stay.value.conference.leave();
  }

  /** After leaving or being thrown out: straight back in. */
  rejoin(): void {
    const { displayName } = this.stay.value.conference;
    const name = displayName.value;
    this.#end();
    this.stay.value = this.#begin();
    this.join(name, false);
  }

  /** After a refusal that time may have cured. */
  retry(): void {
    const { conference, local } = this.stay.value;
    conference.tryAgain();
    void local.openGranted();
  }

  setShortcuts(on: boolean): void {
    this.shortcuts.value = on;
    saveSettings({ shortcuts: on });
  }

  #begin(): Stay {
    const local = new LocalMedia(this.#config.resolution);
    const conference = new Conference({
      config: this.#config,
      room: this.room.node,
      token: this.token,
      page: new URL(location.href),
      local,
      displayName: this.name,
      onNotice: (notice) => this.#notice(notice),
    });
    const speaking = new Speaking(conference, local);
    const stops = [
      effect(() => {
        const { kind } = conference.phase.value;
        if (kind === 'left' || kind === 'ended' || kind === 'refused') {
          this.#remember(false, conference.displayName.peek());
        }
        if (kind === 'refused') {
          // Nobody looks any more: the camera's light goes out.
          local.stopAll();
        }
      }),
      ...[local.micProblem, local.cameraProblem].map((problem) =>
        effect(() => {
          const found = problem.value;
          if (found !== undefined && conference.phase.peek().kind === 'joined') {
            const { title, text, code } = problemText(found);
            this.toasts.add(`${title}. ${text}`, { code, urgent: true });
          }
        }),
      ),
    ];
    this.#dispose = () => {
      stops.forEach((stop) => stop());
      speaking.close();
    };
    conference.connect();
    void local.openGranted();
    return { conference, local, speaking };
  }

  #end(): void {
    this.#dispose();
  }

  /** So that a reload comes back into the call, and a leave does not. */
  #remember(rejoin: boolean, name: string): void {
    if (!this.#unloading) {
      writeTabState({ token: this.token, rejoin, name }, location.pathname + location.search + location.hash);
    }
  }

  #notice(notice: Notice): void {
    const named = (name: string): string => (name === '' ? t.someone : name);
    switch (notice.kind) {
      case 'joined':
        this.toasts.add(t.joined(named(notice.name)));
        break;
      case 'left':
        this.toasts.add(t.left(named(notice.name)));
        break;
      case 'moderator':
        this.toasts.add(t.youModerate);
        break;
      case 'muted-by-moderator':
        this.toasts.add(notice.what === 'audio' ? t.mutedByModerator : t.cameraByModerator, { urgent: true });
        break;
      case 'chat':
        this.toasts.add(t.chatPreview(named(notice.name), notice.text.slice(0, 140)));
        break;
      case 'media-refused':
        this.toasts.add(t.mediaRefused, { code: 'C13', urgent: true });
        break;
      case 'focus-gone':
        this.toasts.add(t.focusGone, { code: 'C07' });
        break;
    }
  }
}

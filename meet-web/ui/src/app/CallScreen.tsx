import { useComputed } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Button } from '../components/Button';
import type { Conference } from '../conference/conference';
import type { LocalMedia } from '../conference/localmedia';
import type { Participant } from '../conference/participants';
import type { Speaking } from '../conference/speaking';
import { AudioOut } from '../features/call/AudioOut';
import { Stage } from '../features/call/Stage';
import { ChatPanel } from '../features/chat/ChatPanel';
import { Banner } from '../features/notices/Notices';
import type { BannerInfo } from '../features/notices/Notices';
import { PeoplePanel } from '../features/people/PeoplePanel';
import { SettingsPanel } from '../features/settings/SettingsPanel';
import { Toolbar } from '../features/toolbar/Toolbar';
import type { PanelName } from '../features/toolbar/Toolbar';
import { t } from '../lang';
import { shortcutFor } from '../lib/shortcuts';
import type { ShortcutAction } from '../lib/shortcuts';
import { screenShareAvailable } from '../rtc/devices';
import css from './CallScreen.module.css';

export interface CallScreenProps {
  readonly conference: Conference;
  readonly local: LocalMedia;
  readonly speaking: Speaking;
  readonly room: string;
  readonly shortcuts: boolean;
  readonly onShortcuts: (on: boolean) => void;
  readonly onName: (name: string) => void;
  readonly onShareFailed: (error: unknown) => void;
  /** A panel opened or closed: what was said about it is seen. */
  readonly onPanel: () => void;
  readonly onLeave: () => void;
}

/** The banner of the moment: the worst trouble first, none when all is well. */
export function bannerOf(conference: Conference, local: LocalMedia): BannerInfo | undefined {
  const link = conference.link.value;
  const media = conference.media.value === 'connected' && !conference.alone.value;
  const retry = { label: t.retryNow, run: () => conference.retryNow() };
  if (link.kind === 'resuming') {
    return { code: 'C05', text: t.bannerResuming(link.attempt, link.secondsLeft, media), action: retry };
  }
  if (link.kind === 'rejoining') {
    return { code: 'C05', text: t.bannerRejoining(media), action: retry };
  }
  if (conference.noBridge.value) {
    return { code: 'C08', text: t.bannerNoBridge };
  }
  if (conference.alone.value) {
    return undefined;
  }
  switch (conference.media.value) {
    case 'failed':
      // Without permission for a device Chromium tries UDP only.
      return { code: 'C09', text: local.mic.value === null && local.camera.value === null ? t.bannerMediaFailedUdp : t.bannerMediaFailed, action: retry };
    case 'interrupted':
      return { code: 'C11', text: t.bannerInterrupted };
    default:
      return undefined;
  }
}

function ourselves(conference: Conference, local: LocalMedia): Participant {
  return {
    id: conference.endpointId.value,
    name: conference.displayName.value,
    local: true,
    moderator: conference.moderator.value,
    hasMedia: true,
    audioMuted: local.micMuted,
    videoMuted: local.cameraMuted,
    screenShared: local.screen.value !== null,
    videoPaused: false,
    interrupted: false,
    audio: undefined,
    video: local.camera.value ?? undefined,
    screen: local.screen.value ?? undefined,
  };
}

export function CallScreen(props: CallScreenProps): JSX.Element {
  const { conference, local, speaking } = props;
  const [panel, setPanel] = useState<PanelName | undefined>(undefined);
  const [soundBlocked, setSoundBlocked] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const main = useRef<HTMLElement>(null);
  const chatButton = useRef<HTMLButtonElement>(null);
  const opener = useRef<Element | null>(null);
  const self = useComputed(() => ourselves(conference, local)).value;
  const others = conference.participants.list.value;
  const people = [self, ...others];

  useEffect(() => main.current?.focus(), []);
  const show = (next: PanelName | undefined): void => {
    if (panel === undefined) {
      opener.current = document.activeElement;
    }
    setPanel(next);
    conference.chat.setOpen(next === 'chat');
    props.onPanel();
    if (next === undefined) {
      // Back to where the person was; the shortcut opens panels from anywhere.
      const back = opener.current;
      (back instanceof HTMLElement && back.isConnected && back !== document.body ? back : chatButton.current)?.focus();
    }
  };
  const toggle = (name: PanelName): void => show(panel === name ? undefined : name);
  const share = (): void => void local.toggleScreen().catch(props.onShareFailed);
  const actions: Record<ShortcutAction, () => void> = {
    mic: () => void local.setMic(local.micMuted),
    camera: () => void local.setCamera(local.cameraMuted),
    chat: () => toggle('chat'),
    share,
  };
  const latest = useRef(actions);
  latest.current = actions;
  const escape = useRef<() => void>(() => undefined);
  escape.current = () => {
    if (panel !== undefined) {
      show(undefined);
    }
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') {
        escape.current();
        return;
      }
      const action = shortcutFor(event, props.shortcuts);
      if (action !== undefined) {
        event.preventDefault();
        latest.current[action]();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [props.shortcuts]);

  const devices = local.devices.value;
  return (
    <div class={`${css.screen} ${panel === undefined ? '' : css.withPanel}`} data-testid="call">
      <main ref={main} tabIndex={-1} class={css.main} aria-label={t.call}>
        <h1 class="sr-only">{props.room}</h1>
        <Banner banner={bannerOf(conference, local)} />
        {soundBlocked && (
          <div class={css.sound} role="alert">
            <span>{t.soundBlocked}</span>
            <Button
              kind="primary"
              onClick={() => {
                setSoundBlocked(false);
                setAttempt(attempt + 1);
              }}
            >
              {t.turnOnSound}
            </Button>
          </div>
        )}
        <div class={css.stage}>
          <Stage
            people={people}
            speaking={speaking.ids.value}
            sourceName={(id, what) => conference.participants.sourceName(id, what)}
            onWishes={(wishes) => conference.setWishes(wishes)}
            onFirstFrame={() => (conference.times.firstRemoteFrame ??= performance.now())}
          />
          {others.length === 0 && conference.link.value.kind !== 'rejoining' && (
            <div class={css.alone} role="status" data-testid="alone">
              <strong>{t.aloneTitle}</strong>
              <span>{t.aloneText}</span>
            </div>
          )}
        </div>
        <div class={css.bottom}>
          <div class={css.room} aria-hidden="true">
            {props.room}
          </div>
          <Toolbar
            micOn={!self.audioMuted}
            cameraOn={!self.videoMuted}
            micProblem={local.micProblem.value !== undefined}
            cameraProblem={local.cameraProblem.value !== undefined}
            sharing={self.screenShared}
            canShare={screenShareAvailable()}
            unread={conference.chat.unread.value}
            people={people.length}
            open={panel}
            shortcuts={props.shortcuts}
            chatButton={chatButton}
            onMic={actions.mic}
            onCamera={actions.camera}
            onShare={share}
            onPanel={toggle}
            onLeave={props.onLeave}
          />
        </div>
      </main>
      {panel === 'chat' && <ChatPanel lines={conference.chat.lines.value} onSend={(text) => conference.sendChat(text)} onClose={() => show(undefined)} />}
      {panel === 'people' && <PeoplePanel people={people} onClose={() => show(undefined)} />}
      {panel === 'settings' && (
        <SettingsPanel
          name={conference.displayName.value}
          microphones={devices.audio}
          cameras={devices.video}
          micId={local.micId.value}
          cameraId={local.cameraId.value}
          shortcuts={props.shortcuts}
          onName={props.onName}
          onChooseMic={(id) => void local.selectMic(id)}
          onChooseCamera={(id) => void local.selectCamera(id)}
          onShortcuts={props.onShortcuts}
          onClose={() => show(undefined)}
        />
      )}
      {others.map(
        (p) => p.audio !== undefined && <AudioOut key={p.audio.id} track={p.audio} attempt={attempt} onBlocked={() => setSoundBlocked(true)} />,
      )}
    </div>
  );
}

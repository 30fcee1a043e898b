import { Mic, MicOff, Video, VideoOff } from 'lucide';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Button, IconButton } from '../../components/Button';
import { DeviceProblemNote, DeviceSelect, LevelBar } from '../../components/Devices';
import type { Choice } from '../../components/Devices';
import { t } from '../../lang';
import css from './Prejoin.module.css';

export interface Problem {
  readonly title: string;
  readonly text: string;
  readonly code: string;
}

export interface PrejoinProps {
  readonly room: string;
  readonly name: string;
  readonly micOn: boolean;
  readonly cameraOn: boolean;
  /** The last try to open the device went wrong: it is wanted, and not on. */
  readonly micProblem: boolean;
  readonly cameraProblem: boolean;
  readonly camera: MediaStreamTrack | null;
  readonly hasMic: boolean;
  readonly micLevel: number;
  readonly microphones: readonly Choice[];
  readonly cameras: readonly Choice[];
  readonly micId: string;
  readonly cameraId: string;
  readonly problems: readonly Problem[];
  /** The browser has been asked for no device yet. */
  readonly undecided: boolean;
  readonly opening: boolean;
  readonly busy: 'no' | 'connecting' | 'joining';
  readonly shortcuts: boolean;
  readonly onJoin: (name: string, silent: boolean) => void;
  readonly onMic: (on: boolean) => void;
  readonly onCamera: (on: boolean) => void;
  readonly onChooseMic: (id: string) => void;
  readonly onChooseCamera: (id: string) => void;
  readonly onTryDevices: () => void;
  readonly onShortcuts: (on: boolean) => void;
}

/** Longest name others are asked to read. */
const MAX_NAME = 60;

function Preview(props: PrejoinProps): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  const { camera } = props;
  const micOn = props.micOn && !props.micProblem;
  const cameraOn = props.cameraOn && !props.cameraProblem;
  useEffect(() => {
    if (video.current !== null) {
      video.current.srcObject = camera === null ? null : new MediaStream([camera]);
    }
  }, [camera]);
  return (
    <div class={css.preview}>
      <video
        ref={video}
        class={`${css.video} ${camera === null ? css.hidden : ''}`}
        autoplay
        playsInline
        muted
        aria-label={t.previewLabel}
        data-testid="prejoin-preview"
      />
      {camera === null && (
        <div class={css.empty}>
          {props.opening ? (
            <p>{t.cameraStarting}</p>
          ) : props.undecided ? (
            <>
              <p class={css.explain}>{t.askExplain}</p>
              <Button kind="plain" testId="prejoin-allow" onClick={props.onTryDevices}>
                {t.tryDevices}
              </Button>
            </>
          ) : (
            <p>{t.cameraIsOff}</p>
          )}
        </div>
      )}
      <div class={css.toggles}>
        <IconButton
          icon={micOn ? Mic : MicOff}
          label={micOn ? t.mute : t.unmute}
          tone={micOn ? 'plain' : 'off'}
          pressed={!micOn}
          badge={props.micProblem ? '!' : ''}
          testId="prejoin-mic"
          onClick={() => props.onMic(!micOn)}
        />
        <IconButton
          icon={cameraOn ? Video : VideoOff}
          label={cameraOn ? t.cameraOff : t.cameraOn}
          tone={cameraOn ? 'plain' : 'off'}
          pressed={!cameraOn}
          badge={props.cameraProblem ? '!' : ''}
          testId="prejoin-camera"
          onClick={() => props.onCamera(!cameraOn)}
        />
      </div>
    </div>
  );
}

export function Prejoin(props: PrejoinProps): JSX.Element {
  const [name, setName] = useState(props.name);
  const input = useRef<HTMLInputElement>(null);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    // With a name there is nothing left to type: Enter joins.
    const target = props.name === '' ? input.current : form.current?.querySelector('button');
    target?.focus();
  }, [props.name]);
  const joining = props.busy === 'joining';
  const label = joining ? t.joining : t.join;
  return (
    <div class={css.page}>
      <header class={css.brand}>
        <img src="/favicon.svg" alt="" width={28} height={28} />
        <span>{t.app}</span>
      </header>
      <main class={css.main} data-testid="prejoin">
        <Preview {...props} />
        <div class={css.side}>
          <h1 class={css.title}>{t.prejoinHeading(props.room)}</h1>
          <form
            ref={form}
            class={css.form}
            onSubmit={(event) => {
              event.preventDefault();
              props.onJoin(name.trim(), false);
            }}
          >
            <label class={css.field}>
              <span class={css.label}>{t.yourName}</span>
              <input
                ref={input}
                class={css.input}
                type="text"
                autocomplete="name"
                maxLength={MAX_NAME}
                placeholder={t.namePlaceholder}
                value={name}
                data-testid="prejoin-name"
                onInput={(event) => setName(event.currentTarget.value)}
              />
            </label>
            <Button kind="primary" type="submit" disabled={joining} testId="prejoin-join">
              {label}
            </Button>
            <Button kind="quiet" disabled={joining} testId="prejoin-join-silent" onClick={() => props.onJoin(name.trim(), true)}>
              {t.joinSilent}
            </Button>
          </form>
          {props.problems.map((p) => (
            <DeviceProblemNote key={p.code} {...p} />
          ))}
          <div class={css.devices}>
            <div class={css.mic}>
              <DeviceSelect label={t.microphone} choices={props.microphones} chosen={props.micId} testId="prejoin-mic-select" onChoose={props.onChooseMic} />
              {props.hasMic && <LevelBar level={props.micOn ? props.micLevel : 0} />}
            </div>
            <DeviceSelect label={t.camera} choices={props.cameras} chosen={props.cameraId} testId="prejoin-camera-select" onChoose={props.onChooseCamera} />
          </div>
          <label class={css.check}>
            <input type="checkbox" checked={props.shortcuts} onChange={(event) => props.onShortcuts(event.currentTarget.checked)} />
            <span>{t.shortcutsSwitch}</span>
          </label>
          <p class={css.status} role="status">
            {props.busy === 'connecting' ? t.connecting : ''}
          </p>
        </div>
      </main>
    </div>
  );
}

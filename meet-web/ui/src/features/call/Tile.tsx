import { MessageSquareText, MicOff, Shield, WifiOff } from 'lucide';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Avatar } from '../../components/Avatar';
import { Icon } from '../../components/Icon';
import { t } from '../../lang';
import css from './Tile.module.css';

export interface TileProps {
  readonly id: string;
  /** Already decided: never empty. */
  readonly name: string;
  /** For the initials; `name` when left out. */
  readonly avatarName?: string;
  /** What stands on the tile where it differs from `name`. */
  readonly caption?: string;
  readonly video: MediaStreamTrack | undefined;
  readonly mirrored?: boolean;
  readonly screen?: boolean;
  readonly micMuted?: boolean;
  readonly chatOnly?: boolean;
  readonly moderator?: boolean;
  readonly speaking?: boolean;
  readonly interrupted?: boolean;
  /** The picture stands still for want of bandwidth. */
  readonly paused?: boolean;
  readonly compact?: boolean;
  readonly onFirstFrame?: () => void;
}

/** What a screen reader hears of a tile. */
export function tileLabel(props: TileProps): string {
  const parts = [props.screen === true ? props.name : t.tileOf(props.name)];
  if (props.moderator === true) {
    parts.push(t.moderatorMark);
  }
  if (props.chatOnly === true) {
    parts.push(t.noMediaLong);
  } else if (props.micMuted === true) {
    parts.push(t.micMuted);
  }
  if (props.screen !== true && props.chatOnly !== true && props.video === undefined) {
    parts.push(t.cameraOffMark);
  }
  if (props.paused === true && props.video !== undefined) {
    parts.push(t.videoPaused);
  }
  if (props.interrupted === true) {
    parts.push(t.lostConnection);
  }
  return parts.join(', ');
}

/** Tracks that have shown a frame: a tile that moves in the page need not wait for another. */
const alive = new WeakSet<MediaStreamTrack>();

interface VideoProps {
  readonly track: MediaStreamTrack;
  readonly className: string;
  readonly onFrame: () => void;
}

function VideoView({ track, className, onFrame }: VideoProps): JSX.Element {
  const element = useRef<HTMLVideoElement>(null);
  const callback = useRef(onFrame);
  callback.current = onFrame;
  useEffect(() => {
    const video = element.current;
    if (video === null) {
      return undefined;
    }
    video.srcObject = new MediaStream([track]);
    void video.play().catch(() => undefined);
    if ('requestVideoFrameCallback' in video) {
      const handle = video.requestVideoFrameCallback(() => callback.current());
      return () => video.cancelVideoFrameCallback(handle);
    }
    const old = video as HTMLVideoElement;
    old.onloadeddata = () => callback.current();
    return () => (old.onloadeddata = null);
  }, [track]);
  return <video ref={element} class={className} autoplay playsInline muted disablePictureInPicture tabIndex={-1} aria-hidden="true" />;
}

export function Tile(props: TileProps): JSX.Element {
  const { id, name, video, screen = false, compact = false } = props;
  const paused = props.paused === true && props.interrupted !== true && video !== undefined;
  const [shown, setShown] = useState(() => (video !== undefined && alive.has(video) ? video : undefined));
  // A camera that comes back shows the avatar until its first new frame.
  useEffect(() => {
    if (video === undefined) {
      setShown((before) => {
        if (before !== undefined) {
          alive.delete(before);
        }
        return undefined;
      });
    }
  }, [video]);
  const visible = video !== undefined && shown === video;
  const videoClass = [css.video, props.mirrored === true ? css.mirrored : '', screen ? css.contain : '', visible ? '' : css.hidden].join(' ');
  return (
    <div
      class={`${css.tile} ${props.speaking === true ? css.speaking : ''} ${compact ? css.compact : ''} ${props.interrupted === true ? css.dim : ''} ${paused ? css.paused : ''}`}
      role="group"
      aria-label={tileLabel(props)}
      data-testid="tile"
      data-endpoint={id}
      data-name={name}
      data-kind={screen ? 'screen' : 'person'}
      data-video={visible ? 'on' : 'off'}
      data-speaking={props.speaking === true}
    >
      {!visible && <Avatar id={id} name={props.avatarName ?? name} />}
      {video !== undefined && (
        <VideoView
          key={video.id}
          track={video}
          className={videoClass}
          onFrame={() => {
            alive.add(video);
            setShown(video);
            props.onFirstFrame?.();
          }}
        />
      )}
      <div class={css.label} aria-hidden="true">
        {props.interrupted === true && <Icon icon={WifiOff} size={15} />}
        {props.chatOnly === true ? (
          <Icon icon={MessageSquareText} size={15} />
        ) : (
          props.micMuted === true && (
            <span class={css.muted} data-testid="tile-muted">
              <Icon icon={MicOff} size={15} />
            </span>
          )
        )}
        {props.moderator === true && <Icon icon={Shield} size={14} />}
        <span class={css.name}>{props.caption ?? name}</span>
        {props.chatOnly === true && <span class={css.note}>{t.noMedia}</span>}
        {props.interrupted === true && <span class={css.note}>{t.lostConnection}</span>}
        {paused && visible && <span class={`${css.note} ${css.late}`}>{t.videoPaused}</span>}
      </div>
    </div>
  );
}

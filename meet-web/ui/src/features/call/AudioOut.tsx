import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

export interface AudioOutProps {
  readonly track: MediaStreamTrack;
  /** The browser wants a touch of the page first. */
  readonly onBlocked: () => void;
  /** Changes when the person has touched the page: try again. */
  readonly attempt: number;
}

/** Plays one person's sound. */
export function AudioOut({ track, onBlocked, attempt }: AudioOutProps): JSX.Element {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current;
    if (audio !== null) {
      audio.srcObject = new MediaStream([track]);
    }
  }, [track]);
  useEffect(() => {
    element.current?.play().catch((error: unknown) => {
      if (error instanceof Error && error.name === 'NotAllowedError') {
        onBlocked();
      }
    });
  }, [track, attempt]);
  return <audio ref={element} autoplay data-testid="remote-audio" />;
}

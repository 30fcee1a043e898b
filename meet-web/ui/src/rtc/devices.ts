/** Cameras and microphones: opening them, and saying in our terms what went wrong. */

/** Codes of the device notices. */
export type DeviceCode = 'D01' | 'D02' | 'D03' | 'D04' | 'D05' | 'D06' | 'D07' | 'D08' | 'D09' | 'D10' | 'D13' | 'D14';

export interface DeviceProblem {
  readonly code: DeviceCode;
  readonly kind: 'audio' | 'video';
  /** The browser's own name of the error, for D09. */
  readonly detail: string;
}

export interface DeviceChoice {
  readonly deviceId: string;
  readonly label: string;
}

/** For a device that needs no permission any more; a person at a prompt may take longer. */
const OPEN_TIMEOUT_MS = 20_000;
const PROMPT_TIMEOUT_MS = 180_000;

export function devicesAvailable(): boolean {
  return typeof navigator !== 'undefined' && (navigator.mediaDevices as MediaDevices | undefined) !== undefined;
}

/** Maps the browser's error to ours. */
export function problemOf(error: unknown, kind: 'audio' | 'video'): DeviceProblem {
  const name = error instanceof Error ? error.name : String(error);
  const pair = (audio: DeviceCode, video: DeviceCode): DeviceProblem => ({ code: kind === 'audio' ? audio : video, kind, detail: name });
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return pair('D01', 'D02');
    case 'NotFoundError':
    case 'DevicesNotFoundError':
      return pair('D03', 'D04');
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return pair('D05', 'D06');
    case 'OverconstrainedError':
      return pair('D07', 'D07');
    case 'TimeoutError':
      return pair('D08', 'D08');
    case 'InsecureContext':
      return pair('D10', 'D10');
    default:
      return pair('D09', 'D09');
  }
}

export class DeviceError extends Error {
  override readonly name = 'DeviceError';
  readonly problem: DeviceProblem;
  constructor(problem: DeviceProblem) {
    super(problem.code);
    this.problem = problem;
  }
}

function constraintsFor(kind: 'audio' | 'video', deviceId: string, height: number): MediaStreamConstraints {
  const wanted = deviceId === '' ? {} : { deviceId: { ideal: deviceId } };
  return kind === 'audio'
    ? { audio: { ...wanted, echoCancellation: true, noiseSuppression: true, autoGainControl: true } }
    : { video: { ...wanted, height: { ideal: height }, width: { ideal: Math.round((height * 16) / 9) }, frameRate: { ideal: 30, max: 30 } } };
}

/** Opens a device; rejects with DeviceError. An empty id means the browser's default. */
export async function openDevice(kind: 'audio' | 'video', deviceId = '', height = 720): Promise<MediaStreamTrack> {
  if (!devicesAvailable()) {
    throw new DeviceError({ code: 'D10', kind, detail: 'InsecureContext' });
  }
  const limit = (await permissionGranted(kind)) ? OPEN_TIMEOUT_MS : PROMPT_TIMEOUT_MS;
  const opening = navigator.mediaDevices.getUserMedia(constraintsFor(kind, deviceId, height));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException('no answer', 'TimeoutError')), limit);
  });
  try {
    const stream = await Promise.race([opening, timeout]);
    const track = stream.getTracks().find((t) => t.kind === kind);
    if (track === undefined) {
      throw new DOMException('no track', 'NotFoundError');
    }
    return track;
  } catch (error) {
    // A device that opens after we gave up must not stay lit.
    void opening.then((stream) => stream.getTracks().forEach((t) => t.stop())).catch(() => undefined);
    throw new DeviceError(problemOf(error, kind));
  } finally {
    clearTimeout(timer);
  }
}

/** Shares a screen; undefined when the person closes the picker. */
export async function openScreen(): Promise<MediaStreamTrack | undefined> {
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false });
    const track = stream.getVideoTracks()[0];
    if (track !== undefined) {
      track.contentHint = 'detail';
    }
    return track;
  } catch (error) {
    if (error instanceof Error && error.name === 'NotAllowedError') {
      return undefined;
    }
    throw new DeviceError({ code: 'D14', kind: 'video', detail: error instanceof Error ? error.name : String(error) });
  }
}

export function screenShareAvailable(): boolean {
  return devicesAvailable() && typeof navigator.mediaDevices.getDisplayMedia === 'function';
}

export interface DeviceList {
  readonly audio: readonly DeviceChoice[];
  readonly video: readonly DeviceChoice[];
}

export async function listDevices(): Promise<DeviceList> {
  if (!devicesAvailable()) {
    return { audio: [], video: [] };
  }
  const all = await navigator.mediaDevices.enumerateDevices();
  const of = (kind: MediaDeviceKind): DeviceChoice[] =>
    all.filter((d) => d.kind === kind && d.deviceId !== '').map((d) => ({ deviceId: d.deviceId, label: d.label }));
  return { audio: of('audioinput'), video: of('videoinput') };
}

/** Whether a device opens without asking the person; unknown counts as no. */
export async function permissionGranted(kind: 'audio' | 'video'): Promise<boolean> {
  try {
    const name = (kind === 'audio' ? 'microphone' : 'camera') as PermissionName;
    return (await navigator.permissions.query({ name })).state === 'granted';
  } catch {
    return false;
  }
}

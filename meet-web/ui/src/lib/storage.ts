/** What the browser remembers between visits. Never the token. */
export interface Settings {
  displayName: string;
  /** Chosen devices, by id and, for the day ids change, by label. */
  micId: string;
  micLabel: string;
  cameraId: string;
  cameraLabel: string;
  micOn: boolean;
  cameraOn: boolean;
  /** Single-key shortcuts. */
  shortcuts: boolean;
}

export const DEFAULT_SETTINGS: Settings = {
  displayName: '',
  micId: '',
  micLabel: '',
  cameraId: '',
  cameraLabel: '',
  micOn: true,
  cameraOn: true,
  shortcuts: true,
};

const KEY = 'parley.settings';

/** Reads settings key by key, so that a value of the wrong type costs only itself. */
export function decodeSettings(text: string | null): Settings {
  const settings = { ...DEFAULT_SETTINGS };
  if (text === null) {
    return settings;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return settings;
  }
  if (typeof parsed !== 'object' || parsed === null) {
    return settings;
  }
  const found = parsed as Record<string, unknown>;
  for (const key of Object.keys(settings) as (keyof Settings)[]) {
    if (typeof found[key] === typeof settings[key]) {
      Object.assign(settings, { [key]: found[key] });
    }
  }
  return settings;
}

export function loadSettings(): Settings {
  try {
    return decodeSettings(localStorage.getItem(KEY));
  } catch {
    // Storage may be forbidden altogether.
    return { ...DEFAULT_SETTINGS };
  }
}

export function saveSettings(change: Partial<Settings>): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...loadSettings(), ...change }));
  } catch {
    // Nothing is lost but comfort.
  }
}

const MACHINE_KEY = 'parley.machine';

/** A random id that tells the focus two tabs of one browser apart from two people. */
export function machineUid(): string {
  const fresh = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
  try {
    const known = localStorage.getItem(MACHINE_KEY);
    if (known !== null && /^[0-9a-f]{32}$/.test(known)) {
      return known;
    }
    localStorage.setItem(MACHINE_KEY, fresh);
  } catch {
    // Used for this visit only.
  }
  return fresh;
}

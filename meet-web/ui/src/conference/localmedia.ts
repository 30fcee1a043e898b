import { signal } from '@preact/signals';
import { loadSettings, saveSettings } from '../lib/storage';
import { DeviceError, devicesAvailable, listDevices, openDevice, openScreen, permissionGranted } from '../rtc/devices';
import type { DeviceList, DeviceProblem } from '../rtc/devices';

export type MediaSlot = 'a0' | 'v0' | 'v1';

/**
 * Our own microphone, camera and screen. Muting the microphone keeps it open and
 * silent, so that unmuting is instant; switching the camera off releases it, so
 * that its light goes out.
 */
export class LocalMedia {
  /** What the person wants, whether or not a device follows. */
  readonly micOn = signal(loadSettings().micOn);
  readonly cameraOn = signal(loadSettings().cameraOn);
  readonly mic = signal<MediaStreamTrack | null>(null);
  readonly camera = signal<MediaStreamTrack | null>(null);
  readonly screen = signal<MediaStreamTrack | null>(null);
  readonly micProblem = signal<DeviceProblem | undefined>(undefined);
  readonly cameraProblem = signal<DeviceProblem | undefined>(undefined);
  readonly devices = signal<DeviceList>({ audio: [], video: [] });
  readonly micId = signal(loadSettings().micId);
  readonly cameraId = signal(loadSettings().cameraId);
  /** The browser would ask the person first, and has not yet. */
  readonly undecided = signal(false);
  /** A prompt may be open. */
  readonly opening = signal(false);

  /** Called when a slot has another track, or the same one muted or not. */
  onChange: (slot: MediaSlot) => void = () => undefined;

  readonly #height: number;
  /** Counts the times everything was given back. */
  #epoch = 0;
  #micOpening: Promise<void> | undefined;
  #cameraOpening: Promise<void> | undefined;

  constructor(height: number) {
    this.#height = height;
    if (typeof navigator !== 'undefined' && 'mediaDevices' in navigator) {
      navigator.mediaDevices.addEventListener('devicechange', () => void this.#deviceChange());
    }
  }

  get micMuted(): boolean {
    return this.mic.value === null || !this.micOn.value;
  }

  get cameraMuted(): boolean {
    return this.camera.value === null;
  }

  track(slot: MediaSlot): MediaStreamTrack | null {
    return slot === 'a0' ? this.mic.value : slot === 'v0' ? this.camera.value : this.screen.value;
  }

  /** Opens what is wanted and already allowed; asks the person for nothing. */
  async openGranted(): Promise<void> {
    if (!devicesAvailable()) {
      this.micProblem.value = { code: 'D10', kind: 'audio', detail: '' };
      return;
    }
    const epoch = this.#epoch;
    const [audio, video] = await Promise.all([permissionGranted('audio'), permissionGranted('video')]);
    if (epoch !== this.#epoch) {
      return;
    }
    await Promise.all([audio && this.micOn.value ? this.#openMic() : undefined, video && this.cameraOn.value ? this.#openCamera() : undefined]);
    this.undecided.value = !audio && !video && this.mic.value === null && this.camera.value === null;
    if (this.undecided.value) {
      await this.refreshDevices();
    }
  }

  /** Opens what is wanted; the browser may ask. */
  async openWanted(): Promise<void> {
    const epoch = this.#epoch;
    this.opening.value = true;
    this.undecided.value = false;
    try {
      // One after the other: two prompts at once confuse people and some browsers.
      if (this.micOn.value) {
        await this.#openMic();
      }
      if (this.cameraOn.value && epoch === this.#epoch) {
        await this.#openCamera();
      }
    } finally {
      this.opening.value = false;
    }
  }

  /** For a visit without microphone and camera; the next visit's wish stays as it was. */
  goSilent(): void {
    this.micOn.value = false;
    this.cameraOn.value = false;
    this.undecided.value = false;
    this.stopAll();
  }

  async setMic(on: boolean): Promise<void> {
    this.micOn.value = on;
    saveSettings({ micOn: on });
    const track = this.mic.value;
    if (track !== null) {
      track.enabled = on;
      this.onChange('a0');
    } else if (on) {
      await this.#openMic();
    }
  }

  async setCamera(on: boolean): Promise<void> {
    this.cameraOn.value = on;
    saveSettings({ cameraOn: on });
    if (on) {
      await this.#openCamera();
      return;
    }
    this.#stop('v0');
  }

  async selectMic(deviceId: string): Promise<void> {
    this.micId.value = deviceId;
    saveSettings({ micId: deviceId, micLabel: this.devices.value.audio.find((d) => d.deviceId === deviceId)?.label ?? '' });
    this.mic.value?.stop();
    this.mic.value = null;
    await this.#openMic();
  }

  async selectCamera(deviceId: string): Promise<void> {
    this.cameraId.value = deviceId;
    saveSettings({ cameraId: deviceId, cameraLabel: this.devices.value.video.find((d) => d.deviceId === deviceId)?.label ?? '' });
    if (this.cameraOn.value) {
      this.camera.value?.stop();
      this.camera.value = null;
      await this.#openCamera();
    }
  }

  /** Shares a screen, or stops. Rejects with DeviceError when the browser cannot. */
  async toggleScreen(): Promise<void> {
    if (this.screen.value !== null) {
      this.#stop('v1');
      return;
    }
    const track = await openScreen();
    if (track !== undefined) {
      track.onended = () => this.#stop('v1');
      this.screen.value = track;
      this.onChange('v1');
    }
  }

  async refreshDevices(): Promise<void> {
    this.devices.value = await listDevices().catch(() => ({ audio: [], video: [] }));
  }

  /** Gives every device back, also one that is only just opening. */
  stopAll(): void {
    this.#epoch++;
    for (const slot of ['a0', 'v0', 'v1'] as const) {
      this.#stop(slot);
    }
  }

  #stop(slot: MediaSlot): void {
    const held = slot === 'a0' ? this.mic : slot === 'v0' ? this.camera : this.screen;
    if (held.value !== null) {
      held.value.onended = null;
      held.value.stop();
      held.value = null;
      this.onChange(slot);
    }
  }

  #openMic(): Promise<void> {
    this.#micOpening ??= this.#open('audio').finally(() => (this.#micOpening = undefined));
    return this.#micOpening;
  }

  #openCamera(): Promise<void> {
    this.#cameraOpening ??= this.#open('video').finally(() => (this.#cameraOpening = undefined));
    return this.#cameraOpening;
  }

  async #open(kind: 'audio' | 'video'): Promise<void> {
    const audio = kind === 'audio';
    const held = audio ? this.mic : this.camera;
    const problem = audio ? this.micProblem : this.cameraProblem;
    if (held.value !== null) {
      return;
    }
    this.undecided.value = false;
    const epoch = this.#epoch;
    try {
      const track = await openDevice(kind, this.#chosenId(kind), this.#height);
      // The person may have changed their mind, or left, while the device opened.
      if (epoch !== this.#epoch || (!audio && !this.cameraOn.value)) {
        track.stop();
        return;
      }
      track.enabled = !audio || this.micOn.value;
      track.onended = () => this.#lost(kind);
      problem.value = undefined;
      held.value = track;
      this.onChange(audio ? 'a0' : 'v0');
    } catch (error) {
      problem.value = error instanceof DeviceError ? error.problem : { code: 'D09', kind, detail: String(error) };
    }
    await this.refreshDevices();
  }

  /** Ids may have changed since the last visit; then the label finds the device again. */
  #chosenId(kind: 'audio' | 'video'): string {
    const settings = loadSettings();
    const [id, label] = kind === 'audio' ? [settings.micId, settings.micLabel] : [settings.cameraId, settings.cameraLabel];
    const devices = this.devices.value[kind];
    return devices.find((d) => d.deviceId === id)?.deviceId ?? devices.find((d) => label !== '' && d.label === label)?.deviceId ?? id;
  }

  /** The device was unplugged or taken away. */
  #lost(kind: 'audio' | 'video'): void {
    const audio = kind === 'audio';
    (audio ? this.micProblem : this.cameraProblem).value = { code: audio ? 'D03' : 'D04', kind, detail: 'ended' };
    this.#stop(audio ? 'a0' : 'v0');
  }

  async #deviceChange(): Promise<void> {
    await this.refreshDevices();
    // "Plug one in; we notice by ourselves."
    if (this.mic.value === null && this.micOn.value && this.micProblem.value?.code === 'D03' && this.devices.value.audio.length > 0) {
      await this.#openMic();
    }
    if (this.camera.value === null && this.cameraOn.value && this.cameraProblem.value?.code === 'D04' && this.devices.value.video.length > 0) {
      await this.#openCamera();
    }
  }
}

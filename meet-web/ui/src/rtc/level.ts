/** How loud a local track is, 0 … 1, measured about eight times a second. */
export class LevelMeter {
  #context: AudioContext | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(track: MediaStreamTrack, report: (level: number) => void) {
    try {
      const context = new AudioContext();
      const analyser = context.createAnalyser();
      analyser.fftSize = 512;
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
      const samples = new Float32Array(analyser.fftSize);
      this.#context = context;
      this.#timer = setInterval(() => {
        // Browsers start a context suspended until the person has touched the page.
        if (context.state === 'suspended') {
          void context.resume().catch(() => undefined);
        }
        analyser.getFloatTimeDomainData(samples);
        let sum = 0;
        for (const s of samples) {
          sum += s * s;
        }
        report(loudness(Math.sqrt(sum / samples.length)));
      }, 120);
    } catch {
      report(0);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    void this.#context?.close().catch(() => undefined);
    this.#context = undefined;
  }
}

/** Maps an RMS amplitude to a bar: -60 dB is empty, -12 dB is full. */
export function loudness(rms: number): number {
  if (rms <= 0) {
    return 0;
  }
  return Math.min(1, Math.max(0, (20 * Math.log10(rms) + 60) / 48));
}

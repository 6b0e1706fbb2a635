// The microphone: opened once for all groups, with clear words where the browser does not give it.

import type { Key } from "./i18n";

export type MicTrouble = "micInsecure" | "micDenied" | "micNone" | "micInUse" | "micFailed";

export class MicError extends Error {
  constructor(
    readonly trouble: MicTrouble,
    detail = "",
  ) {
    super(detail || trouble);
  }
}

/** What a person reads of it: what is wrong, and what to do. */
export function micWords(trouble: MicTrouble): [Key, Key] {
  return [trouble, `${trouble}.cure`];
}

/** What getUserMedia failed with, as one of ours. */
export function troubleOf(error: unknown): MicTrouble {
  switch (error instanceof Error || error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "micDenied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "micNone";
    case "NotReadableError":
    case "AbortError":
      return "micInUse";
    default:
      return "micFailed";
  }
}

const DEVICE = "fieldgate.mic";
const PLAIN = "fieldgate.mic.plain";

export class Microphone {
  private stream: Promise<MediaStream> | null = null;
  private open: MediaStream | null = null;
  private context: AudioContext | null = null;
  private analyser: AnalyserNode | null = null;
  private samples: Float32Array<ArrayBuffer> | null = null;
  /** Told when the microphone went away (pulled out), or another one was chosen. */
  onChange: () => void = () => undefined;

  /** Without the browser's echo and noise treatment: for headsets that have their own. */
  get plain(): boolean {
    return localStorage.getItem(PLAIN) === "1";
  }

  get device(): string {
    return localStorage.getItem(DEVICE) ?? "";
  }

  /** A track of one's own, muted, to be stopped by whoever asked. Rejects with MicError. */
  async track(): Promise<MediaStreamTrack> {
    this.stream ??= this.get();
    let stream: MediaStream;
    try {
      stream = await this.stream;
    } catch (error) {
      this.stream = null;
      throw error;
    }
    const own = stream.getAudioTracks()[0]?.clone();
    if (!own) throw new MicError("micNone");
    own.enabled = false;
    return own;
  }

  /** Microphones to choose from; their names are told once one was opened. */
  async devices(): Promise<MediaDeviceInfo[]> {
    if (!navigator.mediaDevices?.enumerateDevices) return [];
    const all = await navigator.mediaDevices.enumerateDevices();
    return all.filter((one) => one.kind === "audioinput" && one.label);
  }

  choose(device: string, plain: boolean): void {
    localStorage.setItem(DEVICE, device);
    localStorage.setItem(PLAIN, plain ? "1" : "");
    if (!this.stream) return;
    this.close();
    this.onChange();
  }

  /** dBFS of what it hears now; −127 while it is shut. */
  level(): number {
    if (!this.analyser || !this.samples) return -127;
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return sum === 0 ? -127 : Math.max(-127, 10 * Math.log10(sum / this.samples.length));
  }

  close(): void {
    for (const track of this.open?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    void this.context?.close().catch(() => undefined);
    this.open = this.stream = this.context = this.analyser = null;
  }

  private async get(): Promise<MediaStream> {
    // Browsers have no mediaDevices at all outside HTTPS and localhost.
    if (!navigator.mediaDevices?.getUserMedia) throw new MicError("micInsecure");
    const treated = !this.plain;
    const audio: MediaTrackConstraints = {
      channelCount: 1,
      echoCancellation: treated,
      noiseSuppression: treated,
      autoGainControl: treated,
    };
    if (this.device) audio.deviceId = { ideal: this.device };
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new MicError(troubleOf(error), error instanceof Error ? error.message : "");
    }
    this.open = stream;
    const track = stream.getAudioTracks()[0];
    if (track) {
      track.onended = () => {
        this.close();
        this.onChange();
      };
    }
    this.listen(stream);
    return stream;
  }

  private listen(stream: MediaStream): void {
    if (!("AudioContext" in window)) return;
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.context.createMediaStreamSource(stream).connect(this.analyser);
  }
}

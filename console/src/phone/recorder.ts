// A voice note: MediaRecorder where there is one, else samples by Web Audio into WAV (iOS 12), else nothing, and the page
// offers the phone's own recorder by a file field.

import { bytes } from "./photo";

export interface Recording {
  stop(): Promise<{ data: ArrayBuffer; type: string }>;
}

interface OldWindow {
  webkitAudioContext?: typeof AudioContext;
}

const WAV_HZ = 16000;

export function canRecord(): boolean {
  const media = navigator.mediaDevices;
  const audio = typeof AudioContext !== "undefined" || !!(window as OldWindow).webkitAudioContext;
  return !!(media && media.getUserMedia) && (typeof MediaRecorder !== "undefined" || audio);
}

export function record(): Promise<Recording> {
  return navigator.mediaDevices.getUserMedia({ audio: true }).then((stream) => (typeof MediaRecorder !== "undefined" ? encoded(stream) : samples(stream)));
}

function let_go(stream: MediaStream): void {
  stream.getTracks().forEach((track) => track.stop());
}

function encoded(stream: MediaStream): Recording {
  const types = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
  const known = types.filter((type) => MediaRecorder.isTypeSupported && MediaRecorder.isTypeSupported(type))[0];
  const options: MediaRecorderOptions = { audioBitsPerSecond: 24000 };
  if (known) options.mimeType = known;
  const recorder = new MediaRecorder(stream, options);
  const parts: Blob[] = [];
  recorder.ondataavailable = (event) => {
    if (event.data && event.data.size) parts.push(event.data);
  };
  recorder.start(1000);
  return {
    stop: () =>
      new Promise((resolve, reject) => {
        recorder.onstop = () => {
          let_go(stream);
          const type = (recorder.mimeType || known || "audio/webm").split(";")[0]!;
          bytes(new Blob(parts, { type })).then((data) => resolve({ data, type }), reject);
        };
        recorder.stop();
      }),
  };
}

function samples(stream: MediaStream): Recording {
  const Context = typeof AudioContext !== "undefined" ? AudioContext : (window as OldWindow).webkitAudioContext!;
  const context = new Context();
  const source = context.createMediaStreamSource(stream);
  const node = context.createScriptProcessor(4096, 1, 1);
  const step = context.sampleRate / WAV_HZ;
  const kept: Int16Array[] = [];
  let place = 0;
  node.onaudioprocess = (event) => {
    const input = event.inputBuffer.getChannelData(0);
    const out: number[] = [];
    for (; place < input.length; place += step) out.push(Math.max(-1, Math.min(1, input[Math.floor(place)]!)) * 32767);
    place -= input.length;
    kept.push(new Int16Array(out));
  };
  source.connect(node);
  node.connect(context.destination); // without a destination some engines never call
  return {
    stop: () => {
      node.disconnect();
      source.disconnect();
      let_go(stream);
      return Promise.resolve(context.close ? context.close() : undefined).then(() => ({ data: wav(kept), type: "audio/wav" }));
    },
  };
}

/** RIFF/WAVE, 16 bit mono. */
export function wav(parts: Int16Array[]): ArrayBuffer {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const made = new DataView(new ArrayBuffer(44 + count * 2));
  const word = (at: number, text: string): void => {
    for (let i = 0; i < text.length; i++) made.setUint8(at + i, text.charCodeAt(i));
  };
  word(0, "RIFF");
  made.setUint32(4, 36 + count * 2, true);
  word(8, "WAVEfmt ");
  made.setUint32(16, 16, true);
  made.setUint16(20, 1, true);
  made.setUint16(22, 1, true);
  made.setUint32(24, WAV_HZ, true);
  made.setUint32(28, WAV_HZ * 2, true);
  made.setUint16(32, 2, true);
  made.setUint16(34, 16, true);
  word(36, "data");
  made.setUint32(40, count * 2, true);
  let at = 44;
  parts.forEach((part) => {
    for (let i = 0; i < part.length; i++, at += 2) made.setInt16(at, part[i]!, true);
  });
  return made.buffer;
}

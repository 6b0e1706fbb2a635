// Live figures of a picture from the browser's own counters (W3C webrtc-stats), as differences over the last second.

export interface Figures {
  codec: string;
  width: number;
  height: number;
  fps: number | null;
  bitrateBps: number | null;
  /** From the gateway's socket to the screen: half the round trip and the time in the jitter buffer. */
  delayMs: number | null;
  /** Share of packets lost between gateway and browser in the last interval. */
  lossRatio: number | null;
  framesDecoded: number;
  framesDropped: number;
  audio: string;
}

export const NO_FIGURES: Figures = {
  codec: "",
  width: 0,
  height: 0,
  fps: null,
  bitrateBps: null,
  delayMs: null,
  lossRatio: null,
  framesDecoded: 0,
  framesDropped: 0,
  audio: "",
};

/** What is kept of one reading to measure the next against. */
export interface Reading {
  at: number;
  bytes: number;
  packets: number;
  lost: number;
  frames: number;
  bufferDelay: number;
  emitted: number;
}

type Row = Record<string, unknown>;
const number = (row: Row | undefined, name: string): number => (typeof row?.[name] === "number" ? (row[name] as number) : 0);

/** One reading of `stats`; `before` is the one of the same connection before, if there was one. */
export function read(stats: Iterable<Row>, before: Reading | null): { figures: Figures; reading: Reading } {
  const rows = [...stats];
  const inbound = (kind: string) => rows.find((row) => row["type"] === "inbound-rtp" && row["kind"] === kind);
  const video = inbound("video");
  const audio = inbound("audio");
  const codecOf = (row: Row | undefined): string => {
    const codec = rows.find((one) => one["type"] === "codec" && one["id"] === row?.["codecId"]);
    return String(codec?.["mimeType"] ?? "").split("/")[1] ?? "";
  };
  const pair = rows.find(
    (row) => row["type"] === "candidate-pair" && (row["nominated"] === true || row["selected"] === true),
  );
  const reading: Reading = {
    at: number(video, "timestamp"),
    bytes: number(video, "bytesReceived"),
    packets: number(video, "packetsReceived"),
    lost: number(video, "packetsLost"),
    frames: number(video, "framesDecoded"),
    bufferDelay: number(video, "jitterBufferDelay"),
    emitted: number(video, "jitterBufferEmittedCount"),
  };
  const seconds = before ? (reading.at - before.at) / 1000 : 0;
  const measured = before !== null && seconds > 0.05;
  const emitted = before ? reading.emitted - before.emitted : reading.emitted;
  const buffered = before ? reading.bufferDelay - before.bufferDelay : reading.bufferDelay;
  const lost = before ? reading.lost - before.lost : 0;
  const received = before ? reading.packets - before.packets : 0;
  const roundTrip = number(pair, "currentRoundTripTime");
  return {
    reading,
    figures: {
      codec: codecOf(video),
      width: number(video, "frameWidth"),
      height: number(video, "frameHeight"),
      fps: measured ? (reading.frames - before.frames) / seconds : null,
      bitrateBps: measured ? ((reading.bytes - before.bytes) * 8) / seconds : null,
      delayMs: emitted > 0 ? (buffered / emitted) * 1000 + roundTrip * 500 : null,
      lossRatio: lost + received > 0 ? Math.max(0, lost) / (Math.max(0, lost) + received) : null,
      framesDecoded: reading.frames,
      framesDropped: number(video, "framesDropped"),
      audio: number(audio, "packetsReceived") > 0 ? codecOf(audio) : "",
    },
  };
}

// What is said of a source: how it comes in, what is made of it, who sends and who watches.

import { span, t, word } from "./i18n";
import type { Source, StreamStatus, Viewing } from "./types";
import { type Tone, streamWord } from "./words";

const MOST_READERS = 3;

/** One picture that comes in. */
export interface Incoming {
  stream: string;
  title: string;
  tone: Tone;
  state: string;
  code: string;
  detail: string;
  facts: string[];
  media: string;
  converted: { text: string; why: string[] }[];
  age: string;
  readers: string;
  /** The source that may be removed by a person, "" when it may not. */
  removable: string;
}

/** Pictures of sources and publishers, those that are in trouble first; devices that register by themselves are no source. */
export function incoming(streams: Iterable<StreamStatus>, sources: readonly Source[], viewings: readonly Viewing[]): Incoming[] {
  const owner = new Map<string, Source>();
  for (const source of sources) for (const channel of source.channels) owner.set(channel.stream, source);
  const rank: Record<Tone, number> = { bad: 0, wait: 1, live: 2, idle: 3 };
  return [...streams]
    .filter((status) => status.state !== "removed" && (status.source || owner.has(status.id)))
    .map((status) => line(status, owner.get(status.id), viewings))
    .sort((a, b) => rank[a.tone] - rank[b.tone] || a.stream.localeCompare(b.stream));
}

function line(status: StreamStatus, source: Source | undefined, viewings: readonly Viewing[]): Incoming {
  const { tone, text } = streamWord(status);
  const channel = source?.channels.find((one) => one.stream === status.id);
  // Nobody has looked yet, and nobody could: the list knows it, the stream does not.
  const code = status.code === "idle" || status.code === "" ? (channel?.code === "adapter-off" ? channel.code : status.code) : status.code;
  const stands = code === "adapter-off" ? "bad" : tone;
  return {
    stream: status.id,
    title: status.title || status.id,
    tone: stands,
    state: status.retry_in_s ? `${text}, ${t("retryIn", span(status.retry_in_s))}` : text,
    code: stands === "live" || code === "idle" ? "" : code,
    detail: stands === "bad" || stands === "wait" ? status.detail : "",
    facts: facts(status, source),
    media: mediaWords(status),
    converted: (status.renditions ?? []).map((one) => ({
      text: [[one.video, one.audio].filter(Boolean).join(", ") || one.name, one.encoder, one.viewers ? t("viewers", one.viewers) : ""].filter(Boolean).join(" · "),
      why: one.code ? [...one.why, one.code] : one.why,
    })),
    age: ageWords(status),
    readers: readers(status, viewings),
    removable: source?.origin === "person" ? source.name : "",
  };
}

function facts(status: StreamStatus, source: Source | undefined): string[] {
  const from = status.source;
  const way = from?.who ? t("publishedBy", from.who) : from ? t("pulled") : "";
  const origin = source ? (source.origin === "config" ? t("fromConfig") : t("addedBy", source.added_by)) : "";
  return [from?.protocol.toUpperCase() ?? "", from?.address ?? "", from?.software ?? "", way, origin].filter(Boolean);
}

/** "H264 1280×720 + AAC · 25 fps · 4.0 Mb/s": what it sends now. */
export function mediaWords(status: StreamStatus): string {
  const tracks = status.tracks.map((track) => `${track.codec.toUpperCase()}${track.width ? ` ${track.width}×${track.height}` : ""}`).join(" + ");
  const { fps, bitrate_bps: rate } = status.figures;
  const live = status.state === "live";
  return [tracks, live && fps ? t("fpsOf", fps.toFixed(0)) : "", live && rate ? `${(rate / 1e6).toFixed(1)} Mb/s` : ""].filter(Boolean).join(" · ");
}

/** How old the last picture is where none comes just now. */
export function ageWords(status: StreamStatus): string {
  const age = status.figures.frame_age_s;
  const gone = status.state === "offline" || status.state === "waiting" || status.state === "stalled" || status.state === "opening";
  return gone && age !== null && age !== undefined && age >= 1 ? t("lastPicture", span(age)) : "";
}

function readers(status: StreamStatus, viewings: readonly Viewing[]): string {
  const names = [...new Set(viewings.filter((one) => one.stream === status.id).map((one) => one.name))];
  if (names.length === 0) return status.viewers ? t("viewers", status.viewers) : t("nobodyReads");
  const shown = names.slice(0, MOST_READERS).join(", ");
  const more = names.length - MOST_READERS;
  return t("readers", more > 0 ? t("readersMore", shown, more) : shown);
}

export function pushTone(state: string): Tone {
  return state === "running" ? "live" : "bad";
}

export function pushWord(state: string): string {
  return state === "running" ? t("running") : word(state);
}

// What stands on a tile: one state in words, why, what to do, and how old the last picture is.

import { say, span, t, word } from "./i18n";
import type { Figures } from "./figures";
import { detail } from "./phrases";
import type { StreamStatus } from "./types";
import type { PlayerState } from "./whep";

export type Tone = "live" | "wait" | "bad" | "idle";

export interface TileWords {
  tone: Tone;
  state: string;
  cause: string;
  cure: string;
  age: string;
}

/** Seconds since the last picture was made: a page that came later was sent one that is older than its arrival. */
function pictureAge(player: PlayerState, status: StreamStatus | null, now: number): number | null {
  const shown = player.lastFrameAt === null ? null : (now - player.lastFrameAt) / 1000;
  const gone = status !== null && ["offline", "waiting", "stalled"].includes(status.state);
  const told = gone ? status.figures.frame_age_s : null;
  return shown === null ? null : Math.max(shown, told ?? 0);
}

/** `now` is performance.now(); the stream's status adds what the session did not know. */
export function tileWords(player: PlayerState, status: StreamStatus | null, now: number): TileWords {
  const age = pictureAge(player, status, now);
  const words: TileWords = { tone: "wait", state: "", cause: "", cure: "", age: "" };
  if (player.phase === "live") return { ...words, tone: "live", state: t("live") };
  if (age !== null) words.age = t("lastPicture", span(age));
  const waitingOnly = player.code === "" || player.code === "waiting-key-frame" || player.code === "opening";
  if (!waitingOnly) {
    words.cause = say(player.cause);
    words.cure = say(player.cure);
  }
  if (status?.retry_in_s) words.cure = `${words.cure} ${t("retryAside", span(status.retry_in_s))}`.trim();
  if (status?.state === "offline" || player.code === "device-offline") return { ...words, tone: "bad", state: t("offline") };
  if (player.phase === "stalled") return { ...words, tone: "bad", state: t("stalled", span(age ?? 0)) };
  if (player.phase === "reconnecting") return { ...words, tone: "bad", state: t("reconnecting") };
  if (player.phase === "closed") return { ...words, tone: "idle", state: t("idle") };
  if (player.code === "waiting-key-frame") return { ...words, state: t("keyFrame") };
  if (status?.state === "waiting") return { ...words, tone: "bad", state: t("waiting") };
  // A path, frames of another kind or none yet: whether packets arrive only the gateway knows.
  if (player.phase === "key-frame" && status?.state === "live") return { ...words, state: t("keyFrame") };
  return { ...words, state: t("opening") };
}

/** Why less of a picture comes than there is, where a kit sends less since its links are weak. */
export function lessWords(status: StreamStatus | null, cause: (code: string) => string = () => ""): string {
  const sent = status !== null && ["live", "stalled"].includes(status.state) && status.code.startsWith("link-");
  return sent ? cause(status.code) : "";
}

/** A picture or a sound of the source is in a codec that is not carried: what comes, by name, and what to do. */
export function sourceWords(status: StreamStatus | null, cause: (code: string) => string, cure: (code: string) => string): { cause: string; cure: string } {
  const told = status !== null && ["source-codec", "source-sound", "track-left-out", "av1"].includes(status.code);
  if (!told) return { cause: "", cure: "" };
  return { cause: [cause(status.code), status.detail && `(${detail(status.detail)})`].filter(Boolean).join(" "), cure: cure(status.code) };
}

/** The short words of a stream in the tree. */
export function streamWord(status: StreamStatus | undefined): { tone: Tone; text: string } {
  switch (status?.state) {
    case "live":
      return { tone: "live", text: t("live") };
    case "offline":
      return { tone: "bad", text: t("offline") };
    case "stalled":
      return { tone: "bad", text: t("stalledWord") };
    case "waiting":
    case "opening":
      return { tone: "wait", text: word(status.state) };
    default:
      return { tone: "idle", text: t("idle") };
  }
}

export function percent(ratio: number | null): string {
  if (ratio === null) return "–";
  return `${(ratio * 100).toFixed(ratio > 0 && ratio < 0.1 ? 1 : 0)} %`;
}

/** Codec, size, fps, rate, delay, loss: label and value, in the order they are read. */
export function figureRows(figures: Figures, status: StreamStatus | null, frameAgeS: number | null): [string, string][] {
  const video = status?.tracks.find((track) => track.kind === "video");
  const audio = figures.audio || status?.tracks.find((track) => track.kind === "audio")?.codec || "";
  const codec = (figures.codec || video?.codec || "").toUpperCase();
  const width = figures.width || video?.width || 0;
  const height = figures.height || video?.height || 0;
  const shown = (value: number | null, text: (value: number) => string) => (value === null ? "–" : text(value));
  // Another codec than the source sends: it is converted for this viewer.
  const other = video !== undefined && figures.codec !== "" && figures.codec.toLowerCase() !== video.codec;
  const made = other ? (status?.renditions ?? []).find((one) => one.video.includes("→"))?.video : undefined;
  return [
    ...(made === undefined ? [] : [[t("madeOf"), made] as [string, string]]),
    [t("codec"), [codec, audio.toUpperCase()].filter(Boolean).join(" + ") || "–"],
    [t("size"), width ? `${width}×${height}` : "–"],
    [t("fps"), shown(figures.fps, (fps) => fps.toFixed(0))],
    [t("rate"), shown(figures.bitrateBps, (bps) => `${(bps / 1e6).toFixed(1)} Mb/s`)],
    [t("delay"), shown(figures.delayMs, (ms) => `${ms.toFixed(0)} ms`)],
    [t("loss"), `${percent(status?.figures.loss_ratio ?? null)} → ${percent(figures.lossRatio)}`],
    [t("frameAge"), shown(frameAgeS, (s) => (s < 1 ? `${(s * 1000).toFixed(0)} ms` : span(s)))],
  ];
}

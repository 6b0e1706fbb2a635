import { beforeEach, describe, expect, test } from "vitest";
import { NO_FIGURES, read } from "../src/figures";
import { choose, kindWord, setLanguage, span, word } from "../src/i18n";
import { coordinate } from "../src/panels";
import { search } from "../src/tree";
import type { Device, StreamStatus } from "../src/types";
import type { PlayerState } from "../src/whep";
import { figureRows, lessWords, percent, sourceWords, streamWord, tileWords } from "../src/words";

const player = (change: Partial<PlayerState>): PlayerState => ({
  phase: "opening",
  code: "",
  cause: null,
  cure: null,
  lastFrameAt: null,
  firstFrameMs: null,
  attempts: 1,
  ...change,
});
const status = (change: Partial<StreamStatus>): StreamStatus => ({
  id: "kit1/ball-1/ch1",
  device: "kit1/ball-1",
  title: "",
  state: "live",
  code: "",
  detail: "",
  since: 0,
  retry_in_s: null,
  viewers: 1,
  tracks: [],
  figures: { fps: null, bitrate_bps: null, loss_ratio: null, jitter_ms: null, frame_age_s: null },
  ...change,
});

beforeEach(() => setLanguage("en"));

describe("a black tile always says why", () => {
  const off = { code: "device-offline", cause: { en: "Not registered.", zh: "未注册。" }, cure: { en: "Check power.", zh: "查供电。" } };

  test.each([
    ["live", player({ phase: "live", lastFrameAt: 0 }), status({}), "live", "live"],
    ["opening", player({}), status({ state: "opening" }), "wait", "opening"],
    ["path, no key frame", player({ phase: "key-frame" }), status({}), "wait", "waiting for a key frame"],
    ["path, no media yet", player({ phase: "key-frame" }), status({ state: "opening" }), "wait", "opening"],
    ["session says key frame", player({ phase: "key-frame", code: "waiting-key-frame" }), null, "wait", "waiting for a key frame"],
    ["stalled", player({ phase: "stalled", lastFrameAt: 0 }), status({ state: "stalled" }), "bad", "stalled 12 s"],
    ["device gone", player({ phase: "stalled", lastFrameAt: 0, ...off }), status({ state: "offline" }), "bad", "offline"],
    ["gateway gone", player({ phase: "reconnecting", lastFrameAt: 0 }), null, "bad", "reconnecting"],
    ["attempt failed", player({ phase: "key-frame", code: "no-media" }), status({ state: "waiting" }), "bad", "waiting"],
  ])("%s", (_, state, stream, tone, text) => {
    const words = tileWords(state, stream, 12000);
    expect([words.tone, words.state]).toEqual([tone, text]);
  });

  test("cause, cure, the age of the last picture and the next attempt", () => {
    const state = player({ phase: "stalled", lastFrameAt: 0, ...off });
    const words = tileWords(state, status({ state: "offline", retry_in_s: 4 }), 12000);
    expect(words).toMatchObject({ cause: "Not registered.", cure: "Check power. (Next attempt in 4 s.)", age: "last picture 12 s ago" });
    setLanguage("zh");
    expect(tileWords(state, status({ state: "offline" }), 180000)).toMatchObject({ state: "离线", cause: "未注册。", age: "最后画面：3 分钟前" });
  });

  test("while it plays nothing covers the picture", () => {
    expect(tileWords(player({ phase: "live", lastFrameAt: 0, ...off }), status({}), 9e9)).toMatchObject({ cause: "", cure: "", age: "" });
  });
});

test("a picture that is sent with less says why, while it comes", () => {
  const words = (code: string): string => `${code} in words`;
  expect(lessWords(status({ code: "link-pictures" }), words)).toBe("link-pictures in words");
  expect(lessWords(status({ state: "stalled", code: "link-stills" }), words)).toBe("link-stills in words");
  expect(lessWords(status({ state: "offline", code: "link-down" }), words)).toBe("");
  expect(lessWords(status({}), words)).toBe("");
  expect(lessWords(null, words)).toBe("");
});

test("a codec that is not carried is told by name, with what to do", () => {
  const words = (code: string): string => `${code} in words`;
  const cure = (code: string): string => `${code} mended`;
  const told = sourceWords(status({ state: "waiting", code: "source-codec", detail: "MPEG-2 video" }), words, cure);
  expect(told).toEqual({ cause: "source-codec in words (MPEG-2 video)", cure: "source-codec mended" });
  expect(sourceWords(status({ code: "source-sound", detail: "" }), words, cure).cause).toBe("source-sound in words");
  expect(sourceWords(status({ code: "link-pictures" }), words, cure)).toEqual({ cause: "", cure: "" });
  expect(sourceWords(null, words, cure)).toEqual({ cause: "", cure: "" });
});

test("streams in the tree", () => {
  expect(streamWord(undefined).text).toBe("idle");
  expect(streamWord(status({ state: "offline" }))).toEqual({ tone: "bad", text: "offline" });
  expect(streamWord(status({ state: "opening" }))).toEqual({ tone: "wait", text: "opening" });
});

describe("figures", () => {
  const rows = (at: number, change: object = {}) => [
    { type: "inbound-rtp", kind: "video", codecId: "c", timestamp: at, bytesReceived: at * 500, packetsReceived: at, packetsLost: 0, framesDecoded: at / 40, frameWidth: 1280, frameHeight: 720, jitterBufferDelay: (at / 40) * 0.05, jitterBufferEmittedCount: at / 40, ...change },
    { type: "codec", id: "c", mimeType: "video/H264" },
    { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.02 },
  ];

  test("are differences between two readings", () => {
    const first = read(rows(1000), null);
    expect(first.figures).toMatchObject({ codec: "H264", width: 1280, fps: null, bitrateBps: null, framesDecoded: 25 });
    const second = read(rows(2000, { packetsLost: 10 }), first.reading).figures;
    expect(second.fps).toBeCloseTo(25);
    expect(second.bitrateBps).toBeCloseTo(4e6);
    expect(second.delayMs).toBeCloseTo(50 + 10);
    expect(second.lossRatio).toBeCloseTo(10 / 1010);
  });

  test("without anything they are unknown, not zero", () => {
    expect(read([], null).figures).toEqual(NO_FIGURES);
    expect(read(rows(1000), read(rows(1000), null).reading).figures.fps).toBeNull();
  });

  test("a late packet that makes the loss go back is no negative loss", () => {
    const first = read(rows(1000, { packetsLost: 5 }), null);
    expect(read(rows(2000, { packetsLost: 3 }), first.reading).figures.lossRatio).toBe(0);
  });

  test("rows fall back to what the gateway knows", () => {
    const stream = status({ tracks: [{ kind: "video", codec: "h265", width: 1920, height: 1080, profile: "", b_frames: false }] });
    const shown = Object.fromEntries(figureRows(NO_FIGURES, stream, 0.04));
    expect(shown).toMatchObject({ codec: "H265", size: "1920×1080", fps: "–", "last frame": "40 ms", loss: "– → –" });
  });

  test("what is converted for this viewer is told", () => {
    const tracks: StreamStatus["tracks"] = [{ kind: "video", codec: "h265", width: 1920, height: 1080, profile: "", b_frames: false }];
    const made = { name: "h264", video: "h265 1920x1080 → h264 1920x1080", audio: "", why: ["convert-codec"], state: "running", code: "", detail: "", encoder: "", viewers: 1 };
    const stream = status({ tracks, renditions: [made] });
    expect(Object.fromEntries(figureRows({ ...NO_FIGURES, codec: "H264" }, stream, 0.04))).toMatchObject({ converted: made.video });
    expect(Object.fromEntries(figureRows({ ...NO_FIGURES, codec: "H265" }, stream, 0.04))).not.toHaveProperty("converted");
    expect(Object.fromEntries(figureRows(NO_FIGURES, stream, 0.04))).not.toHaveProperty("converted");
  });

  test("small losses keep a digit", () => {
    expect([percent(null), percent(0), percent(0.002), percent(0.34)]).toEqual(["–", "0 %", "0.2 %", "34 %"]);
  });
});

test("search finds names, numbers and channels, online first", () => {
  const device = (id: string, name: string, state: Device["state"], channel: string): Device =>
    ({ id, name, state, external_id: `3402${id}`, alias: "", channels: [{ name: channel, external_id: "c", stream: `${id}/ch1` }] }) as unknown as Device;
  const all = [device("kit1/a", "东门", "offline", "前"), device("kit1/b", "Gate", "online", "后"), device("kit1/c", "Yard", "online", "东侧")];
  expect(search(all, "").map((one) => one.id)).toEqual(["kit1/b", "kit1/c", "kit1/a"]);
  expect(search(all, "东").map((one) => one.id)).toEqual(["kit1/c", "kit1/a"]);
  expect(search(all, "KIT1/B").map((one) => one.id)).toEqual(["kit1/b"]);
  expect(search(all, "nothing")).toEqual([]);
});

test("language: the person's choice, else the browser's", () => {
  expect(choose("en", ["zh-CN"])).toBe("en");
  expect(choose(null, ["zh-TW", "en"])).toBe("zh");
  expect(choose("xx", ["de"])).toBe("en");
  expect(word("from-the-future")).toBe("from-the-future");
  expect(kindWord("from-the-future")).toBe("from-the-future");
  // The same word is another thing where a position was typed in by hand.
  expect([word("manual"), kindWord("manual")]).toEqual(["by hand", "raised by hand"]);
  expect([span(5), span(400), span(90000 * 3)]).toEqual(["5 s", "7 min", "3 d"]);
  expect(coordinate(-31.230416, "N", "S")).toBe("31.230416° S");
});

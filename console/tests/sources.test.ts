import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ApiError } from "../src/api";
import { setLanguage } from "../src/i18n";
import { Reasons } from "../src/panels";
import { SourcesPanel } from "../src/sourcespanel";
import { ageWords, incoming, mediaWords } from "../src/sourcewords";
import { Store } from "../src/store";
import type { Push, Source, StreamStatus } from "../src/types";
import { tileWords } from "../src/words";
import type { PlayerState } from "../src/whep";
import { fakeApi, install, json, problem } from "./fakes";

const figures = { fps: null, bitrate_bps: null, loss_ratio: null, jitter_ms: null, frame_age_s: null };
const stream = (id: string, change: Partial<StreamStatus> = {}): StreamStatus => ({ id, device: id.replace(/\/[^/]*$/, ""), title: "", state: "idle", code: "idle", detail: "", since: 0, retry_in_s: null, viewers: 0, tracks: [], figures, source: { protocol: "rtsp", address: "rtsp://192.0.2.1/1", software: "", who: "", since: 0 }, ...change });
const source = (name: string, change: Partial<Source> = {}): Source => ({ name, title: name, origin: "person", added_by: "wang", code: "", detail: "", channels: [{ channel: "main", stream: `kit1/${name}/main`, url: "rtsp://192.0.2.1/1", scheme: "rtsp", state: "idle", code: "idle" }], ...change });
const push = (change: Partial<Push> = {}): Push => ({ name: "center", title: "Center", stream: "kit1/gate/main", url: "rtmp://center.example/live/…", state: "running", code: "", detail: "", retry_in_s: null, failures: 0, ...change });
const video = { kind: "video" as const, codec: "h265", width: 1920, height: 1080, profile: "", b_frames: false };
const audio = { kind: "audio" as const, codec: "aac", width: 0, height: 0, profile: "", b_frames: false };

beforeEach(() => setLanguage("en"));

describe("what comes in", () => {
  test("is said by protocol, address, software, sender, codec and rate", () => {
    const live = stream("kit1/drone-1/main", {
      state: "live",
      code: "",
      viewers: 4,
      tracks: [video, audio],
      figures: { ...figures, fps: 25.2, bitrate_bps: 4.04e6 },
      source: { protocol: "rtmp", address: "192.0.2.7:40000", software: "DJI RC Pro", who: "drone", since: 1 },
      renditions: [{ name: "h264 + opus", video: "h265 → h264", audio: "aac → opus", why: ["convert-codec"], state: "running", code: "", detail: "", encoder: "libx264", viewers: 2 }],
    });
    const names = ["a", "b", "c", "d", "a"].map((name) => ({ stream: live.id, name, kind: "whep" }));
    const [one] = incoming([live], [], names);
    expect(one).toMatchObject({ tone: "live", state: "live", code: "", age: "", removable: "", media: "H265 1920×1080 + AAC · 25 fps · 4.0 Mb/s", readers: "watched by a, b, c and 1 more" });
    expect(one?.facts).toEqual(["RTMP", "192.0.2.7:40000", "DJI RC Pro", "sent by drone"]);
    expect(one?.converted).toEqual([{ text: "h265 → h264, aac → opus · libx264 · 2 watching", why: ["convert-codec"] }]);
  });

  test("those in trouble stand first, with reason, next attempt and the age of the last picture", () => {
    const gone = stream("kit1/drone-1/main", { state: "offline", code: "publisher-gone", tracks: [video], figures: { ...figures, fps: 25, frame_age_s: 75 } });
    const dead = stream("kit1/gate/main", { state: "waiting", code: "connect-refused", detail: "192.0.2.1 port 554", retry_in_s: 7 });
    const calm = stream("kit1/yard/main");
    const shown = incoming([calm, dead, gone], [source("gate"), source("yard", { origin: "config" })], []);
    expect(shown.map((one) => one.stream)).toEqual(["kit1/drone-1/main", "kit1/gate/main", "kit1/yard/main"]);
    expect(shown[0]).toMatchObject({ code: "publisher-gone", age: "last picture 75 s ago", media: "H265 1920×1080" });
    expect(shown[1]).toMatchObject({ state: "waiting, next attempt in 7 s", detail: "192.0.2.1 port 554", removable: "gate" });
    expect(shown[2]).toMatchObject({ code: "", removable: "", readers: "nobody watches" });
    expect(shown[2]?.facts).toContain("from the configuration");
  });

  test("a source that nobody could open says so before anybody looks", () => {
    const off = source("gate", { channels: [{ channel: "main", stream: "kit1/gate/main", url: "gopher://h", scheme: "gopher", state: "idle", code: "adapter-off" }] });
    expect(incoming([stream("kit1/gate/main")], [off], [])[0]).toMatchObject({ tone: "bad", code: "adapter-off" });
  });

  test("devices that register by themselves are no source, nor is what was removed", () => {
    expect(incoming([stream("kit1/ball-1/ch1", { source: null }), stream("kit1/x/main", { state: "removed" })], [], [])).toEqual([]);
  });

  test("figures are told while they are true", () => {
    setLanguage("zh");
    expect(mediaWords(stream("a", { state: "live", tracks: [video], figures: { ...figures, fps: 25, bitrate_bps: 1e6 } }))).toContain("25 帧/秒");
    setLanguage("en");
    expect(mediaWords(stream("a", { state: "waiting", tracks: [video], figures: { ...figures, fps: 25, bitrate_bps: 1e6 } }))).toBe("H265 1920×1080");
    expect(ageWords(stream("a", { state: "live", figures: { ...figures, frame_age_s: 9 } }))).toBe("");
    setLanguage("zh");
    expect(ageWords(stream("a", { state: "stalled", figures: { ...figures, frame_age_s: 200 } }))).toBe("最后画面：3 分钟前");
  });
});

test("a page that came late says how old the picture is that it was sent", () => {
  const player = { phase: "stalled", code: "publisher-gone", cause: null, cure: null, lastFrameAt: 1000, firstFrameMs: 1, attempts: 1 } as unknown as PlayerState;
  const gone = stream("a", { state: "offline", figures: { ...figures, frame_age_s: 240 } });
  expect(tileWords(player, gone, 6000).age).toBe("last picture 4 min ago");
  expect(tileWords(player, stream("a", { state: "live", figures: { ...figures, frame_age_s: 240 } }), 6000).age).toBe("last picture 5 s ago");
});

describe("the panel", () => {
  let asked: { method: string; path: string; body: unknown }[];
  let answers: Record<string, () => Response | ApiError>;
  let store: Store;
  let panel: SourcesPanel;
  let opened: string[];
  const settle = () => vi.advanceTimersByTimeAsync(0);
  const button = (text: string) => [...panel.element.querySelectorAll("button")].find((one) => one.textContent === text);
  const text = () => panel.element.textContent ?? "";

  beforeEach(async () => {
    vi.useFakeTimers();
    install();
    asked = [];
    opened = [];
    answers = {
      "GET /api/v1/sources": () => json({ sources: [source("gate")], schemes: ["rtsp"] }),
      "GET /api/v1/programs": () => json([{ name: "drone", publish: ["drone-*"], read: [], made: true, enabled: true, last_seen: null, address: "", publishing: ["kit1/drone-1/main"], reading: [], refused_at: Date.now() / 1000 - 60, refused_from: "10.0.0.9", refused_code: "program-password" }]),
      "GET /api/v1/reasons": () => json({ "connect-refused": { cause: { en: "Nothing listens.", zh: "无服务。" }, cure: { en: "Check the port.", zh: "查端口。" } }, "program-password": { cause: { en: "The password is wrong.", zh: "密码错误。" }, cure: { en: "Give the sender its own.", zh: "填写其密码。" } } }),
    };
    const { api } = fakeApi((method, path, options) => {
      asked.push({ method, path, body: options?.body });
      return answers[`${method} ${path}`]?.() ?? json([]);
    });
    // What the real one makes of `send`.
    api.post = async (path: string, body: unknown) => (await api.send("POST", path, { body })).json();
    api.who = { name: "wang", role: "administrator", scope: "", csrf: "" };
    store = new Store(api, () => undefined);
    const reasons = new Reasons(store);
    await reasons.read();
    panel = new SourcesPanel(store, reasons, (id) => opened.push(id));
    document.body.replaceChildren(panel.element);
    store.take({ cursor: 1, type: "stream", subject: "kit1/gate/main", data: stream("kit1/gate/main", { title: "Gate", state: "waiting", code: "connect-refused" }) });
    panel.start();
    await settle();
  });
  afterEach(() => {
    panel.stop();
    vi.unstubAllGlobals();
  });

  test("says of a program why it was not let in, and whence it came", () => {
    expect(text()).toContain("from 10.0.0.9: The password is wrong. Give the sender its own.");
  });

  test("shows why, opens the picture, and is kept true by events", async () => {
    expect(text()).toContain("Nothing listens. Check the port.");
    button("Show its picture")?.click();
    expect(opened).toEqual(["kit1/gate/main"]);
    store.take({ cursor: 2, type: "push", subject: "center", data: push({ state: "waiting", code: "connect-refused", failures: 3, retry_in_s: 4 }) });
    await settle();
    expect(text()).toContain("kit1/gate/main → rtmp://center.example/live/…");
    expect(text()).toContain("failed 3 times");
    store.take({ cursor: 3, type: "push", subject: "center", data: null, gone: true });
    await settle();
    expect(text()).not.toContain("center.example");
    expect(text()).toContain("sends kit1/drone-1/main");
  });

  test("a URL is tried, then added, and does not stay on the screen", async () => {
    const url = panel.element.querySelector<HTMLInputElement>("input[inputmode=url]");
    if (!url) throw new Error("no field for the URL");
    url.value = "rtsp://u:s3cret@192.0.2.9/1";
    answers["POST /api/v1/sources/test"] = () => json({ ok: true, url: "rtsp://192.0.2.9/1", code: "", detail: "", took_s: 0.62, tracks: [video] });
    button("Try it")?.click();
    await settle();
    expect(text()).toContain("Picture after 0.6 s: H265 1920×1080");
    answers["POST /api/v1/sources/test"] = () => json({ ok: false, url: "", code: "connect-refused", detail: "port 554", took_s: 0.1, tracks: [] });
    button("Try it")?.click();
    await settle();
    expect(text()).toContain("Nothing listens. Check the port. port 554");
    answers["POST /api/v1/sources"] = () => json({ id: "1", outcome: "done", data: { stream: "kit1/rtsp-1/main" } });
    panel.element.querySelector("form")?.requestSubmit();
    await settle();
    expect(text()).toContain("Added as kit1/rtsp-1/main.");
    expect(url.value).toBe("");
    expect(text()).not.toContain("s3cret");
    expect(asked.find((one) => one.path === "/api/v1/sources" && one.method === "POST")?.body).toMatchObject({ url: "rtsp://u:s3cret@192.0.2.9/1", on_demand: true });
  });

  test("what is refused is said in words", async () => {
    answers["POST /api/v1/sources"] = () => problem(409, "name-taken");
    const url = panel.element.querySelector<HTMLInputElement>("input[inputmode=url]");
    if (url) url.value = "rtsp://192.0.2.9/1";
    panel.element.querySelector("form")?.requestSubmit();
    await settle();
    expect(text()).toContain("name-taken cause");
    expect(url?.value).toBe("rtsp://192.0.2.9/1");
  });

  test("removing and a new password are asked about first, and the password is shown once", async () => {
    const asking = vi.fn(() => false);
    vi.stubGlobal("confirm", asking);
    button("Remove")?.click();
    button("New password")?.click();
    await settle();
    expect(asking).toHaveBeenCalledTimes(2);
    expect(asked.some((one) => one.method === "DELETE")).toBe(false);
    asking.mockReturnValue(true);
    answers["POST /api/v1/programs/drone/secret"] = () => json({ name: "drone", secret: "abcd-efgh" });
    button("New password")?.click();
    await settle();
    expect(text()).toContain("abcd-efgh");
    button("Remove")?.click();
    await settle();
    expect(asked.some((one) => one.method === "DELETE" && one.path === "/api/v1/sources/gate")).toBe(true);
  });

  test("whoever may only look sees no form and no programs", async () => {
    store.api.who = { name: "v", role: "viewer", scope: "", csrf: "" };
    asked.length = 0;
    await panel.read();
    expect(asked.map((one) => one.path)).not.toContain("/api/v1/programs");
    expect(panel.element.querySelector("details")?.hidden).toBe(true);
    expect(button("Remove")).toBeUndefined();
  });
});

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ApiError } from "../src/api";
import { setLanguage } from "../src/i18n";
import { KitsPanel } from "../src/kitspanel";
import { barFill, conditionFacts, inOrder, kitFacts, linkWords, textWords } from "../src/kitwords";
import { lines, linkPlots, widthFor } from "../src/linkplot";
import { Reasons } from "../src/panels";
import { Store } from "../src/store";
import type { Center, Condition, Kit, KitRecord, Link, Trail } from "../src/types";
import { fakeApi, install, json, problem } from "./fakes";

const link = (change: Partial<Link> = {}): Link => ({ name: "lte-1", bearer: "lte", interface: "wwan0", state: "in", code: "", rtt_ms: 41.6, loss: 0.024, usable_bps: 3.94e6, bytes_in: 0, bytes_out: 0, cost: 0, ...change });
const center = (change: Partial<Center> = {}): Center => ({ gateway: "county", name: "County", state: "online", code: "", detail: "", since: 0, last_seen: 1, address: "203.0.113.5", role: "operator", scope: "", links: [link()], thumbnail_at: null, ...change });
const kit = (gateway: string, change: Partial<Kit> = {}): Kit => ({ gateway, name: gateway, state: "online", code: "", detail: "", since: 0, last_seen: 1, version: "0.1.0", ways: ["uplink"], links: [link()], centers: [], gave_up: [], devices: 3, devices_online: 2, clock_off_s: null, thumbnail_at: null, thumbnail_of: "", ...change });
const trail = (change: Partial<Trail> = {}): Trail => ({ name: "lte-1", every_s: 10, at: [], used: [], rtt_ms: [], loss: [], usable_bps: [], in_bps: [], out_bps: [], ...change });

beforeEach(() => setLanguage("en"));

describe("a kit that is left with short messages", () => {
  const by_text: KitRecord = { sequence: 4, why: "lost", made_at: 490, clock_good: true, received_at: 500, carrier: "sat1", fix: { longitude: 116.39139, latitude: 39.9075, age_min: 2, source: "gnss" }, links: [{ kind: "lte", phase: "down", bars: 0 }, { kind: "satphone", phase: "registered", bars: null }], more_links: true, battery_percent: 41, power: "battery", volts: 12.4, temperature_c: null, disk_percent: 85, alarms: [{ kind: "motion", severity: "major", age_min: 31 }], alarms_open: 3, word: "technician", down_min: 6 };
  const left = kit("kit7", { state: "offline", by_text });
  test("is shown by what it told, its age first", () => {
    expect(textWords(left, () => "3 min ago")).toEqual({
      head: "by SMS · 3 min ago · by sat1 · lost its center",
      facts: ["Call the technician", "battery 41 % 12.4 V", "disk 85 % full", "without a center for 6 min"],
      place: "39.90750, 116.39139 · found 2 min before it was sent",
      links: [{ tone: "bad", text: "4G · down · ▯▯▯▯▯" }, { tone: "wait", text: "satellite phone · registered" }, { tone: "idle", text: "and more links" }],
      alarms: [{ severity: "major", text: "major · motion · ≥ 31 min ago" }, { severity: "", text: "3 alarms open in all" }],
    });
    setLanguage("zh");
    expect(textWords(left, () => "3 分钟前")?.links[0]?.text).toBe("4G · 中断 · ▯▯▯▯▯");
    expect(textWords({ ...left, by_text: { ...by_text, fix: null } }, () => "")?.place).toBe("位置未知");
  });
  test("is not once it was here again", () => {
    expect(textWords({ ...left, last_seen: 600 }, () => "")).toBeNull();
    expect(textWords(kit("kit7"), () => "")).toBeNull();
  });
});

describe("a link in words", () => {
  const said = (change: Partial<Link> = {}) => linkWords(link(change), (at) => (at === 500 ? "14 s ago" : "?"));
  test("carries with rate, round trip and loss", () => {
    expect(said()).toMatchObject({ name: "lte-1 · 4G · wwan0", tone: "live", state: "carries", figures: "3.9 Mb/s · 42 ms · loss 2.4 %", code: "" });
    expect(said({ loss: 0, usable_bps: 64000, rtt_ms: null }).figures).toBe("64 kb/s");
  });
  test("is out with its reason and an empty bar", () => {
    expect(said({ state: "out", code: "path-silent" })).toMatchObject({ tone: "bad", figures: "", code: "path-silent", fill: 0 });
    expect(said({ state: "off", name: "sat", bearer: "satellite", interface: "" })).toMatchObject({ tone: "idle", name: "sat · satellite", state: "no interface" });
  });
  test("of which nothing is heard has an age, and one that carries needs none", () => {
    const silent = { state: "out", code: "path-silent", heard_at: 500 } as const;
    expect(said(silent)).toMatchObject({ tone: "bad", state: "out · carried 14 s ago", figures: "", fill: 0 });
    expect(said({ heard_at: 500 })).toMatchObject({ tone: "live", state: "carries" });
    setLanguage("zh");
    expect(linkWords(link(silent), () => "14 秒前").state).toBe("中断 · 上次承载：14 秒前");
  });
  test("fills its bar by the logarithm of the rate", () => {
    expect(barFill(null)).toBe(0.5);
    expect(barFill(8e6)).toBe(1);
    expect(barFill(0)).toBeGreaterThan(0);
    expect(barFill(64e3)).toBeLessThan(barFill(1e6));
  });
});

test("kits in trouble stand first, the kit itself before all", () => {
  const kits = [kit("b"), kit("a", { state: "degraded" }), kit("z", { state: "offline" }), kit("own", { centers: [center()] })];
  expect(inOrder(kits).map((one) => one.gateway)).toEqual(["own", "z", "a", "b"]);
  expect(kitFacts(kit("a", { clock_off_s: -31e6 }))).toContain("its clock is 359 d off");
  expect(kitFacts(kit("a", { ways: ["uplink", "mqtt", "pigeon"] }))).toContain("by link bundle + MQTT + pigeon");
});

test("a kit says how it stands itself", () => {
  const condition: Condition = {
    gateway: "a",
    at: 0,
    power: { source: "battery", level: 0.42, charging: false, minutes_left: 90, code: "on-battery" },
    heat: [{ name: "cpu", celsius: 83.4, code: "hot" }],
    space: { free_bytes: 12.3e9, total_bytes: 64e9, read_only: false, worn: null, code: "" },
    clock: { quality: "gnss", source: "gpsd", off_s: 0.1, code: "" },
    place: { longitude: 104, latitude: 30, by: "gpsd", taken_at: 995, accuracy_m: 4 },
    codes: ["hot", "on-battery"],
  };
  expect(conditionFacts(kit("a", { condition }), 1000)).toEqual(["battery 42 % (90 min left)", "83 °C", "12.3 GB free", "clock: satellite", "place by gpsd, 5 s ago"]);
  expect(conditionFacts(kit("a"), 1000)).toEqual([]);
  const bare: Condition = { ...condition, power: { ...condition.power, source: "unknown", level: null, minutes_left: null }, heat: [], space: { ...condition.space, total_bytes: 0 }, clock: { ...condition.clock, quality: "unsynced" }, place: null };
  expect(conditionFacts(kit("a", { condition: bare }), 1000)).toEqual(["clock: not synchronised"]);
});

describe("a day of a link", () => {
  const now = 1_800_000_000;
  test("is broken where nothing was measured, and ends a day ago", () => {
    const at = [now - 90000, now - 100, now - 90, now - 80, now - 20, now - 10];
    const { paths, most } = lines(at, [9, 1, 2, null, 4, 2], 10, now);
    expect(most).toBe(9);
    expect(paths.length).toBe(2);
    expect(paths[0]?.match(/[ML]/g)?.length).toBe(2);
  });
  test("is an hour, or minutes, while there is no more to show", () => {
    expect(widthFor([trail({ at: [now - 200, now] }), trail()], now)).toBe(600);
    expect(widthFor([trail({ at: [now - 200] }), trail({ at: [now - 3000] })], now)).toBe(3600);
    expect(widthFor([trail({ at: [now - 90000] })], now)).toBe(86400);
    const { paths } = lines([now - 300, now], [1, 1], 300, now, 600);
    expect(paths[0]).toBe("M240.0 4.0L480.0 4.0");
    expect(linkPlots([trail({ at: [now - 20], used: [true], usable_bps: [1e6], rtt_ms: [40], loss: [0] })], now).querySelector("figcaption")?.textContent).toContain("now");
  });
  test("shows where it carried nothing", () => {
    const shown = linkPlots([trail({ at: [now - 20, now - 10], used: [true, false], usable_bps: [1e6, null], rtt_ms: [40, null], loss: [0, null] })], now);
    expect(shown.querySelectorAll("figure").length).toBe(3);
    expect(shown.querySelectorAll("path.gap").length).toBe(3);
    expect(shown.textContent).toContain("usable rate: 1.0 Mb/s");
    expect(linkPlots([trail()], now).textContent).toBe("Nothing has been measured yet.");
    // A link that nobody probes has its traffic; one that was never used its gap.
    const bare = linkPlots([trail({ at: [now - 10], used: [true], usable_bps: [null], rtt_ms: [null], loss: [null], in_bps: [3000], out_bps: [5000] }), trail({ at: [now - 10], used: [false], usable_bps: [null], rtt_ms: [null], loss: [null], in_bps: [0], out_bps: [0] })], now);
    expect([...bare.querySelectorAll("figure > span")].map((one) => one.textContent)).toEqual(["traffic: 8 kb/s (most 8 kb/s)", "usable rate: – (most 0 kb/s)"]);
    expect(bare.querySelectorAll("path.gap").length).toBe(1);
  });
});

describe("the panel", () => {
  let asked: { method: string; path: string; body: unknown }[];
  let answers: Record<string, () => Response | ApiError>;
  let store: Store;
  let panel: KitsPanel;
  const settle = () => vi.advanceTimersByTimeAsync(0);
  const button = (text: string) => [...panel.element.querySelectorAll("button")].find((one) => one.textContent === text);
  const text = () => panel.element.textContent ?? "";

  async function begin(role: string): Promise<void> {
    answers["GET /api/v1/system"] = () => json({ role });
    await store.readKits();
    panel.start();
    panel.render();
    await settle();
  }

  beforeEach(async () => {
    vi.useFakeTimers();
    install();
    asked = [];
    answers = {
      "GET /api/v1/kits": () => json([kit("kit7", { state: "degraded", code: "kit-link-out", gave_up: [{ stream: "kit7/ball-1/ch1", code: "gave-up-rate", since: 1 }] })]),
      "GET /api/v1/reasons": () => json({ "kit-link-out": { cause: { en: "A link is out.", zh: "" }, cure: { en: "Look at it.", zh: "" } }, "gave-up-rate": { cause: { en: "Too thin.", zh: "" }, cure: { en: "", zh: "" } } }),
    };
    const { api } = fakeApi((method, path, options) => {
      asked.push({ method, path, body: options?.body });
      return answers[`${method} ${path}`]?.() ?? json([]);
    });
    api.post = async (path: string, body: unknown) => (await api.send("POST", path, { body })).json();
    api.who = { name: "wang", role: "administrator", scope: "", csrf: "" };
    store = new Store(api, () => undefined);
    const reasons = new Reasons(store);
    await reasons.read();
    panel = new KitsPanel(store, reasons);
    document.body.replaceChildren(panel.element);
  });
  afterEach(() => {
    panel.stop();
    vi.unstubAllGlobals();
  });

  test("says of each kit how it stands and what was given up, and follows the events", async () => {
    await begin("center");
    expect(text()).toContain("A link is out. Look at it.");
    expect(text()).toContain("sent with less: kit7/ball-1/ch1 · Too thin.");
    expect(panel.troubled()).toBe(1);
    store.take({ cursor: 1, type: "kit", subject: "kit7", data: kit("kit7") });
    await settle();
    expect(text()).not.toContain("A link is out.");
    expect(panel.troubled()).toBe(0);
    store.take({ cursor: 2, type: "links", subject: "kit7", data: { gateway: "kit7", at: 2, links: [link({ state: "out", code: "kit-link-out" })] } });
    await settle();
    expect(panel.element.querySelector('[data-link="kit7/lte-1"]')?.textContent).toContain("A link is out.");
    store.take({ cursor: 3, type: "kit", subject: "kit7", data: kit("kit7"), gone: true });
    await settle();
    expect(text()).toContain("No kit and no center");
  });

  test("a kit that tells by short message alone has it on its card", async () => {
    const record = { sequence: 1, why: "alarm", made_at: 0, clock_good: true, received_at: Date.now() / 1000 - 180, carrier: "sat1", fix: null, links: [], more_links: false, battery_percent: 9, power: "battery", volts: null, temperature_c: null, disk_percent: null, alarms: [], alarms_open: 0, word: "degraded", down_min: 0 };
    answers["GET /api/v1/kits"] = () => json([kit("kit7", { state: "offline", code: "kit-by-text", by_text: record })]);
    await begin("center");
    expect(panel.element.querySelector('[data-by-text="kit7"]')?.textContent).toBe("by SMS · 3 min ago · by sat1 · an alarmVoice only · battery 9 %it does not know where it is");
    store.take({ cursor: 1, type: "kit", subject: "kit7", data: kit("kit7", { last_seen: Date.now() / 1000, by_text: record }) });
    await settle();
    expect(panel.element.querySelector("[data-by-text]")).toBeNull();
  });

  test("what is pressed is not drawn anew under the finger", async () => {
    await begin("center");
    const day = button("Links over 24 hours");
    day?.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    store.take({ cursor: 1, type: "links", subject: "kit7", data: { gateway: "kit7", at: 2, links: [link({ rtt_ms: 99 })] } });
    await settle();
    expect(day?.isConnected).toBe(true);
    window.dispatchEvent(new Event("pointerup"));
    await settle();
    expect(text()).toContain("99 ms");
  });

  test("a center admits a kit by its code and shows the answer", async () => {
    await begin("center");
    const code = panel.element.querySelector("textarea");
    if (!code) throw new Error("no field for the code");
    code.value = " fgp1:abcdefgh ";
    answers["POST /api/v1/pairing/admit"] = () => problem(400, "pair-code");
    button("Admit")?.closest("form")?.dispatchEvent(new Event("submit"));
    await settle();
    expect(text()).toContain("pair-code cause");
    answers["POST /api/v1/pairing/admit"] = () => json({ kit: { gateway: "kit8" }, answer: "fga1:answer", qr: "<svg></svg>" });
    button("Admit")?.closest("form")?.dispatchEvent(new Event("submit"));
    await settle();
    expect(asked.find((one) => one.path.endsWith("/admit"))?.body).toEqual({ code: "fgp1:abcdefgh", name: "" });
    expect(text()).toContain("fga1:answer");
    expect(code.value).toBe("");
  });

  test("an unpaired kit shows its team's word, why, how it stands and its links; a center does not", async () => {
    const condition = { gateway: "kit1", at: 0, power: { source: "battery", level: 0.4, charging: false, minutes_left: null, code: "on-battery" }, heat: [], space: { free_bytes: 0, total_bytes: 0, read_only: false, worn: null, code: "" }, clock: { quality: "ntp", source: "", off_s: null, code: "" }, place: null, codes: ["hot", "on-battery"] };
    answers["GET /api/v1/kits"] = () => json([]);
    answers["GET /api/v1/links"] = () => json([]);
    answers["GET /api/v1/kit"] = () => json({ field: { word: "technician", code: "field-no-center", more: [] }, condition });
    await begin("edge");
    expect(text()).toContain("this kit: Call the technician");
    expect(text()).toContain("field-no-center");
    expect(text()).toContain("battery 40 %");
    expect(text()).toContain("No link to the outside is known yet.");
    expect(panel.element.querySelector('a[href="/field"]')).not.toBeNull();
    store.take({ cursor: 1, type: "field", subject: "", data: { word: "ready", code: "", more: ["hot"] } });
    await settle();
    expect(text()).toContain("this kit: Ready");
    expect(panel.element.querySelector("[data-own-links]")?.getAttribute("data-tone")).toBe("live");
    store.role = "center";
    panel.render();
    expect(text()).not.toContain("this kit: Ready");
    expect(panel.element.querySelector('a[href="/field"]')).toBeNull();
  });

  test("a kit shows its centers, a code for a new one, and when it is taken", async () => {
    answers["GET /api/v1/kits"] = () => json([kit("kit1", { centers: [center()] })]);
    await begin("edge");
    expect(text()).toContain("center County");
    expect(text()).toContain("may act here as operator");
    store.take({ cursor: 1, type: "links", subject: "county", data: { gateway: "county", at: 2, links: [link({ name: "sat" })] } });
    await settle();
    expect(panel.element.querySelector('[data-link="county/sat"]')).not.toBeNull();
    answers["POST /api/v1/pairing/offers"] = () => json({ offer: { id: "ab", asked: "c:8443" }, code: "fgp1:code", qr: "<svg></svg>" });
    answers["GET /api/v1/pairing/offers/ab"] = () => json({ id: "ab", state: "waiting", code: "kit-link-out", center: "" });
    button("Show a code")?.closest("form")?.dispatchEvent(new Event("submit"));
    await settle();
    expect(text()).toContain("fgp1:code");
    await vi.advanceTimersByTimeAsync(2000);
    expect(text()).toContain("A link is out.");
    answers["GET /api/v1/pairing/offers/ab"] = () => json({ id: "ab", state: "paired", code: "", center: "county" });
    await vi.advanceTimersByTimeAsync(2000);
    expect(text()).toContain("Paired with county.");
    // A kit that was started anew knows the code no more: nobody waits for it in vain.
    button("Show a code")?.closest("form")?.dispatchEvent(new Event("submit"));
    await settle();
    answers["GET /api/v1/pairing/offers/ab"] = () => problem(503, "link-down");
    await vi.advanceTimersByTimeAsync(2000);
    expect(text()).toContain("fgp1:code");
    expect(text()).not.toContain("link-down cause");
    answers["GET /api/v1/pairing/offers/ab"] = () => problem(404, "pair-ended");
    await vi.advanceTimersByTimeAsync(2000);
    expect(text()).toContain("pair-ended cause");
    expect(panel.element.querySelector<HTMLElement>(".pair-answer:not([hidden]) .pair-code")).toBeNull();
  });

  test("what the center really receives stands with its age on the kit's own page", async () => {
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:it", revokeObjectURL: () => undefined }));
    let age = "7";
    answers["GET /api/v1/kits"] = () => json([kit("kit1", { centers: [center({ thumbnail_at: 100 })] })]);
    answers["GET /api/v1/kits/county/thumbnail.jpg"] = () => new Response("jpeg", { headers: { "Fieldgate-Picture-Age": age } });
    await begin("edge");
    const figure = panel.element.querySelector<HTMLElement>('[data-thumbnail="county"]');
    expect(figure?.querySelector("img")?.src).toBe("blob:it");
    expect(figure?.textContent).toBe("what the center receives, 7 s old");
    // Nothing new arrives: the age grows by itself, and the picture stays where it is.
    age = "250";
    await vi.advanceTimersByTimeAsync(5000);
    expect(panel.element.querySelector('[data-thumbnail="county"]')).toBe(figure);
    expect(figure?.textContent).toBe("what the center receives, 4 min old");
    setLanguage("zh");
    panel.render();
    await settle();
    expect(figure?.textContent, "at once").toBe("中心实际收到的画面，4 分钟前");
  });

  test("a kit sends a recording that somebody chose", async () => {
    answers["GET /api/v1/kits"] = () => json([kit("kit1", { centers: [center()] })]);
    answers["POST /api/v1/outbox/files?name=gate.mp4&device="] = () => json({});
    await begin("edge");
    const form = button("Send")?.closest("form");
    const input = form?.querySelector<HTMLInputElement>("input[type=file]");
    const file = new File(["moving picture"], "gate.mp4");
    Object.defineProperty(input, "files", { value: [file] });
    Object.defineProperty(input, "value", { value: "", writable: true });
    form?.dispatchEvent(new Event("submit"));
    await settle();
    expect(asked.some(({ method, path }) => method === "POST" && path === "/api/v1/outbox/files?name=gate.mp4&device=")).toBe(true);
    expect(text()).toContain("gate.mp4 is kept until every center has it");
    answers["POST /api/v1/outbox/files?name=gate.mp4&device="] = () => problem(507, "disk-full");
    form?.dispatchEvent(new Event("submit"));
    await settle();
    expect(text()).toContain("disk-full cause disk-full cause");
    store.role = "center";
    panel.render();
    expect(button("Send")?.closest("details")?.hidden).toBe(true);
  });

  test("a center lists what a kit sent, and whole files can be saved", async () => {
    await begin("center");
    const file = (id: string, change = {}) => ({ gateway: "kit7", file: { id, name: `${id}.mp4`, media_type: "video/mp4", size: 2_000_000, device: "kit7/ball-1" }, received: 500_000, received_at: Date.now() / 1000 - 30, complete_at: null, ...change });
    answers["GET /api/v1/kit-files?limit=50&gateway=kit7"] = () => json([file("half"), file("whole", { received: 2_000_000, complete_at: 1 })]);
    button("Files")?.click();
    await settle();
    const rows = [...panel.element.querySelectorAll(".kit-files li")];
    expect(rows.map((row) => row.textContent)).toEqual(["half.mp4ball-1 · 2.0 MB · 25 % is here · 30 s ago", "whole.mp4ball-1 · 2.0 MB · 30 s agoDelete"]);
    expect(rows.map((row) => row.querySelector("a")?.getAttribute("href") ?? "")).toEqual(["", "/api/v1/kit-files/kit7/whole/file"]);
    vi.stubGlobal("confirm", () => true);
    button("Delete")?.click();
    await settle();
    expect(asked.some(({ method, path }) => method === "DELETE" && path === "/api/v1/kit-files/kit7/whole")).toBe(true);
    button("Files")?.click();
    await settle();
    expect(panel.element.querySelector(".kit-files")).toBeNull();
    answers["GET /api/v1/kit-files?limit=50&gateway=kit7"] = () => json([]);
    button("Files")?.click();
    await settle();
    expect(text()).toContain("This kit has sent no file.");
  });

  test("the plots of a day are asked for when they are wanted", async () => {
    await begin("center");
    answers["GET /api/v1/kits/kit7/links?hours=24&points=480"] = () => json({ trails: [trail({ at: [Date.now() / 1000], used: [true], usable_bps: [1e6], rtt_ms: [40], loss: [0] })] });
    button("Links over 24 hours")?.click();
    await settle();
    expect(panel.element.querySelectorAll("svg").length).toBe(3);
    button("Hide")?.click();
    await settle();
    expect(panel.element.querySelectorAll("svg").length).toBe(0);
  });
});

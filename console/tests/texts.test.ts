// Short messages: how long one is, how each stands in words, threads that have no gaps, the panel and its form.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ApiError } from "../src/api";
import { setLanguage } from "../src/i18n";
import { Reasons } from "../src/panels";
import { Store } from "../src/store";
import { kindOf, sizeOf } from "../src/textsize";
import { MOST, PAGE, Texts } from "../src/texts";
import { TextsPanel } from "../src/textspanel";
import { carrierWords, lineWords, sizeWords } from "../src/textwords";
import type { CarrierState, TextIn, TextOut } from "../src/types";
import { fakeApi, install, json, problem } from "./fakes";

const out = (number: number, change: Partial<TextOut> = {}): TextOut => ({ id: `o${number}`, to: "+8613800000001", body: `to ${number}`, priority: 2, kind: "sms", state: "sent", code: "", detail: "", by: "wang", wanted: "", carrier: "sim1", number, parts: 1, parts_done: 1, attempts: 1, unsure: 0, made_at: number, done_at: null, ...change });
const came = (number: number, change: Partial<TextIn> = {}): TextIn => ({ id: `i${number}`, sender: "+8613800000001", body: `from ${number}`, carrier: "sim1", received_at: number, sent_at: null, missing: 0, seen_by: "", seen_at: null, code: "", detail: "", number, ...change });
const carrier = (name: string, change: Partial<CarrierState> = {}): CarrierState => ({ name, kind: "sms", ready: true, code: "", detail: "", cost: 10, again_at: null, sent: 0, received: 0, waiting: 0, since: 0, ...change });
const line = (one: TextOut | TextIn) => ("to" in one ? { key: "", number: one.to, at: 0, out: one, came: null } : { key: "", number: one.sender, at: 0, out: null, came: one });
const SAY = { cause: (code: string) => (code ? `${code}!` : ""), cure: (code: string) => (code ? `mend ${code}` : "") };

beforeEach(() => setLanguage("en"));

describe("how long a message is", () => {
  test.each([
    ["", 1],
    ["a".repeat(160), 1],
    ["a".repeat(161), 2],
    ["a".repeat(304), 2],
    ["a".repeat(305), 3],
    [`${"a".repeat(151)}€${"a".repeat(10)}`, 2],
    [`${"a".repeat(151)}€${"a".repeat(150)}`, 2],
    [`${"a".repeat(151)}€${"a".repeat(151)}`, 3], // the escape goes whole into the next
    ["中".repeat(70), 1],
    ["中".repeat(71), 2],
    ["中".repeat(132), 2],
    ["中".repeat(133), 3],
    [`${"中".repeat(65)}😀${"中".repeat(10)}`, 2],
    [`${"中".repeat(65)}😀${"中".repeat(65)}`, 3], // no pair is cut in two
  ])("as the gateway cuts it %#", (body, parts) => expect(sizeOf(body, "sms").parts).toBe(parts));

  test("of other networks", () => {
    expect([kindOf("bd:0412345"), kindOf(" SBD: "), kindOf("+86138")]).toEqual(["bd", "sbd", "sms"]);
    expect(sizeOf("桥断a", "bd")).toMatchObject({ used: 5, parts: 0 });
    expect(sizeOf("桥".repeat(111), "sbd").parts).toBe(2);
  });

  test("with its price and whoever carries it, or why it waits", () => {
    const all = [carrier("dear", { cost: 50 }), carrier("sim1"), carrier("bd1", { kind: "bd", ready: false, code: "bd-no-beam" })];
    expect(sizeWords("桥".repeat(71), "sms", all, "", SAY)).toEqual({ text: "71/132 characters · 2 messages · by sim1 · price 20", fits: true });
    expect(sizeWords("ok", "sms", all, "dear", SAY).text).toBe("2/160 characters · 1 message · by dear · price 50");
    expect(sizeWords("ok", "bd", all, "", SAY).text).toContain("waits: bd-no-beam!");
    expect(sizeWords("ok", "sms", [], "", SAY).text).toContain("waits: text-carrier-down!");
    expect(sizeWords("桥".repeat(1321), "sms", all, "", SAY).fits).toBe(false);
    expect(sizeWords("a".repeat(1601), "bd", all, "", SAY).fits).toBe(false);
  });
});

describe("how a message stands", () => {
  const words = (one: TextOut | TextIn) => lineWords(line(one), SAY);
  test("of ours", () => {
    expect(words(out(1, { state: "waiting", code: "text-carrier-down", detail: "x" }))).toMatchObject({ tone: "wait", state: "waiting", why: "text-carrier-down! mend text-carrier-down" });
    // It has not been tried: who could send it says why.
    expect(lineWords(line(out(1, { state: "waiting", carrier: "", wanted: "bd1", kind: "bd" })), SAY, [carrier("bd1", { kind: "bd", ready: false, code: "bd-no-beam" })])).toMatchObject({ why: "bd-no-beam! mend bd-no-beam", facts: ["by bd1", "wang"] });
    expect(lineWords(line(out(1, { state: "waiting" })), SAY, [carrier("sim1")]).why).toBe("");
    expect(words(out(1, { state: "sending", parts: 3, parts_done: 1 })).facts).toContain("part 1 of 3");
    expect(words(out(1, { state: "sent", code: "text-unsure", unsure: 1 }))).toMatchObject({ tone: "live", state: "sent", why: "" });
    expect(words(out(1, { unsure: 1, priority: 0 })).facts).toEqual(["urgent", "by sim1", "may have gone more than once", "wang"]);
    expect(words(out(1, { state: "failed", code: "text-refused", detail: "CMS 500" }))).toMatchObject({ tone: "bad", state: "failed", why: "text-refused! mend text-refused" });
    expect(words(out(1, { state: "delivered" })).state).toBe("delivered");
  });
  test("of others: a stranger's is refused in words", () => {
    expect(words(came(1))).toMatchObject({ tone: "live", state: "received", fresh: true });
    expect(words(came(1, { missing: 2, seen_by: "li" }))).toMatchObject({ tone: "wait", fresh: false, facts: ["2 parts never came", "by sim1", "seen by li"] });
    expect(words(came(1, { code: "telemetry-forged", detail: "kit7", body: "IEr…" }))).toMatchObject({ tone: "bad", state: "refused", body: "A record that was not believed.", why: "telemetry-forged! mend telemetry-forged", facts: ["by sim1", "kit7"] });
  });
  test("of two that may be mixed: they are read, with a warning", () => {
    expect(words(came(1, { code: "text-mixed", body: "bridge is whole" }))).toMatchObject({ tone: "wait", state: "received", body: "bridge is whole", why: "text-mixed! mend text-mixed", fresh: true });
  });
  test("and who carries them", () => {
    expect(carrierWords(carrier("sim1", { waiting: 3 }), SAY, 0)).toMatchObject({ tone: "live", name: "sim1 · SMS", state: "ready · 3 waiting" });
    expect(carrierWords(carrier("bd1", { kind: "bd", ready: false, code: "bd-card-limit", again_at: 60 }), SAY, 0)).toMatchObject({ tone: "wait", state: "bd-card-limit! · again in 60 s" });
    setLanguage("zh");
    expect(carrierWords(carrier("bd1", { kind: "bd" }), SAY, 0)).toMatchObject({ name: "bd1 · 北斗短报文", state: "可用" });
  });
});

describe("what the page knows", () => {
  const run = (from: number, count: number): number[] => Array.from({ length: count }, (_, n) => from - n);

  test("shows nothing that one direction has not been read up to, and reads on", async () => {
    const asked: string[] = [];
    const { api } = fakeApi((_method, path) => {
      asked.push(path);
      if (path === "/api/v1/texts/out?limit=200") return json(run(1000, PAGE).map((n) => out(n)));
      if (path === "/api/v1/texts/out?limit=200&before=801") return json([out(5)]);
      return json(path.startsWith("/api/v1/texts/in") ? [came(900), came(3)] : []);
    });
    const texts = new Texts(api, () => undefined);
    await texts.read();
    expect(texts.more).toBe(true);
    expect(texts.threads()[0]?.lines.length).toBe(PAGE + 1); // not the one of second 3
    await texts.older();
    expect(texts.more).toBe(false);
    expect(texts.threads()[0]?.lines.length).toBe(PAGE + 3);
    expect(asked.filter((path) => path.includes("/in?limit=200&")).length).toBe(0); // it was whole
  });

  test("follows events, each message once, bounded", async () => {
    const { api } = fakeApi(() => json([]));
    const texts = new Texts(api, () => undefined);
    await texts.read();
    const tell = (type: string, data: unknown, subject = "") => texts.take({ cursor: 1, type, subject, data });
    tell("text-in", came(2));
    tell("text-in", came(1, { sender: "bd:0000009" }));
    tell("text-in", came(2, { seen_by: "li" }));
    tell("text-out", out(7, { state: "waiting" }));
    tell("text-carrier", carrier("sim1"), "sim1");
    expect(texts.threads().map((one) => [one.number, one.lines.length, one.fresh])).toEqual([["+8613800000001", 2, 0], ["bd:0000009", 1, 1]]);
    expect([texts.fresh, texts.carriers.size, texts.empty]).toEqual([1, 1, false]);
    texts.take({ cursor: 2, type: "text-carrier", subject: "sim1", data: carrier("sim1"), gone: true });
    expect(texts.carriers.size).toBe(0);
    for (const n of run(MOST + 50, MOST + 20).reverse()) tell("text-in", came(n));
    expect(texts.threads().reduce((sum, one) => sum + one.lines.length, 0)).toBeLessThanOrEqual(MOST);
    expect(texts.full).toBe(true);
  });

  test("a number whose record came is its kit's, and records are counted, not listed", async () => {
    const record = (n: number): TextIn => came(n, { code: "text-telemetry", detail: `kit7 ${n}`, sender: "bd:0000007" });
    const { api } = fakeApi((_method, path) => json(path.includes("/in") ? [record(9), record(8), came(7, { sender: "bd:0000007" }), came(8.5)] : []));
    const texts = new Texts(api, () => undefined);
    await texts.read();
    expect(texts.threads().map((one) => [one.number, one.kit, one.records, one.recordAt, one.lines.length])).toEqual([["+8613800000001", "", 0, 0, 1], ["bd:0000007", "kit7", 2, 9, 1]]);
  });
});

describe("the panel", () => {
  let store: Store;
  let panel: TextsPanel;
  let asked: { method: string; path: string; body: unknown }[];
  let answers: Record<string, () => Response | ApiError>;
  const settle = () => new Promise((done) => setTimeout(done, 20));
  const text = () => panel.element.textContent ?? "";
  const button = (words: string) => [...panel.element.querySelectorAll("button")].find((one) => one.textContent?.includes(words));
  const field = <T extends HTMLElement>(what: string): T => panel.element.querySelector(what) as T;
  const type = (what: string, value: string): void => {
    const one = field<HTMLInputElement>(what);
    one.value = value;
    one.dispatchEvent(new Event("input"));
  };

  beforeEach(async () => {
    install();
    asked = [];
    answers = {
      "GET /api/v1/texts/out?limit=200": () => json([out(9, { state: "failed", code: "text-refused" }), out(8, { to: "bd:0412345", state: "waiting", made_at: 4 })]),
      "GET /api/v1/texts/in?limit=200": () => json([came(5)]),
      "GET /api/v1/texts/carriers": () => json([carrier("sim1")]),
      "GET /api/v1/reasons": () => json({ "text-refused": { cause: { en: "Refused by the network.", zh: "网络拒绝。" }, cure: { en: "See why.", zh: "" } } }),
    };
    const { api } = fakeApi((method, path, options) => {
      asked.push({ method, path, body: options?.body });
      return answers[`${method} ${path}`]?.() ?? json([]);
    });
    api.post = async (path: string, body: unknown) => (await api.send("POST", path, { body })).json();
    api.who = { name: "wang", role: "operator", scope: "", csrf: "" };
    store = new Store(api, () => undefined);
    const reasons = new Reasons(store);
    await reasons.read();
    panel = new TextsPanel(store, reasons);
    document.body.replaceChildren(panel.element);
    await store.texts.read();
    await settle();
  });
  afterEach(() => vi.unstubAllGlobals());

  test("a carrier that can not send says why, and what to do", async () => {
    answers["GET /api/v1/texts/carriers"] = () => json([carrier("sim1", { ready: false, code: "text-refused", detail: "+CMS ERROR: 50" }), carrier("sim2")]);
    await store.texts.read();
    await settle();
    const rows = [...panel.element.querySelectorAll("[data-carrier]")].map((row) => row.textContent);
    expect(rows).toEqual(["sim1 · SMSRefused by the network.See why. +CMS ERROR: 50", "sim2 · SMSready"]);
  });

  test("lists each number, its newest first, and opens one", async () => {
    expect([...panel.element.querySelectorAll("[data-number]")].map((one) => (one as HTMLElement).dataset["number"])).toEqual(["+8613800000001", "bd:0412345"]);
    expect(panel.fresh()).toBe(1);
    button("+8613800000001")?.click();
    expect(text()).toContain("Refused by the network. See why.");
    button("Seen")?.click();
    await settle();
    expect(asked.some((one) => one.method === "POST" && one.path === "/api/v1/texts/in/i5/seen")).toBe(true);
    button("Write again")?.click();
    expect(field<HTMLTextAreaElement>("textarea").value).toBe("to 9");
    button("All numbers")?.click();
    button("bd:0412345")?.click();
    button("Cancel")?.click();
    await settle();
    expect(asked.at(-1)).toMatchObject({ method: "DELETE", path: "/api/v1/texts/out/o8" });
    setLanguage("zh");
    panel.render();
    expect(text()).toContain("等待发送");
  });

  test("finds a number among all that the gateway has, in both languages", async () => {
    expect(field<HTMLInputElement>("input[name=number]").placeholder).toBe("Find a number, or a part of it");
    answers["GET /api/v1/texts/out?limit=200&number=0412"] = () => json([out(2, { to: "bd:0412345", made_at: 2 })]);
    const look = async (number: string): Promise<void> => {
      type("input[name=number]", number);
      field("input[name=number]").dispatchEvent(new Event("change"));
      await settle();
    };
    const numbers = () => [...panel.element.querySelectorAll("[data-number]")].map((one) => (one as HTMLElement).dataset["number"]);
    await look(" 04-12 ");
    expect(numbers()).toEqual(["bd:0412345"]);
    store.take({ cursor: 1, type: "text-in", subject: "i6", data: came(6, { sender: "bd:0412999" }) });
    store.take({ cursor: 2, type: "text-in", subject: "i7", data: came(7, { sender: "10086" }) });
    await settle();
    expect(numbers()).toEqual(["bd:0412999", "bd:0412345"]);
    expect(panel.fresh()).toBe(3); // what is looked for hides nothing that is new
    await look("777");
    expect(text()).toContain("No short message with 777 in its number.");
    setLanguage("zh");
    panel.render();
    expect(text()).toContain("没有号码含 777 的短信。");
    expect(field<HTMLInputElement>("input[name=number]").placeholder).toContain("按号码查找");
    await look("");
    expect([...numbers()].sort()).toEqual(["+8613800000001", "10086", "bd:0412345", "bd:0412999"]);
  });

  test("a new one is told live, whatever number is open", async () => {
    store.take({ cursor: 1, type: "text-in", subject: "i6", data: came(6, { sender: "+8613900000002", body: "<b>help</b>" }) });
    await settle();
    expect(field(".news").textContent).toBe("New message from +8613900000002");
    expect(text()).toContain("<b>help</b>");
    expect(panel.fresh()).toBe(2);
  });

  test("a record that turns out to be one is no news", async () => {
    for (const code of ["", "text-telemetry"]) store.take({ cursor: 1, type: "text-in", subject: "i6", data: came(6, { sender: "+8617400000001", code, detail: "kit7 1" }) });
    await settle();
    expect(field(".news").textContent).toBe("");
    expect(panel.fresh()).toBe(1);
  });

  test("writes one, and presses after a lost answer make no second", async () => {
    answers["POST /api/v1/texts/out"] = () => problem(503, "network");
    type("input[name=to]", "+8613900000002");
    type("textarea", "桥".repeat(71));
    expect(field(".size").textContent).toBe("71/132 characters · 2 messages · by sim1 · price 20");
    const form = field("form");
    form.dispatchEvent(new Event("submit"));
    form.dispatchEvent(new Event("submit"));
    await settle();
    expect(text()).toContain("network cause");
    answers["POST /api/v1/texts/out"] = () => json(out(10, { to: "+8613900000002" }));
    form.dispatchEvent(new Event("submit"));
    await settle();
    const posts = asked.filter((one) => one.method === "POST").map((one) => one.body as { id: string; to: string });
    expect(posts.length).toBe(2);
    expect(posts[0]?.id).toBe(posts[1]?.id);
    expect(posts[0]).toMatchObject({ to: "+8613900000002", urgent: false, carrier: "" });
    expect(field<HTMLTextAreaElement>("textarea").value).toBe("");
    type("textarea", "b");
    form.dispatchEvent(new Event("submit"));
    await settle();
    expect((asked.filter((one) => one.method === "POST").at(-1)?.body as { id: string }).id).not.toBe(posts[0]?.id);
  });

  test("long lists are drawn by fifties", async () => {
    for (let n = 10; n < 90; n += 1) store.take({ cursor: n, type: "text-in", subject: `i${n}`, data: came(n) });
    await settle();
    button("+8613800000001")?.click();
    expect(panel.element.querySelectorAll(".msg").length).toBe(50);
    button("Show more")?.click();
    expect(panel.element.querySelectorAll(".msg").length).toBe(82);
  });

  test("a viewer sees nothing, and has no such tab", () => {
    if (store.api.who) store.api.who.role = "viewer";
    panel.render();
    expect(panel.wanted()).toBe(false);
    expect(text()).toContain("Short messages are for operators.");
    expect(panel.element.querySelectorAll("[data-number]").length).toBe(0);
  });
});

// The mesh's drawing and panel.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { drawn, layout, linesOf, named, roundsFor, toneOf, WIDTH, HEIGHT } from "../src/meshgraph";
import { factsOf, figuresOf, MeshPanel } from "../src/meshpanel";
import { setLanguage } from "../src/i18n";
import { Reasons } from "../src/panels";
import { Store } from "../src/store";
import type { MeshEdge, MeshNode, MeshSnapshot } from "../src/types";
import { fakeApi, install, json } from "./fakes";

const node = (id: string, more: Partial<MeshNode> = {}): MeshNode => ({ id, name: "", read: true, own: false, source: "", longitude: null, latitude: null, battery_percent: null, age_s: null, readings: [], ...more });
const edge = (a: string, b: string, quality: number | null = 1): MeshEdge => ({ a, b, snr_db: null, rssi_dbm: null, rate_bps: null, rtt_ms: null, cost: null, quality, age_s: null });
const mesh = (more: Partial<MeshSnapshot> = {}): MeshSnapshot => ({ mesh: "ridge", title: "Ridge", at: 100, nodes: [node("a", { own: true, name: "Alpha" }), node("b"), node("c", { read: false })], edges: [edge("a", "b", 0.9), edge("b", "a", 0.4), edge("b", "c", 0.1)], sources: [], texts: [], ...more });

describe("the drawing", () => {
  test("a link is as good as its worse end", () => {
    expect(linesOf(mesh().edges)).toEqual([
      { a: "a", b: "b", quality: 0.4, tone: "wait" },
      { a: "b", b: "c", quality: 0.1, tone: "bad" },
    ]);
    expect([toneOf(null), toneOf(0.7)]).toEqual(["idle", "live"]);
  });

  test("sixty-four radios have places apart, within the drawing, and keep them", () => {
    const nodes = Array.from({ length: 64 }, (_, n) => node(String(n)));
    const lines = linesOf(nodes.flatMap((one, n) => (n ? [edge(one.id, String(Math.floor(n / 2)))] : [])));
    const places = layout(nodes, lines);
    const all = [...places.values()];
    expect(all.every((one) => one.x >= 0 && one.x <= WIDTH && one.y >= 0 && one.y <= HEIGHT)).toBe(true);
    let nearest = Infinity;
    all.forEach((one, i) => all.slice(i + 1).forEach((other) => (nearest = Math.min(nearest, Math.hypot(one.x - other.x, one.y - other.y)))));
    expect(nearest).toBeGreaterThan(24); // none upon another
    const again = layout(nodes, lines.slice(1), places);
    expect(again.get("9")?.x).toBeCloseTo(places.get("9")?.x ?? 0);
    expect(layout([], []).size).toBe(0);
    expect(layout([node("x")], []).get("x")).toEqual({ x: WIDTH / 2, y: HEIGHT / 2 });
  });
});

test("hundreds of radios are laid out in fewer rounds: what is done for each pair stays about the same", () => {
  const work = (count: number): number => roundsFor(count) * count * count;
  expect(roundsFor(64)).toBe(120);
  expect(Math.max(...[2, 64, 100, 200, 512].map(work))).toBeLessThan(1.7e6);
});

describe("names", () => {
  const nodes = Array.from({ length: 200 }, (_, n) => node(`radio-${n}`));
  const at = layout(nodes, []);
  test("are written where there is room, the chosen one's always", () => {
    const crowd = mesh({ nodes, edges: [edge("radio-7", "radio-9")] });
    const shown = named(crowd, at, "radio-7");
    expect(shown.has("radio-7")).toBe(true);
    expect(shown.size).toBeLessThan(100);
    expect(named(mesh(), layout(mesh().nodes, []), "")).toEqual(new Set(["a", "b", "c"]));
  });
  test("stay within the drawing, which is as large as its place", () => {
    const one = mesh({ nodes: [node("02:00:00:00:00:01"), node("x"), node("y")], edges: [] });
    const svg = drawn(one, new Map([["02:00:00:00:00:01", { x: 2, y: 10 }], ["x", { x: 479, y: 355 }], ["y", { x: 240, y: 180 }]]), "", "", { wide: 300, high: 225 });
    expect(svg.getAttribute("viewBox")).toBe("0 0 300 225");
    for (const name of svg.querySelectorAll("text")) {
      const half = ((name.textContent ?? "").length * 7) / 2;
      expect(Number(name.getAttribute("x"))).toBeGreaterThanOrEqual(half);
      expect(Number(name.getAttribute("x"))).toBeLessThanOrEqual(300 - half);
      expect(Number(name.getAttribute("y"))).toBeLessThanOrEqual(225 - 4);
    }
  });
});

describe("the panel", () => {
  let store: Store;
  let panel: MeshPanel;
  const settle = (ms = 20): Promise<void> => new Promise((done) => setTimeout(done, ms));

  beforeEach(async () => {
    install();
    setLanguage("en");
    const { api } = fakeApi((_method, path) => {
      if (path === "/api/v1/meshes") return json([mesh()]);
      if (path.includes("/marks")) return json([{ at: 10, nodes: 3, edges: 1, worst: 0.1 }, { at: 20, nodes: 3, edges: 2, worst: 0.1 }]);
      if (path.includes("/at/10")) return json(mesh({ at: 10, edges: [] }));
      if (path === "/api/v1/reasons") return json({ "mesh-silent": { cause: { en: "It is silent.", zh: "无响应。" }, cure: { en: "Look.", zh: "请检查。" } } });
      return json([]);
    });
    store = new Store(api, () => undefined);
    const reasons = new Reasons(store);
    await reasons.read();
    panel = new MeshPanel(store, reasons);
    document.body.replaceChildren(panel.element);
    await store.readMeshes();
    await settle();
  });
  afterEach(() => vi.unstubAllGlobals());

  test("unknown radios and link colours are drawn, events followed, words in both languages", async () => {
    expect(panel.element.querySelectorAll("g").length).toBe(3);
    expect(panel.element.querySelectorAll("g[data-unknown]").length).toBe(1);
    expect([...panel.element.querySelectorAll("line")].map((one) => one.getAttribute("data-tone"))).toEqual(["wait", "bad"]);
    const source = { name: "mast", kind: "ubus", since: 1, code: "mesh-silent", detail: "" };
    const text = { at: 5, sender: "a", to: "", text: "<b>hi</b>", channel: "Long" };
    store.take({ cursor: 1, type: "mesh", subject: "ridge", data: mesh({ edges: [edge("a", "b")], sources: [source], texts: [text] }) });
    await settle(350);
    expect(panel.element.querySelectorAll("line").length).toBe(1);
    expect(panel.element.textContent).toContain("mast: It is silent. Look.");
    expect(panel.element.textContent).toContain("<b>hi</b>");
    expect(panel.troubled()).toBe(1);
    setLanguage("zh");
    panel.render();
    expect(panel.element.textContent).toContain("电台 3 个");
    store.take({ cursor: 2, type: "mesh", subject: "ridge", data: mesh(), gone: true });
    await settle(350);
    expect(panel.element.textContent).toContain("未配置自组网电台");
  });

  test("however often the mesh changes, it is drawn a few times a second", async () => {
    await settle(350);
    let drawings = 0;
    const watch = new MutationObserver((changes) => (drawings += changes.length));
    watch.observe(panel.element, { childList: true });
    for (let n = 0; n < 50; n += 1) {
      store.take({ cursor: n, type: "mesh", subject: "ridge", data: mesh({ title: `Ridge ${n}` }) });
      await settle(2);
    }
    await settle(350);
    watch.disconnect();
    expect(panel.element.textContent).toContain("Ridge 49");
    expect(drawings).toBeLessThan(10);
  });

  test("the slider goes back in time and now again", async () => {
    const slider = panel.element.querySelector("input");
    if (!slider) throw new Error("no slider");
    expect(slider.max).toBe("2");
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
    await settle();
    expect(panel.element.querySelectorAll("line").length).toBe(0);
    expect(panel.element.textContent).toContain("As it was");
    panel.element.querySelector<HTMLButtonElement>(".scrub button")?.click();
    await settle();
    expect(panel.element.querySelectorAll("line").length).toBe(2);
  });

  test("a press that a redraw comes into still chooses, and the focus stays on its radio", async () => {
    const radio = (): Element => panel.element.querySelector('g[data-node="b"]') as Element;
    radio().dispatchEvent(new Event("pointerdown", { bubbles: true }));
    store.take({ cursor: 1, type: "mesh", subject: "ridge", data: mesh({ at: 101 }) });
    await settle(350);
    radio().dispatchEvent(new Event("pointerup", { bubbles: true }));
    await settle();
    expect(panel.element.querySelector("g[data-chosen]")?.getAttribute("data-node")).toBe("b");
    (radio() as HTMLElement).focus();
    const before = radio();
    store.take({ cursor: 2, type: "mesh", subject: "ridge", data: mesh({ at: 102 }) });
    await settle(350);
    expect(radio()).not.toBe(before);
    expect(document.activeElement).toBe(radio());
  });

  test("a radio that is chosen tells what it hears", () => {
    panel.element.querySelector('g[data-node="b"]')?.dispatchEvent(new Event("click", { bubbles: true }));
    expect(panel.element.querySelectorAll(".about tr").length).toBe(3);
    const facts = factsOf(node("x", { battery_percent: 80, readings: [{ key: "voltage", value: 3.981, unit: "V" }, { key: "own word", value: 1, unit: "" }] }));
    expect(facts).toEqual(["battery 80 %", "voltage 3.98 V", "own word 1"]);
    expect(figuresOf({ ...edge("a", "b", 0.5), snr_db: 12.34, rssi_dbm: -71, rate_bps: 6e6, age_s: 2 })[1]).toBe("12.3 dB, -71 dBm");
  });
});

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fromGcj, onMap, toGcj } from "../src/geo";
import { setLanguage } from "../src/i18n";
import { graticule } from "../src/graticule";
import { around, marks, trailLine } from "../src/mapdata";
import { MapPanel } from "../src/mappanel";
import { Store } from "../src/store";
import type { Device, Position } from "../src/types";
import { fakeApi, install, json } from "./fakes";

const position = (change: Partial<Position> = {}): Position => ({ device: "kit1/ball-1", channel: "ch1", longitude: 116.4, latitude: 39.9, datum: "WGS-84", source: "gnss", taken_at: 1000, accuracy_m: 5, speed_kmh: null, ...change });
const device = { id: "kit1/ball-1", name: "Ball", state: "online", channels: [{ key: "ch1", name: "Front", stream: "kit1/ball-1/ch1" }] } as unknown as Device;

beforeEach(() => setLanguage("en"));
afterEach(() => vi.unstubAllGlobals());

test("GCJ-02 is some hundred metres off in China, nothing elsewhere, and can be undone", () => {
  const beijing = toGcj([116.404, 39.915]);
  // A published pair of the same point in both datums.
  expect(beijing[0]).toBeCloseTo(116.41024449916938, 5);
  expect(beijing[1]).toBeCloseTo(39.91640428150164, 5);
  const back = fromGcj(beijing);
  expect(back[0]).toBeCloseTo(116.404, 7);
  expect(back[1]).toBeCloseTo(39.915, 7);
  expect(toGcj([2.35, 48.86])).toEqual([2.35, 48.86]);
});

test("a position is moved only where its datum and the map's differ", () => {
  expect(onMap([116.4, 39.9], "WGS-84", "wgs84")).toEqual([116.4, 39.9]);
  expect(onMap([116.4, 39.9], "GCJ-02", "gcj02")).toEqual([116.4, 39.9]);
  expect(onMap([116.4, 39.9], "CGCS2000", "gcj02")[0]).toBeGreaterThan(116.405);
  expect(onMap([116.4, 39.9], "GCJ-02", "wgs84")[0]).toBeLessThan(116.395);
});

test("marks carry name, age, accuracy, picture and how their device stands", () => {
  const devices = new Map([["kit1/ball-1", device]]);
  const [mark] = marks([position()], devices, "wgs84", 1060);
  expect(mark).toMatchObject({ id: "kit1/ball-1/ch1", title: "Ball / Front", tone: "live", words: "60 s ago · ±5 m", stream: "kit1/ball-1/ch1" });
  expect(marks([position()], devices, "wgs84", 9000)[0]?.tone).toBe("old");
  expect(marks([position()], new Map([["kit1/ball-1", { ...device, state: "offline" as const }]]), "wgs84", 1060)[0]?.tone).toBe("bad");
  expect(marks([position({ device: "kit9/x", channel: "" })], devices, "wgs84", 1060)[0]).toMatchObject({ title: "kit9/x", stream: "" });
  expect(marks([position({ longitude: Number.NaN })], devices, "wgs84", 0)).toEqual([]);
});

test("bare ground has lines of latitude and longitude, a handful of them at any height", () => {
  for (const wide of [0.001, 0.3, 4, 170]) {
    const lines = graticule({ west: 10, south: 20 - wide / 8, east: 10 + wide, north: 20 + wide / 8 });
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.length).toBeLessThan(40);
  }
  expect(graticule({ west: 0, south: -90, east: 60, north: 90 }).flat().every(([, lat]) => Math.abs(lat) <= 85)).toBe(true);
});

test("all are shown by the rectangle around them; trails run forward in time", () => {
  expect(around([])).toBeNull();
  expect(around([[1, 5], [3, 2]])).toEqual([1, 2, 3, 5]);
  expect(trailLine([position({ taken_at: 2, longitude: 2 }), position({ taken_at: 1, longitude: 1 })], "wgs84").map(([lon]) => lon)).toEqual([1, 2]);
});

test("the panel loads the library once, draws, fits, and says what is missing", async () => {
  install();
  const { api } = fakeApi((_, path) => (path === "/api/v1/map" ? json({ tiles: false, datum: "wgs84", attribution: "" }) : json([])));
  const store = new Store(api, () => undefined);
  const shown: string[][] = [];
  const fitted: unknown[] = [];
  const view = { show: (all: { id: string }[]) => shown.push(all.map((one) => one.id)), fit: (box: unknown) => fitted.push(box), resize: () => undefined, remove: () => undefined, trail: () => undefined };
  const made = vi.fn(async () => view);
  const panel = new MapPanel(store, () => undefined, async () => ({ MapView: { made } }) as never);
  document.body.replaceChildren(panel.element);
  panel.render();
  store.take({ cursor: 1, type: "position", subject: "kit1/ball-1/ch1", data: position() });
  await vi.waitFor(() => expect(shown.at(-1)).toEqual(["kit1/ball-1/ch1"]));
  expect(made).toHaveBeenCalledTimes(1);
  expect(fitted).toEqual([[116.4, 39.9, 116.4, 39.9]]);
  expect(panel.element.textContent).toContain("No base map");
  panel.stop();
});

test("what is picked on the map has its trail of a day, drawn forward in time", async () => {
  install();
  const asked: string[] = [];
  const { api } = fakeApi((_, path) => {
    asked.push(path);
    if (path === "/api/v1/map") return json({ tiles: true, datum: "wgs84", attribution: "" });
    return json(path.includes("/trail?") ? [position({ taken_at: 2, longitude: 2 }), position({ taken_at: 1, longitude: 1 })] : []);
  });
  const drawn: [number, number][][] = [];
  let pick: (mark: { id: string }) => HTMLElement = () => document.createElement("p");
  const view = { show: () => undefined, fit: () => undefined, resize: () => undefined, remove: () => undefined, trail: (points: [number, number][]) => drawn.push(points) };
  const made = vi.fn(async (_place: unknown, _info: unknown, picked: typeof pick) => {
    pick = picked;
    return view;
  });
  const panel = new MapPanel(new Store(api, () => undefined), () => undefined, async () => ({ MapView: { made } }) as never);
  document.body.replaceChildren(panel.element);
  panel.render();
  await vi.waitFor(() => expect(made).toHaveBeenCalledTimes(1));
  pick({ id: "kit7/ball-1/ch1" }).querySelector("button")?.click();
  await vi.waitFor(() => expect(drawn.at(0)?.map(([lon]) => lon)).toEqual([1, 2]));
  expect(asked.at(-1)).toMatch(/^\/api\/v1\/positions\/kit7\/ball-1\/trail\?since=\d+$/);
  panel.stop();
});

test("without WebGL the panel says so", async () => {
  install();
  const { api } = fakeApi(() => json([]));
  const panel = new MapPanel(new Store(api, () => undefined), () => undefined, async () => ({ MapView: { made: () => Promise.reject(new Error("no WebGL")) } }) as never);
  document.body.replaceChildren(panel.element);
  panel.render();
  await vi.waitFor(() => expect(panel.element.textContent).toContain("WebGL is missing"));
});

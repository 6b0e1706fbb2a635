import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Api, ApiError, keepAwake, ref, takeCode } from "../src/api";
import { Events } from "../src/events";
import { Store } from "../src/store";
import { FakeSocket, install } from "./fakes";

const hello = (cursor: number, epoch = "a") => ({ type: "hello", cursor, subject: "", data: { epoch } });
const notice = (cursor: number) => ({ type: "notice", cursor, subject: "", data: { code: "disk-low", detail: "", at: 0, cleared: false } });

beforeEach(() => {
  vi.useFakeTimers();
  install();
});
afterEach(() => vi.unstubAllGlobals());

describe("live events", () => {
  let told: string[];
  let events: Events;
  beforeEach(() => {
    told = [];
    events = new Events(
      {
        event: (event) => told.push(`${event.type} ${event.cursor}`),
        refresh: () => told.push("refresh"),
        connected: (yes) => told.push(yes ? "up" : "down"),
        signedOut: () => told.push("signed out"),
      },
      "wss://kit/api/v1/events",
    );
    events.start();
  });
  afterEach(() => events.stop());

  test("the lists are read once, then followed", () => {
    expect(FakeSocket.last.url).toBe("wss://kit/api/v1/events");
    FakeSocket.last.tell(hello(5));
    FakeSocket.last.tell(notice(6));
    expect(told).toEqual(["up", "refresh", "notice 6"]);
  });

  test("after an outage it goes on from its cursor, without reading the lists again", async () => {
    FakeSocket.last.tell(hello(5));
    FakeSocket.last.tell(notice(6));
    FakeSocket.last.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(400);
    expect(FakeSocket.last.url).toBe("wss://kit/api/v1/events?cursor=6");
    FakeSocket.last.tell(hello(9));
    FakeSocket.last.tell(notice(7));
    expect(told).toEqual(["up", "refresh", "notice 6", "down", "up", "notice 7"]);
  });

  test("a gateway that began anew is read anew", async () => {
    FakeSocket.last.tell(hello(500));
    FakeSocket.last.onclose?.({ code: 1012 });
    await vi.advanceTimersByTimeAsync(400);
    FakeSocket.last.tell(hello(700, "b"));
    expect(told.filter((one) => one === "refresh")).toHaveLength(2);
    expect(events.cursor).toBe(700);
  });

  test("what was missed is read anew", () => {
    FakeSocket.last.tell(hello(5));
    FakeSocket.last.tell({ type: "missed", data: { events: 17 } });
    expect(told.at(-1)).toBe("refresh");
    expect(events.cursor).toBe(5);
  });

  test("a socket without an answer to its pings is replaced", async () => {
    FakeSocket.last.onopen?.();
    FakeSocket.last.tell(hello(5));
    await vi.advanceTimersByTimeAsync(85000);
    expect(FakeSocket.all.length).toBeGreaterThan(1);
  });

  test("an ended session is said, and not tried again", async () => {
    FakeSocket.last.onclose?.({ code: 4401 });
    await vi.advanceTimersByTimeAsync(60000);
    expect(told).toEqual(["down", "signed out"]);
    expect(FakeSocket.all).toHaveLength(1);
  });
});

test("the store keeps its lists true by events", async () => {
  const api = new Api();
  const store = new Store(api, () => undefined);
  const seen: string[] = [];
  store.on("directory", () => seen.push("directory"));
  const event = (type: string, subject: string, data: unknown, gone = false) => store.take({ cursor: 1, type, subject, data, gone });
  event("stream", "s", { id: "s", state: "live" });
  event("stream", "s", { id: "s", state: "stalled" });
  event("ptz", "s", { name: "wang" });
  await Promise.resolve();
  expect(seen).toEqual(["directory"]); // once, however many events came
  expect(store.streams.get("s")?.state).toBe("stalled");
  expect(store.holders.get("s")?.name).toBe("wang");
  event("ptz", "s", { name: "wang" }, true);
  event("stream", "s", null, true);
  expect([store.holders.size, store.streams.size]).toEqual([0, 0]);
  event("alarm", "", { id: "1", repeats: 0 });
  event("alarm", "", { id: "2", repeats: 0 });
  event("alarm", "", { id: "1", repeats: 1 });
  expect(store.alarms.map((alarm) => [alarm.id, alarm.repeats])).toEqual([["1", 1], ["2", 0]]);
  const knock = { scheme: "gb28181", external_id: "9", attempts: 1 };
  event("pending", "", knock);
  event("pending", "", { ...knock, attempts: 2 });
  expect(store.pending).toHaveLength(1);
  event("pending", "", knock, true);
  expect(store.pending).toHaveLength(0);
});

describe("the API", () => {
  const answer = (status: number, body: unknown) => vi.fn(async () => new Response(JSON.stringify(body), { status }));

  test("orders carry the page's proof; reading does not", async () => {
    const fetched = answer(200, { outcome: "done" });
    vi.stubGlobal("fetch", fetched);
    const api = new Api();
    api.who = { name: "w", role: "operator", scope: "", csrf: "proof" };
    await api.order("ptz.stop", "kit1/b/ch1");
    await api.get("/api/v1/streams", { background: true });
    const [order, reading] = fetched.mock.calls as unknown as [string, RequestInit & { headers: Record<string, string> }][];
    expect(order?.[1].headers["X-CSRF-Token"]).toBe("proof");
    expect(JSON.parse(String(order?.[1].body))).toEqual({ action: "ptz.stop", target: "kit1/b/ch1", args: {} });
    expect(reading?.[1].headers).toEqual({ "X-Fieldgate-Background": "1" });
  });

  test("an ended session is told once; other errors keep their words", async () => {
    const words = { en: "x", zh: "y" };
    vi.stubGlobal("fetch", answer(401, { code: "unauthenticated", cause: words, cure: words }));
    const api = new Api();
    const ended = vi.fn();
    api.onSignedOut = ended;
    api.who = { name: "w", role: "viewer", scope: "", csrf: "p" };
    await expect(api.get("/api/v1/streams")).rejects.toThrow(ApiError);
    await expect(api.get("/api/v1/streams")).rejects.toThrow(ApiError);
    expect(ended).toHaveBeenCalledTimes(1);
    expect(await api.resume()).toBeNull();
  });

  test("after another tab signed in, the proof is read anew and the order repeated once", async () => {
    const words = { en: "x", zh: "y" };
    const asked: [string, string | undefined][] = [];
    vi.stubGlobal("fetch", async (path: string, init: RequestInit & { headers: Record<string, string> }) => {
      const proof = init.headers["X-CSRF-Token"];
      asked.push([path, proof]);
      if (path.endsWith("/me")) return new Response(JSON.stringify({ name: "w", role: "operator", scope: "", csrf: "new" }));
      const good = proof === "new" && path !== "/never";
      return new Response(JSON.stringify(good ? {} : { code: "csrf", cause: words, cure: words }), { status: good ? 200 : 403 });
    });
    const api = new Api();
    api.who = { name: "w", role: "operator", scope: "", csrf: "old" };
    await api.order("ptz.stop", "s");
    expect(asked).toEqual([["/api/v1/commands", "old"], ["/api/v1/auth/me", undefined], ["/api/v1/commands", "new"]]);
    await expect(api.post("/never", {})).rejects.toThrow(ApiError);
    expect(asked).toHaveLength(6); // not again and again
  });

  test("a person at the page keeps the session, at most once a minute", async () => {
    const fetched = answer(200, {});
    vi.stubGlobal("fetch", fetched);
    const api = new Api();
    keepAwake(api);
    await vi.advanceTimersByTimeAsync(61000);
    window.dispatchEvent(new Event("keydown"));
    expect(fetched).not.toHaveBeenCalled(); // nobody is signed in
    api.who = { name: "w", role: "viewer", scope: "", csrf: "p" };
    window.dispatchEvent(new Event("pointerdown"));
    window.dispatchEvent(new Event("keydown"));
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(fetched.mock.calls[0]).toMatchObject(["/api/v1/auth/me", { headers: {} }]);
  });

  test("no network and half an answer have words as well", async () => {
    vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(new TypeError("network"))));
    const api = new Api();
    const problem = await api.get("/x").catch((error: ApiError) => error.problem);
    expect(problem).toMatchObject({ status: 0, code: "link-down" });
    vi.stubGlobal("fetch", vi.fn(async () => new Response("<html>", { status: 502 })));
    expect(await api.get("/x").catch((error: ApiError) => error.problem)).toMatchObject({ status: 502, detail: "HTTP 502" });
  });

  test("a link's code leaves the address bar at once", () => {
    const past = { replaceState: vi.fn() };
    const place = { hash: "#code=ab-cd", pathname: "/play/kit1/ball-1/ch1", search: "" };
    expect(takeCode(place as Location, past as unknown as History)).toBe("ab-cd");
    expect(past.replaceState).toHaveBeenCalledWith(null, "", "/play/kit1/ball-1/ch1");
    expect(takeCode({ ...place, hash: "" } as Location, past as unknown as History)).toBe("");
    expect(ref("kit1/a b/ch?1")).toBe("kit1/a%20b/ch%3F1");
  });
});

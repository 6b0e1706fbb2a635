import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { STALL_MS, WhepPlayer, iceServers, retryDelay } from "../src/whep";
import { Tile } from "../src/tile";
import { type Answer, FakePeer, created, fakeApi, install, json, problem } from "./fakes";

const SAYS_NOTHING = { state: "connected", code: "", cause: null, cure: null };

describe("the player", () => {
  let answer: Answer;
  let calls: [string, string][];
  let player: WhepPlayer;
  let phases: string[];
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  /** Frames come for a while. */
  const play = async (ms: number): Promise<void> => {
    for (let gone = 0; gone < ms; gone += 250) {
      FakePeer.last.frames += 6;
      await pass(250);
    }
  };

  beforeEach(() => {
    vi.useFakeTimers();
    install();
    let sessions = 0;
    answer = (method, path) => {
      if (method === "POST" && path.startsWith("/whep/")) return created(String(++sessions));
      if (method === "GET") return json(SAYS_NOTHING);
      return new Response(null, { status: 200 });
    };
    const made = fakeApi((...args) => answer(...args));
    calls = made.calls;
    phases = [];
    player = new WhepPlayer(made.api, "kit1/ball-1/ch1", {
      state: (state) => phases.at(-1) !== state.phase && phases.push(state.phase),
      figures: () => undefined,
      media: () => undefined,
    });
    player.start();
  });
  afterEach(() => {
    player.stop();
    vi.unstubAllGlobals();
  });

  test("goes live, and counts the first frame from the start", async () => {
    await pass(100);
    FakePeer.last.become("connected");
    await pass(400);
    await play(500);
    expect(phases).toEqual(["opening", "connecting", "key-frame", "live"]);
    expect(player.state.firstFrameMs).toBeGreaterThan(0);
    expect(calls[0]).toEqual(["POST", "/whep/kit1/ball-1/ch1"]);
  });

  test("an outage of the source stalls, says why, and goes on in the same connection", async () => {
    await pass(0);
    FakePeer.last.become("connected");
    await play(1000);
    const offline = { state: "connected", code: "device-offline", cause: { en: "off", zh: "离线" }, cure: { en: "on", zh: "开" } };
    answer = (method) => (method === "GET" ? json(offline) : new Response(null));
    await pass(STALL_MS + 2000);
    expect(player.state.phase).toBe("stalled");
    expect(player.state.code).toBe("device-offline");
    expect(player.state.cause?.zh).toBe("离线");
    await pass(60000);
    expect(FakePeer.all).toHaveLength(1);
    await play(1000);
    expect(player.state).toMatchObject({ phase: "live", code: "", cause: null });
  });

  test("a dead path is given up after two seconds and made anew", async () => {
    await pass(0);
    FakePeer.last.become("connected");
    await play(1000);
    FakePeer.last.become("disconnected");
    await pass(1000);
    expect(FakePeer.all).toHaveLength(1);
    await pass(2500);
    expect(FakePeer.all).toHaveLength(2);
    expect(FakePeer.open).toBe(1);
    expect(player.state.phase).toBe("reconnecting");
    expect(player.state.lastFrameAt).not.toBeNull();
    expect(calls).toContainEqual(["DELETE", "/whep-session/1"]);
    FakePeer.last.become("connected");
    await play(500);
    expect(player.state.phase).toBe("live");
  });

  test("a short disturbance is not a reason to begin anew", async () => {
    await pass(0);
    FakePeer.last.become("connected");
    await play(500);
    FakePeer.last.become("disconnected");
    await pass(1500);
    FakePeer.last.become("connected");
    await play(3000);
    expect(FakePeer.all).toHaveLength(1);
  });

  test("a session that the gateway no longer knows is made anew", async () => {
    await pass(0);
    FakePeer.last.become("connected");
    await play(500);
    let asked = 0;
    answer = (method) => {
      if (method === "GET") return problem(404, "not-found");
      return method === "POST" ? created(`n${++asked}`) : new Response(null);
    };
    await pass(STALL_MS + 2500);
    expect(asked).toBeGreaterThan(0);
  });

  test("a gateway that is away is asked again and again, ever more slowly, and found when it is back", async () => {
    player.stop();
    answer = () => problem(0, "link-down");
    player.start();
    await pass(60000);
    const tries = calls.filter(([method]) => method === "POST").length;
    expect(tries).toBeGreaterThan(8);
    expect(tries).toBeLessThan(20);
    expect(player.state.cause?.en).toBe("link-down cause");
    expect(FakePeer.open).toBe(0);
    answer = (method) => (method === "POST" ? created("9") : json(SAYS_NOTHING));
    await pass(9000);
    FakePeer.last.become("connected");
    await play(500);
    expect(player.state.phase).toBe("live");
  });

  test("the network's return is not waited for", async () => {
    player.stop();
    answer = () => problem(0, "link-down");
    player.start();
    await pass(30000);
    answer = (method) => (method === "POST" ? created("9") : json(SAYS_NOTHING));
    const before = calls.length;
    window.dispatchEvent(new Event("online"));
    await pass(0);
    expect(calls.slice(before)).toContainEqual(["POST", "/whep/kit1/ball-1/ch1"]);
  });

  test("a network change while the picture runs disturbs nothing", async () => {
    await pass(0);
    FakePeer.last.become("connected");
    await play(1000);
    window.dispatchEvent(new Event("online"));
    await play(500);
    expect(FakePeer.all).toHaveLength(1);
  });

  test("a codec that can not be played is said and seldom asked again", async () => {
    player.stop();
    calls.length = 0;
    answer = () => problem(406, "codec-unsupported");
    player.start();
    await pass(14000);
    expect(calls.filter(([method]) => method === "POST")).toHaveLength(1);
    expect(player.state.code).toBe("codec-unsupported");
  });

  test("leaving tells the gateway and lets go of everything", async () => {
    await pass(0);
    player.stop();
    await pass(30000);
    expect(calls.at(-1)).toEqual(["DELETE", "/whep-session/1"]);
    expect(FakePeer.open).toBe(0);
    expect(player.state.phase).toBe("closed");
  });

  test("leaving while the answer is on its way ends that session too", async () => {
    let late: (response: Response) => void = () => undefined;
    player.stop();
    const { api, calls: asked } = fakeApi(() => new Response(null));
    const send = api.send.bind(api);
    api.send = (method, path, options) =>
      method === "POST" ? new Promise((resolve) => (late = resolve)) : send(method, path, options);
    const other = new WhepPlayer(api, "s", { state: () => undefined, figures: () => undefined, media: () => undefined });
    other.start();
    await pass(0);
    other.stop();
    late(created("late"));
    await pass(0);
    expect(asked).toContainEqual(["DELETE", "/whep-session/late"]);
  });

  test("ICE servers of the answer are used by the next connection", async () => {
    player.stop();
    const link = '<turn:10.0.0.1:3478?transport=udp>; rel="ice-server"; username="u"; credential="p\\"q"; credential-type="password"';
    answer = (method) => (method === "POST" ? created("1", { Link: link }) : json(SAYS_NOTHING));
    player.start();
    await pass(0);
    FakePeer.last.become("failed");
    await pass(1000);
    expect(FakePeer.last.config.iceServers).toEqual([{ urls: "turn:10.0.0.1:3478?transport=udp", username: "u", credential: 'p"q' }]);
  });
});

test("waits grow to a limit; what can not be cured by asking waits long", () => {
  expect([0, 1, 2, 3, 9, 99].map((failures) => retryDelay(failures, "ice-failed"))).toEqual([300, 600, 1200, 2400, 8000, 8000]);
  expect(retryDelay(0, "b-frames")).toBe(15000);
  expect([0, 2, 3].map((failures) => retryDelay(failures, "not-found"))).toEqual([1000, 1000, 15000]);
});

test("Link headers that are no ICE servers are passed over", () => {
  expect(iceServers(null)).toEqual([]);
  expect(iceServers('</style.css>; rel="preload", <stun:10.0.0.1>; rel="ice-server", <javascript:x>; rel="ice-server"')).toEqual([
    { urls: "stun:10.0.0.1" },
  ]);
});

describe("the tile", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    install();
  });
  afterEach(() => vi.unstubAllGlobals());

  test("a placeholder frame of two by two is no picture", async () => {
    const { api } = fakeApi((method) => (method === "POST" ? created("1") : json(SAYS_NOTHING)));
    const tile = new Tile(api, "s", { title: () => "x", status: () => null });
    const frames: (() => void)[] = [];
    Object.assign(tile.video, { requestVideoFrameCallback: (shown: () => void) => frames.push(shown) });
    let width = 2;
    Object.defineProperty(tile.video, "srcObject", { value: null, writable: true });
    Object.defineProperty(tile.video, "videoWidth", { get: () => width });
    tile.start();
    await vi.advanceTimersByTimeAsync(0);
    frames.shift()?.();
    expect(tile.player.state.phase).not.toBe("live");
    width = 1280;
    frames.shift()?.();
    expect(tile.player.state.phase).toBe("live");
    expect(tile.element.dataset["tone"]).toBe("live");
    tile.stop();
  });
});

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Options } from "../src/api";
import { TalkLine } from "../src/line";
import { Microphone, troubleOf } from "../src/mic";
import { FakePeer, FakeTrack, fakeApi, install, json, microphone, problem } from "./fakes";

let line: TalkLine;
let calls: [string, string][];
let posts: Options[];
let session: Record<string, unknown>;
let refusal: string;
const settle = () => vi.advanceTimersByTimeAsync(0);

function open(talks = true): TalkLine {
  const made = fakeApi((method, _path, options) => {
    if (method === "POST") {
      posts.push(options);
      if (refusal) return problem(403, refusal);
      return new Response("v=0 answer", { status: 201, headers: { Location: `/talk-session/${posts.length}`, "Fieldgate-Member": "browser:7f3a" } });
    }
    return method === "GET" ? json(session) : json({});
  });
  calls = made.calls;
  line = new TalkLine(made.api, new Microphone(), "kit1/talk/ops", talks, { changed: () => undefined });
  return line;
}

beforeEach(() => {
  vi.useFakeTimers();
  install();
  microphone();
  posts = [];
  session = { state: "connected", code: "", group: "kit1/talk/ops", member: "browser:7f3a" };
  refusal = "";
});
afterEach(() => {
  line.stop();
  vi.unstubAllGlobals();
});

async function joined(talks = true): Promise<TalkLine> {
  const made = open(talks);
  await made.start();
  await settle();
  FakePeer.last.become("connected");
  return made;
}

test("joins both ways with the microphone shut, and knows its member", async () => {
  await joined();
  expect(calls[0]).toEqual(["POST", "/talk/kit1/talk/ops"]);
  expect(line.state.phase).toBe("up");
  expect(line.member).toBe("browser:7f3a");
  const { given, direction } = FakePeer.last.transceivers[0] ?? {};
  expect(direction).toBe("sendrecv");
  expect((given as FakeTrack).enabled).toBe(false);
  line.speak(true);
  expect((given as FakeTrack).enabled).toBe(true);
});

test("a viewer opens no microphone", async () => {
  const { asked } = microphone();
  await joined(false);
  expect(asked).toEqual([]);
  expect(FakePeer.last.transceivers[0]).toEqual({ given: "audio", direction: "recvonly" });
});

test("a conversation's own id is learnt from the session", async () => {
  session["group"] = "kit1/talk/call-3";
  await joined();
  await settle();
  expect(line.group).toBe("kit1/talk/call-3");
});

test("stop tells the gateway and lets the microphone go", async () => {
  await joined();
  line.stop();
  await settle();
  expect(calls.at(-1)).toEqual(["DELETE", "/talk-session/1"]);
  expect(FakePeer.last.closed).toBe(true);
  expect(FakeTrack.all.at(-1)?.stopped).toBe(true);
});

describe("what comes back and what does not", () => {
  test("a path that failed: a new offer takes the own seat over, and the old session is not deleted", async () => {
    await joined();
    FakePeer.last.become("failed");
    await vi.advanceTimersByTimeAsync(1000);
    expect(posts).toHaveLength(2);
    expect(posts[1]?.headers).toEqual({ "Fieldgate-Member": "browser:7f3a" });
    expect(calls.some(([method]) => method === "DELETE")).toBe(false);
    FakePeer.last.become("connected");
    expect(line.state.phase).toBe("up");
  });

  test("the gateway took the seat away: it ends, with its words", async () => {
    await joined();
    session = { ...session, state: "closed", code: "talk-removed", cause: { en: "Removed.", zh: "已移出。" }, cure: { en: "Ask.", zh: "请询问。" } };
    FakePeer.last.become("closed");
    await vi.advanceTimersByTimeAsync(20000);
    expect(line.state).toMatchObject({ phase: "ended", code: "talk-removed", cause: { en: "Removed." } });
    expect(posts).toHaveLength(1);
  });

  test("a refusal is said and not asked again", async () => {
    refusal = "group-full";
    await open().start();
    await vi.advanceTimersByTimeAsync(20000);
    expect(line.state).toMatchObject({ phase: "ended", code: "group-full" });
    expect(posts).toHaveLength(1);
  });

  test("an unreachable gateway is tried again with growing waits", async () => {
    refusal = "link-down";
    await open().start();
    await vi.advanceTimersByTimeAsync(1000);
    expect(posts.length).toBeGreaterThan(1);
    refusal = "";
    await vi.advanceTimersByTimeAsync(3000);
    FakePeer.last.become("connected");
    expect(line.state.phase).toBe("up");
  });
});

describe("a microphone that is not to be had", () => {
  test.each([
    ["NotAllowedError", "micDenied"],
    ["NotFoundError", "micNone"],
    ["NotReadableError", "micInUse"],
    ["TypeError", "micFailed"],
  ])("%s: one listens, and reads why", async (name, trouble) => {
    microphone(name);
    await joined();
    expect(line.state).toMatchObject({ phase: "up", mic: trouble });
    expect(FakePeer.last.transceivers[0]).toEqual({ given: "audio", direction: "sendrecv" });
  });

  test("no mediaDevices: the page was not opened by HTTPS", async () => {
    vi.stubGlobal("navigator", { languages: ["en"] });
    await joined();
    expect(line.state.mic).toBe("micInsecure");
  });

  test("plugged in later, it is used in the same session", async () => {
    microphone("NotFoundError");
    await joined();
    microphone();
    line.speak(true);
    await line.newMicrophone();
    expect(line.state.mic).toBeNull();
    const track = FakePeer.last.senders[0]?.track as FakeTrack;
    expect(track.enabled).toBe(true);
    expect(posts).toHaveLength(1);
  });
});

test("names of getUserMedia's errors", () => {
  expect(troubleOf(null)).toBe("micFailed");
  expect(troubleOf(Object.assign(new Error(), { name: "SecurityError" }))).toBe("micDenied");
});

test("without treatment for headsets that have their own", async () => {
  const { asked } = microphone();
  const mic = new Microphone();
  mic.choose("h", true);
  await mic.track();
  expect(asked[0]?.audio).toMatchObject({ echoCancellation: false, noiseSuppression: false, deviceId: { ideal: "h" } });
  expect((await mic.devices()).map((one) => one.deviceId)).toEqual(["h"]);
  mic.choose("", false);
});

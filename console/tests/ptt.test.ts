import { beforeEach, describe, expect, test, vi } from "vitest";
import { Ptt, READ_MS, RENEW_MS, type PttState } from "../src/ptt";
import type { FloorAnswer, FloorWord } from "../src/types";
import { problem } from "./fakes";

const word = (answer: FloorAnswer, more: Partial<FloorWord> = {}): FloorWord => ({ member: "browser:1", answer, code: "", detail: "", position: 0, ...more });

describe("push to talk", () => {
  let given: string[];
  let waiting: { done(word: FloorWord | null): void; failed(error: unknown): void }[];
  let seen: PttState[];
  let ptt: Ptt;
  const settle = () => vi.advanceTimersByTimeAsync(0);
  const answer = async (said: FloorWord | null = null): Promise<void> => {
    waiting.shift()?.done(said);
    await settle();
  };

  beforeEach(() => {
    vi.useFakeTimers();
    given = [];
    waiting = [];
    seen = [];
    const ask = (name: string) =>
      new Promise<FloorWord | null>((done, failed) => {
        given.push(name);
        waiting.push({ done, failed });
      });
    ptt = new Ptt({ request: (emergency) => ask(emergency ? "emergency" : "request"), release: () => ask("release") }, (state) => seen.push(state));
  });

  test("a press asks, is granted, asks again each second, and the release is the last", async () => {
    ptt.press();
    expect(ptt.state.phase).toBe("asking");
    await answer(word("granted"));
    expect(ptt.state.phase).toBe("granted");
    await vi.advanceTimersByTimeAsync(RENEW_MS);
    await answer(word("granted"));
    await vi.advanceTimersByTimeAsync(RENEW_MS);
    await answer();
    expect(given).toEqual(["request", "request", "request"]);
    ptt.release();
    expect(ptt.state.phase).toBe("idle");
    await answer();
    expect(given.at(-1)).toBe("release");
    await vi.advanceTimersByTimeAsync(10 * RENEW_MS);
    expect(given).toHaveLength(4);
  });

  test("let go before the answer: the release waits for the request on its way", async () => {
    ptt.press();
    ptt.release();
    expect(given).toEqual(["request"]);
    await answer(word("granted"));
    expect(ptt.state.phase).toBe("idle");
    await answer();
    expect(given).toEqual(["request", "release"]);
  });

  test("on a slow link the next request goes out when the last was answered, never two at a time", async () => {
    ptt.press();
    await vi.advanceTimersByTimeAsync(2.5 * RENEW_MS);
    expect(given).toHaveLength(1);
    await answer(word("granted"));
    expect(given).toHaveLength(2);
  });

  test("queued, then granted by an event; an answer that is older than the event does not undo it", async () => {
    ptt.press();
    await answer(word("queued", { position: 2 }));
    expect(ptt.state).toMatchObject({ phase: "queued", position: 2 });
    await vi.advanceTimersByTimeAsync(RENEW_MS);
    ptt.word(word("granted"));
    await answer(word("queued", { position: 1 }));
    expect(ptt.state.phase).toBe("granted");
  });

  test("denied stays until the key is let go, and is not asked again", async () => {
    ptt.press();
    await answer(word("denied", { code: "listen-only" }));
    expect(ptt.state).toMatchObject({ phase: "denied", code: "listen-only" });
    await vi.advanceTimersByTimeAsync(5 * RENEW_MS);
    expect(given).toEqual(["request"]);
    ptt.release();
    await answer();
    expect(ptt.state.phase).toBe("denied"); // to be read
    await vi.advanceTimersByTimeAsync(READ_MS);
    expect(ptt.state.phase).toBe("idle");
    expect(given).toEqual(["request", "release"]);
  });

  test("revoked while it is held: said, with its reason, and not asked again", async () => {
    ptt.press();
    await answer(word("granted"));
    ptt.word(word("revoked", { code: "talk-timer" }));
    expect(ptt.state).toMatchObject({ phase: "revoked", code: "talk-timer" });
    await vi.advanceTimersByTimeAsync(5 * RENEW_MS);
    expect(given).toEqual(["request"]);
  });

  test("a refused order is a denial with its words", async () => {
    ptt.press();
    waiting.shift()?.failed(problem(403, "talk-denied"));
    await settle();
    expect(ptt.state).toMatchObject({ phase: "denied", code: "talk-denied" });
    expect(ptt.state.cause?.en).toBe("talk-denied cause");
  });

  test("an emergency over a press that is held asks at once", async () => {
    ptt.press();
    await answer(word("queued", { position: 1 }));
    ptt.press(true);
    await settle();
    expect(given).toEqual(["request", "emergency"]);
    await answer(word("granted"));
    expect(ptt.state).toMatchObject({ phase: "granted", emergency: true });
  });

  test("words that come after the release change nothing", async () => {
    ptt.press();
    await answer(word("granted"));
    ptt.release();
    ptt.word(word("revoked"));
    expect(ptt.state.phase).toBe("idle");
  });

  test("pressed again before the release went out: it is still one press for the gateway", async () => {
    ptt.press();
    ptt.release();
    ptt.press();
    await answer(word("granted"));
    await answer(word("granted"));
    expect(given).toEqual(["request", "request"]);
    expect(ptt.state.phase).toBe("granted");
  });
});

import { beforeEach, describe, expect, test, vi } from "vitest";
import { Hold, RENEW_MS, keysToDirection } from "../src/hold";

type Given = [string, Record<string, number>];

describe("hold to move", () => {
  let given: Given[];
  let answers: (() => void)[];
  let hold: Hold;
  /** Answer the order that is on its way. */
  const answer = async (): Promise<void> => {
    answers.shift()?.();
    await vi.advanceTimersByTimeAsync(0);
  };

  beforeEach(() => {
    vi.useFakeTimers();
    given = [];
    answers = [];
    hold = new Hold((action, args) => {
      given.push([action, args]);
      return new Promise((resolve) => answers.push(resolve));
    });
  });

  test("a press is an order, renewed while it lasts, and a release stops", async () => {
    hold.press({ pan: 0.5, tilt: 0 });
    expect(given).toEqual([["ptz.move", { pan: 0.5, tilt: 0, zoom: 0, hold_s: (RENEW_MS * 4) / 1000 }]]);
    await answer();
    await vi.advanceTimersByTimeAsync(RENEW_MS);
    await answer();
    await vi.advanceTimersByTimeAsync(RENEW_MS);
    await answer();
    expect(given).toHaveLength(3);
    hold.release();
    await answer();
    expect(given.at(-1)).toEqual(["ptz.stop", {}]);
    await vi.advanceTimersByTimeAsync(10 * RENEW_MS);
    expect(given).toHaveLength(4);
  });

  test("a stop waits for the move on its way, and is the last", async () => {
    hold.press({ pan: 1 });
    hold.release();
    expect(given.map(([action]) => action)).toEqual(["ptz.move"]);
    await answer();
    await answer();
    expect(given.map(([action]) => action)).toEqual(["ptz.move", "ptz.stop"]);
  });

  test("on a slow link presses do not queue up: the newest counts", async () => {
    hold.press({ pan: 1 });
    hold.press({ pan: 1, tilt: 1 });
    hold.press({ tilt: 1 });
    await answer();
    await answer();
    expect(given).toHaveLength(2);
    expect(given[1]?.[1]).toMatchObject({ pan: 0, tilt: 1 });
  });

  test("a lens move stops as a lens", async () => {
    hold.press({ focus: -0.5 });
    await answer();
    hold.release();
    await answer();
    expect(given).toEqual([
      ["ptz.lens", { focus: -0.5, iris: 0 }],
      ["ptz.lens", { focus: 0, iris: 0 }],
    ]);
  });

  test("from arrow to lens the camera is stopped between", async () => {
    hold.press({ pan: 1 });
    await answer();
    hold.press({ iris: 1 });
    await answer();
    await answer();
    expect(given.map(([action]) => action)).toEqual(["ptz.move", "ptz.stop", "ptz.lens"]);
  });

  test("a refusal is not asked again until the next press", async () => {
    let tries = 0;
    hold = new Hold(() => {
      tries += 1;
      return Promise.reject(new Error("ptz-held"));
    });
    hold.press({ pan: 1 });
    await vi.advanceTimersByTimeAsync(10 * RENEW_MS);
    expect(tries).toBe(1);
    hold.release();
    await vi.advanceTimersByTimeAsync(0);
    expect(tries).toBe(1);
    hold.press({ pan: 1 });
    expect(tries).toBe(2);
  });

  test("a release without a press gives no order", () => {
    hold.release();
    hold.press({ pan: 0, tilt: 0 });
    expect(given).toEqual([]);
  });
});

test("keys give a direction; opposite ones cancel out", () => {
  expect(keysToDirection(new Set(["ArrowUp", "ArrowRight"]), 0.5)).toEqual({ pan: 0.5, tilt: 0.5, zoom: 0 });
  expect(keysToDirection(new Set(["ArrowLeft", "ArrowRight", "-"]), 1)).toEqual({ pan: 0, tilt: 0, zoom: -1 });
});

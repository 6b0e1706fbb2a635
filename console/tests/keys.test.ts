import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TalkKey } from "../src/keys";

let ended: AbortController;
let said: string[];
let mine: boolean;
let button: HTMLButtonElement;

const space = (kind: string, more: KeyboardEventInit = {}, at: EventTarget = window) => {
  const event = new KeyboardEvent(kind, { key: " ", code: "Space", bubbles: true, cancelable: true, ...more });
  at.dispatchEvent(event);
  return event;
};
const pointer = (kind: string, id = 1) => button.dispatchEvent(Object.assign(new Event(kind, { cancelable: true }), { pointerId: id, button: 0 }));

beforeEach(() => {
  ended = new AbortController();
  said = [];
  mine = true;
  button = document.createElement("button");
  button.setPointerCapture = vi.fn();
  document.body.append(button);
  const key = new TalkKey(() => said.push("down"), () => said.push("up"), () => mine, ended.signal);
  key.watch(button);
});
afterEach(() => {
  ended.abort();
  document.body.replaceChildren();
});

test("the space bar is one press however often it repeats, and scrolls nothing", () => {
  expect(space("keydown").defaultPrevented).toBe(true);
  space("keydown", { repeat: true });
  space("keydown", { repeat: true });
  space("keyup");
  expect(said).toEqual(["down", "up"]);
});

test.each(["input", "textarea", "select"])("typing in a field (%s) does not talk", (tag) => {
  const field = document.createElement(tag);
  document.body.append(field);
  expect(space("keydown", {}, field).defaultPrevented).toBe(false);
  space("keyup", {}, field);
  expect(said).toEqual([]);
});

test("a button that has the focus talks and is not clicked", () => {
  expect(space("keydown", {}, button).defaultPrevented).toBe(true);
  expect(space("keyup", {}, button).defaultPrevented).toBe(true);
  expect(said).toEqual(["down", "up"]);
});

test("a box that was just ticked does not keep the space bar", () => {
  const box = Object.assign(document.createElement("input"), { type: "checkbox" });
  document.body.append(box);
  expect(space("keydown", {}, box).defaultPrevented).toBe(true);
  expect(space("keyup", {}, box).defaultPrevented).toBe(true);
  expect(said).toEqual(["down", "up"]);
});

test("without a group, and with control keys, the space bar is the browser's", () => {
  space("keydown", { ctrlKey: true });
  mine = false;
  expect(space("keydown").defaultPrevented).toBe(false);
  expect(said).toEqual([]);
});

test.each(["blur", "pagehide"])("%s lets go", (kind) => {
  space("keydown");
  window.dispatchEvent(new Event(kind));
  expect(said).toEqual(["down", "up"]);
  space("keyup"); // comes late: nothing is held any more
  expect(said).toHaveLength(2);
});

test("a page that is hidden lets go", () => {
  space("keydown");
  vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  document.dispatchEvent(new Event("visibilitychange"));
  vi.restoreAllMocks();
  expect(said).toEqual(["down", "up"]);
});

test.each(["pointerup", "pointercancel", "lostpointercapture"])("a finger holds until %s", (end) => {
  pointer("pointerdown");
  expect(button.setPointerCapture).toHaveBeenCalledWith(1);
  pointer(end);
  pointer("lostpointercapture");
  expect(said).toEqual(["down", "up"]);
});

test("two fingers and the space bar are one press until the last is gone", () => {
  pointer("pointerdown", 1);
  pointer("pointerdown", 2);
  space("keydown");
  pointer("pointerup", 1);
  space("keyup");
  expect(said).toEqual(["down"]);
  pointer("pointerup", 2);
  expect(said).toEqual(["down", "up"]);
});

test("a page that is taken down lets go", () => {
  space("keydown");
  ended.abort();
  expect(said).toEqual(["down", "up"]);
});

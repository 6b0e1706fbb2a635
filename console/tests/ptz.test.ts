import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PtzPad } from "../src/ptz";
import { Store } from "../src/store";
import { ApiError } from "../src/api";
import { fakeApi, install, json, problem } from "./fakes";

const PICTURE = {
  levels: [
    { name: "brightness", low: 0, high: 200, now: 0.25 },
    { name: "sharpness", low: -5, high: 5, now: null },
  ],
  modes: ["day", "night"],
  day_night: "day",
};
let orders: { action: string; target: string; args: Record<string, unknown> }[];
let refuse: string;
let picture: object | null;
let pad: PtzPad;
let store: Store;
const settle = () => vi.advanceTimersByTimeAsync(0);
const key = (kind: string, name: string) => window.dispatchEvent(new KeyboardEvent(kind, { key: name }));

beforeEach(() => {
  vi.useFakeTimers();
  install();
  orders = [];
  refuse = "";
  picture = PICTURE;
  const { api } = fakeApi((_, path) => (path.endsWith("/picture") ? (picture === null ? problem(422, "no-picture-setting") : json(picture)) : json({ holder: null, presets: [{ number: 2, name: "Gate" }] })));
  api.who = { name: "wang", role: "operator", scope: "", csrf: "" };
  api.order = (action, target, args = {}) => {
    orders.push({ action, target, args });
    return refuse ? Promise.reject<never>(problem(409, refuse) satisfies ApiError) : Promise.resolve();
  };
  store = new Store(api, () => undefined);
  pad = new PtzPad(store);
  document.body.append(pad.element);
  pad.show("kit1/ball-1/ch1");
});
afterEach(() => {
  pad.stop();
  pad.element.remove();
  vi.unstubAllGlobals();
});

test("an arrow key moves while it is held, once for all its repeats", async () => {
  key("keydown", "ArrowLeft");
  window.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", repeat: true }));
  await settle();
  key("keyup", "ArrowLeft");
  await settle();
  expect(orders.map((order) => order.action)).toEqual(["ptz.move", "ptz.stop"]);
  expect(orders[0]).toMatchObject({ target: "kit1/ball-1/ch1", args: { pan: -0.5, tilt: 0 } });
});

test("a window that loses its focus lets go", async () => {
  key("keydown", "ArrowUp");
  await settle();
  window.dispatchEvent(new Event("blur"));
  await settle();
  expect(orders.at(-1)?.action).toBe("ptz.stop");
});

test("another camera is chosen: the first one stops", async () => {
  key("keydown", "+");
  await settle();
  pad.show("kit1/ball-2/ch1");
  await settle();
  expect(orders.at(-1)).toMatchObject({ action: "ptz.stop", target: "kit1/ball-1/ch1" });
});

test("typing in a field moves nothing; neither does a pad that has ended", async () => {
  const field = document.createElement("input");
  document.body.append(field);
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true }));
  pad.stop();
  key("keydown", "ArrowUp");
  await settle();
  expect(orders).toEqual([]);
  field.remove();
});

test("a refusal is said in words, and who has the camera too", async () => {
  refuse = "ptz-held";
  key("keydown", "ArrowUp");
  await settle();
  expect(pad.element.querySelector(".message")?.textContent).toContain("ptz-held cause");
  store.take({ cursor: 1, type: "ptz", subject: "kit1/ball-1/ch1", data: { name: "li" } });
  await settle();
  expect(pad.element.querySelector(".holder")?.textContent).toContain("li");
});

test("presets are listed and called", async () => {
  await settle();
  const button = pad.element.querySelector<HTMLButtonElement>(".presets button");
  button?.click();
  await settle();
  expect(orders).toEqual([{ action: "ptz.preset", target: "kit1/ball-1/ch1", args: { op: "call", number: 2, name: "Gate" } }]);
});

test("whoever may only look gets no pad", () => {
  store.api.who = { name: "v", role: "viewer", scope: "", csrf: "" };
  pad.show("kit1/ball-1/ch1");
  key("keydown", "ArrowUp");
  expect(pad.element.querySelector("button")).toBeNull();
  expect(orders).toEqual([]);
});

const unfold = async (): Promise<HTMLDetailsElement> => {
  const form = pad.element.querySelector<HTMLDetailsElement>("details.picture")!;
  form.open = true;
  form.dispatchEvent(new Event("toggle"));
  await settle();
  return form;
};
const change = (of: HTMLInputElement | HTMLSelectElement, value: string): void => {
  of.value = value;
  of.dispatchEvent(new Event("input"));
  of.dispatchEvent(new Event("change"));
};

test("image settings: what this camera offers, in its own numbers, set one at a time", async () => {
  await settle();
  expect(pad.element.querySelector(".picture input")).toBeNull();
  const form = await unfold();
  const sliders = [...form.querySelectorAll("input")];
  expect(sliders.map((one) => one.getAttribute("aria-label"))).toEqual(["Brightness", "Sharpness"]);
  expect([...form.querySelectorAll("output")].map((one) => one.textContent)).toEqual(["50", "–"]);
  expect(Number(sliders[1]!.step)).toBeCloseTo(0.1);
  change(sliders[0]!, "0.75");
  await settle();
  expect(form.querySelector("output")?.textContent).toBe("150");
  const choice = form.querySelector("select")!;
  expect(choice.value).toBe("day");
  expect([...choice.options].map((one) => one.value)).toEqual(["day", "night"]);
  change(choice, "night");
  await settle();
  expect(orders).toEqual([
    { action: "picture.set", target: "kit1/ball-1/ch1", args: { brightness: 0.75 } },
    { action: "picture.set", target: "kit1/ball-1/ch1", args: { day_night: "night" } },
  ]);
});

test("image settings that are refused stand as the camera has them, with its words", async () => {
  const form = await unfold();
  refuse = "ptz-held";
  change(form.querySelector("input")!, "0.75");
  await settle();
  expect(form.querySelector(".message")?.textContent).toContain("ptz-held cause");
  expect(form.querySelector("output")?.textContent).toBe("50");
});

test("a camera without image settings says so; the next one is asked anew", async () => {
  picture = null;
  const form = await unfold();
  expect(form.querySelector(".message")?.textContent).toContain("no-picture-setting cause");
  expect(form.querySelector("input, select")).toBeNull();
  picture = { ...PICTURE, levels: [], modes: ["auto", "night"], day_night: null };
  pad.show("kit1/ball-2/ch1");
  await settle();
  expect(form.querySelector(".message")?.textContent).toBe("");
  expect(form.querySelector("input")).toBeNull();
  expect(form.querySelectorAll("select option")).toHaveLength(3);
});

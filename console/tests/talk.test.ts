import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ApiError } from "../src/api";
import { CallsPanel, RingBar, callActs, shownCalls } from "../src/callspanel";
import { EMERGENCY_HOLD_MS, TalkDock } from "../src/dock";
import { setLanguage } from "../src/i18n";
import { Reasons } from "../src/panels";
import { hue, place } from "../src/spurts";
import { Store } from "../src/store";
import { TalkPanel } from "../src/talkpanel";
import { callClock, callFacts, callWords, floorWords, memberWords, meter, pttWords } from "../src/talkwords";
import { Tree } from "../src/tree";
import type { CallStatus, Floor, GroupStatus, Member } from "../src/types";
import { Voice, wordOf } from "../src/voice";
import { FakePeer, fakeApi, FakeSocket, FakeTrack, install, json, microphone, problem } from "./fakes";

const OPS = "kit1/talk/ops";
const ME = "browser:7f3a";

const floor = (change: Partial<Floor> = {}): Floor => ({ state: "idle", holder: "", holder_name: "", priority: "normal", emergency: false, since: 0, until: 0, queue: [], barging: [], ...change });
const member = (id: string, change: Partial<Member> = {}): Member => ({ id, kind: "sip", name: id, state: "up", code: "", detail: "", may_talk: true, may_listen: true, priority: "normal", emergency: true, talking: false, level_in_db: null, since: 0, codec: "opus", muted: false, monitored: false, principal: "", ...change });
const group = (change: Partial<GroupStatus> = {}): GroupStatus => ({ id: OPS, name: "Ops", mode: "half", floor: floor(), members: [], number: "600", adhoc: false, emergency: false, since: 0, ...change });
const call = (change: Partial<CallStatus> = {}): CallStatus => ({ id: "c1", scheme: "sip", incoming: true, state: "ringing-in", peer: "8001", peer_name: "Li", target: OPS, trunk: "", code: "", detail: "", started: 100, answered: 0, ended: 0, audio: "", video: "", secure: "", engine: "native", ...change });

let orders: { action: string; target: string; args: Record<string, unknown> }[];
let answers: Record<string, () => unknown>;
let store: Store;
let voice: Voice;
let members: string[];
const settle = () => vi.advanceTimersByTimeAsync(0);
const tell = (type: string, subject: string, data: unknown, gone = false) => store.take({ cursor: 1, type, subject, data, gone });
const actions = () => orders.map((order) => order.action);
const space = (kind: string) => window.dispatchEvent(new KeyboardEvent(kind, { key: " ", code: "Space", cancelable: true }));
const button = (root: Element, text: string) => [...root.querySelectorAll("button")].find((one) => one.textContent?.includes(text) || one.title.includes(text) || one.getAttribute("aria-label")?.includes(text));

beforeEach(() => {
  vi.useFakeTimers();
  install();
  microphone();
  setLanguage("en");
  orders = [];
  answers = {};
  members = [ME, "browser:b", "browser:c"];
  const { api } = fakeApi((method, path) => {
    if (method === "POST" && path.startsWith("/talk/")) return new Response("v=0", { status: 201, headers: { Location: `/talk-session/${path}`, "Fieldgate-Member": members.shift() ?? "" } });
    if (path.startsWith("/talk-session/")) return json({ state: "connected", code: "", group: path.replace("/talk-session//talk/", ""), member: ME });
    return json([]);
  });
  api.who = { name: "wang", role: "operator", scope: "", csrf: "" };
  store = new Store(api, () => undefined);
  store.order = (action, target, args = {}) => {
    orders.push({ action, target, args });
    const given = answers[action]?.();
    if (given instanceof ApiError) return Promise.reject<never>(given);
    return Promise.resolve({ id: "1", outcome: "done", data: (given ?? {}) as Record<string, string> });
  };
  voice = new Voice(store);
});
afterEach(() => {
  voice.stop();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

async function joined(status = group({ members: [member(ME, { kind: "browser" })] })): Promise<void> {
  tell("talk", status.id, status);
  voice.join(status.id);
  await settle();
  FakePeer.last.become("connected");
  await settle();
}
const track = (): FakeTrack => FakePeer.all[0]?.transceivers[0]?.given as FakeTrack;

describe("the key in a half-duplex group", () => {
  test("asks with the own member, opens the microphone, and gives the floor back", async () => {
    answers["talk.request"] = () => ({ answer: "granted" });
    await joined();
    expect(track().enabled).toBe(false);
    voice.press();
    expect(track().enabled).toBe(true); // the first syllable is not lost; the gateway lets it out when it grants
    await settle();
    expect(voice.ptt.state.phase).toBe("granted");
    voice.release();
    expect(track().enabled).toBe(false);
    await settle();
    expect(orders).toEqual([
      { action: "talk.request", target: OPS, args: { member: ME, emergency: false } },
      { action: "talk.release", target: OPS, args: { member: ME } },
    ]);
  });

  test("revoked: the microphone is shut at once", async () => {
    answers["talk.request"] = () => ({ answer: "granted" });
    await joined();
    voice.press();
    await settle();
    tell("floor", OPS, { member: ME, answer: "revoked", code: "preempted", detail: "", position: 0 });
    expect(track().enabled).toBe(false);
    expect(voice.ptt.state.phase).toBe("revoked");
  });

  test("another member's word is not ours; a missed grant is seen in the group's state", async () => {
    await joined();
    voice.press();
    await settle();
    tell("floor", OPS, { member: "browser:other", answer: "granted", code: "", detail: "", position: 0 });
    expect(voice.ptt.state.phase).toBe("asking");
    tell("talk", OPS, group({ floor: floor({ state: "taken", holder: ME }), members: [member(ME)] }));
    await settle();
    expect(voice.ptt.state.phase).toBe("granted");
  });

  test("nothing is asked before the line is up, nor without a microphone, nor by a member that only listens", async () => {
    tell("talk", OPS, group());
    voice.join(OPS);
    await settle();
    voice.press();
    FakePeer.last.become("connected");
    await settle();
    tell("talk", OPS, group({ members: [member(ME, { may_talk: false })] }));
    await settle();
    voice.press();
    expect(orders).toEqual([]);
  });

  test("one to all: the chosen groups and the own one", async () => {
    await joined();
    tell("talk", "kit1/talk/fire", group({ id: "kit1/talk/fire", name: "Fire" }));
    voice.pick("kit1/talk/fire", true);
    voice.press();
    await settle();
    expect(voice.ptt.state.phase).toBe("granted");
    await vi.advanceTimersByTimeAsync(5000); // an act for the record: given once, not each second
    voice.release();
    await settle();
    const args = { member: ME, groups: `${OPS},kit1/talk/fire` };
    expect(orders).toEqual([
      { action: "talk.all", target: OPS, args: { ...args, on: true } },
      { action: "talk.all", target: OPS, args: { ...args, on: false } },
    ]);
  });

  test("one to all that reaches nobody is a denial", async () => {
    answers["talk.all"] = () => ({ groups: "" });
    await joined();
    tell("talk", "kit1/talk/fire", group({ id: "kit1/talk/fire", name: "Fire" }));
    voice.pick("kit1/talk/fire", true);
    voice.press();
    await settle();
    expect(voice.ptt.state).toMatchObject({ phase: "denied", code: "floor-busy" });
    expect(track().enabled).toBe(false);
  });

  test("leaving while speaking gives the floor back", async () => {
    answers["talk.request"] = () => ({ answer: "granted" });
    await joined();
    voice.press();
    await settle();
    voice.leave(OPS);
    await settle();
    expect(actions()).toEqual(["talk.request", "talk.release"]);
    expect(voice.lines.size).toBe(0);
  });

  test("two groups are two lines of one microphone; the key talks to the chosen one", async () => {
    const { asked } = microphone();
    await joined();
    await joined(group({ id: "kit1/talk/fire", name: "Fire" }));
    expect(asked).toHaveLength(1);
    expect(voice.active).toBe("kit1/talk/fire");
    voice.choose(OPS);
    voice.press();
    await settle();
    expect(orders.at(-1)).toMatchObject({ target: OPS, args: { member: ME } });
  });
});

describe("a full-duplex conversation", () => {
  const CONF = group({ id: "kit1/talk/call-1", mode: "full", adhoc: true, floor: floor({ state: "open" }) });

  test("a call begins with an open microphone, and a tap shuts it", async () => {
    await joined(CONF);
    expect(track().enabled).toBe(true);
    voice.microphone(false);
    expect(track().enabled).toBe(false);
    voice.press(); // the space bar: open while it is held
    expect(track().enabled).toBe(true);
    voice.release();
    expect(track().enabled).toBe(false);
    expect(orders).toEqual([]);
  });

  test("a standing conference begins shut", async () => {
    await joined({ ...CONF, adhoc: false });
    expect(track().enabled).toBe(false);
  });

  test("a channel's conversation is found by the group that the session names", async () => {
    const line = voice.join("kit1/ball-1/ch1");
    await settle();
    line.group = CONF.id;
    FakePeer.last.become("connected");
    tell("talk", CONF.id, CONF);
    await settle();
    expect(voice.open).toBe(true);
    expect(track().enabled).toBe(true);
    expect(voice.line("kit1/ball-1/ch1")).toBe(line);
  });
});

describe("the dock", () => {
  let dock: TalkDock;
  const key = () => dock.element.querySelector(".ptt") as HTMLButtonElement;
  const urgent = () => dock.element.querySelector(".urgent-key") as HTMLButtonElement;
  const touch = (at: HTMLElement, kind: string) => at.dispatchEvent(Object.assign(new Event(kind, { cancelable: true }), { pointerId: 1, button: 0 }));

  beforeEach(() => {
    dock = new TalkDock(voice, new Reasons(store));
    document.body.append(dock.element);
  });
  afterEach(() => dock.stop());

  test("shows itself with the first group, and says what the key does", async () => {
    expect(dock.element.hidden).toBe(true);
    await joined();
    expect(dock.element.hidden).toBe(false);
    expect(key().textContent).toContain("Hold to talk");
    tell("talk", OPS, group({ floor: floor({ state: "taken", holder: "sip:8001", holder_name: "Li", since: Date.now() / 1000 }), members: [member(ME)] }));
    await settle();
    expect(key().textContent).toContain("Li speaks");
  });

  test("the space bar speaks: asking, speak now, and let go", async () => {
    answers["talk.request"] = () => ({ answer: "granted" });
    await joined();
    space("keydown");
    await settle();
    expect(key().textContent).toContain("Speak now");
    expect(key().dataset["phase"]).toBe("granted");
    space("keyup");
    await settle();
    expect(key().textContent).toContain("Hold to talk");
    expect(actions()).toEqual(["talk.request", "talk.release"]);
  });

  test("a finger that slides off holds until it is lifted", async () => {
    answers["talk.request"] = () => ({ answer: "queued", position: 2 });
    await joined();
    touch(key(), "pointerdown");
    await settle();
    expect(key().textContent).toContain("Waiting, place 2");
    touch(key(), "pointercancel");
    await settle();
    expect(actions()).toEqual(["talk.request", "talk.release"]);
  });

  test("an emergency needs a second's hold", async () => {
    answers["talk.request"] = () => ({ answer: "granted" });
    await joined();
    touch(urgent(), "pointerdown");
    await vi.advanceTimersByTimeAsync(EMERGENCY_HOLD_MS / 2);
    touch(urgent(), "pointerup");
    await vi.advanceTimersByTimeAsync(5000);
    expect(orders).toEqual([]);
    touch(urgent(), "pointerdown");
    await vi.advanceTimersByTimeAsync(EMERGENCY_HOLD_MS);
    expect(orders).toEqual([{ action: "talk.request", target: OPS, args: { member: ME, emergency: true } }]);
    expect(key().dataset["tone"]).toBe("alert");
    touch(urgent(), "pointerup");
    await settle();
    expect(actions().at(-1)).toBe("talk.release");
  });

  test("speaking in beside the holder", async () => {
    await joined();
    tell("talk", OPS, group({ floor: floor({ state: "taken", holder: "sip:8001" }), members: [member(ME)] }));
    await settle();
    const barge = dock.element.querySelector(".barge-key") as HTMLButtonElement;
    expect(barge.hidden).toBe(false);
    touch(barge, "pointerdown");
    await settle();
    touch(barge, "pointerup");
    await settle();
    expect(orders.map((order) => order.args["on"])).toEqual([true, false]);
    expect(new Set(actions())).toEqual(new Set(["talk.barge"]));
  });

  test("a tap in a conference shuts and opens the microphone", async () => {
    await joined(group({ mode: "full", adhoc: true, floor: floor({ state: "open" }), members: [member(ME)] }));
    expect(key().textContent).toContain("Microphone on");
    touch(key(), "pointerdown");
    touch(key(), "pointerup");
    key().click();
    await settle();
    expect(key().textContent).toContain("Microphone off");
    expect(orders).toEqual([]);
  });

  test("no microphone is said where one would press", async () => {
    microphone("NotAllowedError");
    await joined();
    expect(key().disabled).toBe(true);
    expect(key().textContent).toContain("was not allowed");
  });

  test("a viewer has no keys but to leave", async () => {
    store.api.who = { name: "v", role: "viewer", scope: "", csrf: "" };
    await joined();
    expect(key().textContent).toContain("You listen only");
    expect(urgent().hidden).toBe(true);
    space("keydown");
    await settle();
    expect(orders).toEqual([]);
    button(dock.element, "Leave")?.click();
    await settle();
    expect(dock.element.hidden).toBe(true);
  });
});

describe("the talk panel", () => {
  let panel: TalkPanel;
  beforeEach(() => {
    panel = new TalkPanel(voice, new Reasons(store));
    document.body.append(panel.element);
  });
  afterEach(() => panel.stop());
  const text = () => panel.element.querySelector(".group")?.textContent ?? "";
  const busy = () =>
    group({
      floor: floor({ state: "taken", holder: "sip:8001", holder_name: "Li", queue: ["radio-1"] }),
      members: [member("sip:8001", { name: "Li", talking: true }), member("radio-1", { kind: "radio", name: "Radio" }), member("kit1/ball-1/ch1", { kind: "loudspeaker", name: "Ball", state: "offline", code: "device-offline" }), member(ME, { kind: "browser", name: "wang" })],
    });

  test("a group with its floor, queue and members, the reason of one that is not there", async () => {
    await joined(busy());
    expect(text()).toContain("Li speaks");
    expect(text()).toContain("waiting: Radio");
    expect(text()).toContain("waits, place 1");
    expect(text()).toContain("device-offline");
    expect(text()).toContain("wang (you)");
  });

  test("rows stay where they are while members change, and go with them", async () => {
    await joined(busy());
    const row = panel.element.querySelector(".member");
    tell("talk", OPS, group({ members: [member("sip:8001", { name: "Li" })] }));
    await settle();
    expect(panel.element.querySelectorAll(".member")).toHaveLength(1);
    expect(panel.element.querySelector(".member")).toBe(row);
    tell("talk", OPS, null, true);
    await settle();
    expect(panel.element.querySelector(".group")).toBeNull();
    expect(panel.element.textContent).toContain("No talk group yet");
  });

  test("the dispatcher's tools are orders for the member or the group", async () => {
    await joined(busy());
    button(panel.element, "Mute: Li")?.click();
    button(panel.element, "Remove: Radio")?.click();
    button(panel.element, "Take the floor back")?.click();
    button(panel.element, "Monitor")?.click();
    const who = panel.element.querySelector(".invite input") as HTMLInputElement;
    const form = panel.element.querySelector(".invite") as HTMLFormElement;
    who.value = "8002";
    form.dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    expect(orders).toEqual([
      { action: "talk.mute", target: OPS, args: { member: "sip:8001", on: true } },
      { action: "talk.remove", target: OPS, args: { member: "radio-1" } },
      { action: "talk.revoke", target: OPS, args: {} },
      { action: "talk.monitor", target: OPS, args: { member: ME, on: true } },
      { action: "talk.invite", target: OPS, args: { who: "sip:8002" } },
    ]);
    expect(who.value).toBe("");
    expect(button(panel.element, "End monitoring")).toBeDefined();
  });

  test("a refused order is said in words", async () => {
    answers["talk.revoke"] = () => problem(403, "talk-denied");
    await joined(busy());
    button(panel.element, "Take the floor back")?.click();
    await settle();
    expect(panel.element.querySelector(".inside .message")?.textContent).toContain("talk-denied cause");
  });

  test("an emergency is red, first, and may be ended", async () => {
    tell("talk", "kit1/talk/a", group({ id: "kit1/talk/a", name: "A" }));
    await joined(group({ emergency: true }));
    const first = panel.element.querySelector(".group") as HTMLElement;
    expect(first.dataset).toMatchObject({ group: OPS, tone: "alert" });
    button(first, "End emergency")?.click();
    await settle();
    expect(orders).toEqual([{ action: "talk.emergency", target: OPS, args: { on: false } }]);
  });

  test("a viewer listens and has no tools", async () => {
    store.api.who = { name: "v", role: "viewer", scope: "", csrf: "" };
    tell("talk", OPS, busy());
    await settle();
    expect(button(panel.element, "Listen")).toBeDefined();
    expect(panel.element.querySelectorAll(".member .tools:not([hidden]), .dispatch:not([hidden]), .invite:not([hidden])")).toHaveLength(0);
  });

  test("a browser without a microphone says why and what to do", async () => {
    vi.stubGlobal("navigator", { languages: ["en"] });
    await joined();
    expect(panel.element.querySelector(".mic-trouble")?.textContent).toContain("https://");
  });
});

describe("the tree", () => {
  const device = { id: "kit1/radio-1", name: "Radio", external_id: "r", alias: "", state: "online", code: "", channels: [{ key: "radio-1", external_id: "r", name: "PDT", stream: "kit1/radio-1/radio-1" }] };

  test("a channel that has sound alone is talked to by a click", async () => {
    const tree = new Tree(store, () => false, () => undefined, { possible: (id) => store.endpoints.has(id), on: (id) => voice.joined(id), toggle: (id) => voice.toggle(id) });
    voice.on(() => tree.render());
    store.endpoints.set("kit1/radio-1/radio-1", { id: "kit1/radio-1/radio-1", device: "kit1/radio-1", title: "PDT", kind: "radio", online: true, code: "", talks: true, listens: true });
    tell("device", "kit1/radio-1", device);
    await settle();
    const row = () => tree.element.querySelector<HTMLButtonElement>(".channel");
    expect(row()?.textContent).toContain("radio");
    row()?.click();
    await settle();
    expect(voice.active).toBe("kit1/radio-1/radio-1");
    expect(row()?.getAttribute("aria-pressed")).toBe("true");
    row()?.click();
    await settle();
    expect(row()?.getAttribute("aria-pressed")).toBe("false");
  });
});

test("a seat that was taken away is joined anew by the same button", async () => {
  const panel = new TalkPanel(voice, new Reasons(store));
  await joined();
  voice.line(OPS)?.stop(); // as when the gateway ended it
  await settle();
  const again = button(panel.element, "Join");
  expect(again?.classList.contains("primary")).toBe(true);
  again?.click();
  await settle();
  expect(voice.joined(OPS)).toBe(true);
  panel.stop();
});

describe("calls", () => {
  let panel: CallsPanel;
  beforeEach(() => {
    panel = new CallsPanel(voice, new Reasons(store));
    document.body.append(panel.element);
  });
  afterEach(() => panel.stop());

  test("one that rings is answered, and the person joins its conversation", async () => {
    const ring = new RingBar(voice, panel, new Reasons(store));
    answers["call.answer"] = () => ({ group: "kit1/talk/call-9" });
    tell("call", "c1", call());
    await settle();
    expect(ring.element.hidden).toBe(false);
    button(ring.element, "Answer")?.click();
    await settle();
    expect(orders).toEqual([{ action: "call.answer", target: "c1", args: {} }]);
    expect(voice.active).toBe("kit1/talk/call-9");
    tell("call", "c1", call({ state: "up", answered: 101 }));
    await settle();
    expect(ring.element.hidden).toBe(true);
  });

  test("hold, digits, transfer to a number and with another call, hang up", async () => {
    tell("call", "c1", call({ state: "up", answered: 101 }));
    tell("call", "c2", call({ id: "c2", state: "held", peer: "9", peer_name: "Wu", answered: 90 }));
    await settle();
    const row = () => [...panel.element.querySelectorAll(".call")].find((one) => one.textContent?.includes("Li")) as HTMLElement;
    button(row(), "Hold")?.click();
    button(row(), "Keypad")?.click();
    button(row(), "#")?.click();
    button(row(), "Transfer")?.click();
    await settle();
    const form = row().querySelector("form") as HTMLFormElement;
    (form.querySelector("input") as HTMLInputElement).value = " 8003 ";
    form.dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    button(row(), "Transfer")?.click();
    (row().querySelector("form select") as HTMLSelectElement).value = "c2";
    row().querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    button(row(), "Hang up")?.click();
    await settle();
    expect(orders).toEqual([
      { action: "call.hold", target: "c1", args: { on: true } },
      { action: "call.digits", target: "c1", args: { digits: "#" } },
      { action: "call.transfer", target: "c1", args: { to: "8003" } },
      { action: "call.transfer", target: "c1", args: { with: "c2" } },
      { action: "call.hang-up", target: "c1", args: {} },
    ]);
  });

  test("a call is placed with picture into a group; a refusal is said", async () => {
    tell("talk", OPS, group());
    await settle();
    const form = panel.element.querySelector(".dial") as HTMLFormElement;
    const [number, video] = form.querySelectorAll("input");
    (number as HTMLInputElement).value = "8001";
    (video as HTMLInputElement).checked = true;
    (form.querySelector("select") as HTMLSelectElement).value = OPS;
    form.dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    expect(orders).toEqual([{ action: "call.place", target: OPS, args: { number: "8001", video: true } }]);
    answers["call.place"] = () => problem(403, "number-denied");
    (number as HTMLInputElement).value = "900";
    form.dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    expect(panel.element.querySelector(".message")?.textContent).toContain("number-denied cause");
    expect((number as HTMLInputElement).value).toBe("900");
  });

  test("an ended call is shown for two minutes, with why it ended", async () => {
    const now = Date.now() / 1000;
    tell("call", "c1", call({ state: "ended", ended: now, code: "busy" }));
    panel.start();
    await settle();
    expect(panel.element.querySelector(".call")?.textContent).toContain("ended · busy");
    await vi.advanceTimersByTimeAsync(121_000);
    expect(panel.element.querySelector(".call")).toBeNull();
  });

  test("what may be done in each state, ringing first", () => {
    expect(callActs(call())).toEqual(["answer", "refuse"]);
    expect(callActs(call({ state: "ended" }))).toEqual([]);
    expect(callActs(call({ state: "held" }))).toContain("resume");
    const all = [call({ id: "a", state: "up" }), call({ id: "b" }), call({ id: "c", state: "ended", ended: 0 })];
    expect(shownCalls(all, 1000).map((one) => one.id)).toEqual(["b", "a"]);
  });
});

describe("words", () => {
  test("floors", () => {
    const taken = floor({ state: "taken", holder: "x", holder_name: "Li", since: 10, until: 80 });
    expect(floorWords(group(), ME, 75)).toEqual({ tone: "idle", text: "free", clock: "", left: "" });
    expect(floorWords(group({ floor: taken }), ME, 75)).toEqual({ tone: "live", text: "Li speaks", clock: "1:05", left: "0:05 left" });
    expect(floorWords(group({ floor: { ...taken, holder: ME } }), ME, 20)).toMatchObject({ tone: "mine", text: "You speak", left: "" });
    expect(floorWords(group({ floor: { ...taken, emergency: true } }), ME, 20)).toMatchObject({ tone: "alert", text: "EMERGENCY · Li" });
    expect(floorWords(group({ floor: floor({ state: "hang" }) }), ME, 0)).toMatchObject({ tone: "wait", text: "just ended" });
    expect(floorWords(group({ floor: floor({ state: "open" }), members: [member("Li", { talking: true })] }), ME, 0).text).toBe("Li speaks");
  });

  test("members", () => {
    const words = (change: Partial<Member>, of = floor()) => Object.values(memberWords(member("a", change), of, (code) => `why ${code}`));
    expect(words({ talking: true })).toEqual(["live", "speaks", ""]);
    expect(words({}, floor({ barging: ["a"] }))).toEqual(["live", "speaks", ""]);
    expect(words({ talking: true }, floor({ holder: "a", emergency: true }))).toEqual(["alert", "speaks", ""]);
    expect(words({ muted: true })).toEqual(["wait", "muted", ""]);
    expect(words({ may_talk: false })).toEqual(["idle", "listens only", ""]);
    expect(words({ code: "x" })).toEqual(["wait", "here", "why x"]);
    expect(words({ state: "waiting", code: "x" })).toEqual(["bad", "trying again", "why x"]);
  });

  test("the key", () => {
    const state = { phase: "denied" as const, position: 0, emergency: false, code: "floor-busy", detail: "", cause: null, since: 0 };
    expect(pttWords(state, true, (code) => code)).toEqual({ tone: "bad", title: "Not now", hint: "floor-busy · let go and press again" });
    setLanguage("zh");
    expect(pttWords({ ...state, phase: "queued", position: 3 }, true, () => "")?.title).toBe("排队中，第 3 位");
  });

  test("calls, meters, spurts, results", () => {
    expect(callWords(call({ state: "ended", code: "x" }), (code) => code)).toEqual({ tone: "bad", text: "ended · x" });
    expect(callFacts(call({ audio: "opus", secure: "dtls", answered: 1 }))).toEqual(["OPUS", "encrypted (DTLS)"]);
    expect([callClock(call({ answered: 100 }), 165), callClock(call({ started: 100 }), 103), callClock(call({ answered: 100, ended: 130 }), 999)]).toEqual(["1:05", "0:03", "0:30"]);
    expect([meter(null), meter(-60), meter(-30), meter(3)]).toEqual([0, 0, 0.5, 1]);
    expect(place(70, 80, 100, 100)).toEqual({ left: 0.7, width: expect.closeTo(0.1) as number });
    expect(place(0, 5, 1000, 100)).toBeNull();
    expect(hue("sip:8001")).toBe(hue("sip:8001"));
    expect(wordOf(ME, { id: "", outcome: "done", data: { answer: "queued", position: 2 } })).toMatchObject({ answer: "queued", position: 2 });
    expect(wordOf(ME, { id: "", outcome: "done", data: { answer: "nonsense" } })).toBeNull();
  });
});

test("orders go out on the socket of events and come back by their id; a lost socket fails them", async () => {
  store = new Store(store.api, () => undefined);
  store.start();
  const socket = FakeSocket.last;
  socket.tell({ type: "hello", cursor: 1, data: { epoch: "e" } });
  const done = store.order("talk.request", OPS, { member: ME });
  const sent = JSON.parse(socket.sent.at(-1) ?? "{}") as { id: string; type: string };
  expect(sent).toMatchObject({ type: "command", action: "talk.request", target: OPS, args: { member: ME } });
  socket.tell({ type: "result", id: sent.id, data: { id: sent.id, outcome: "done", data: { answer: "granted" } } });
  expect((await done).data).toEqual({ answer: "granted" });

  const refused = store.order("talk.request", OPS).catch((error: ApiError) => error.problem.code);
  const second = JSON.parse(socket.sent.at(-1) ?? "{}") as { id: string };
  socket.tell({ type: "result", id: second.id, problem: { status: 403, code: "talk-denied", detail: "", cause: { en: "", zh: "" }, cure: { en: "", zh: "" } } });
  expect(await refused).toBe("talk-denied");

  const lost = store.order("talk.release", OPS).catch((error: ApiError) => error.problem.code);
  socket.onclose?.({ code: 1006 });
  expect(await lost).toBe("link-down");
  store.stop();
});

test("levels are asked for one group at a time, and anew on a new socket", async () => {
  store = new Store(store.api, () => undefined);
  const heard: unknown[] = [];
  store.onLevels = (of, levels) => heard.push([of, levels]);
  store.start();
  FakeSocket.last.tell({ type: "hello", cursor: 1, data: { epoch: "e" } });
  store.listenLevels(OPS);
  store.listenLevels(OPS);
  expect(FakeSocket.last.sent.map((one) => JSON.parse(one) as unknown)).toEqual([{ type: "levels", group: OPS, on: true }]);
  FakeSocket.last.tell({ type: "levels", subject: OPS, data: { [ME]: -20 } });
  expect(heard).toEqual([[OPS, { [ME]: -20 }]]);
  FakeSocket.last.onclose?.({ code: 1006 });
  await vi.advanceTimersByTimeAsync(1000);
  FakeSocket.last.tell({ type: "hello", cursor: 1, data: { epoch: "e" } });
  expect(FakeSocket.last.sent).toHaveLength(1);
  store.listenLevels(null);
  expect(JSON.parse(FakeSocket.last.sent.at(-1) ?? "{}")).toEqual({ type: "levels", group: OPS, on: false });
  store.stop();
});

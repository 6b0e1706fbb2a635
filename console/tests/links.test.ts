import { beforeEach, expect, test } from "vitest";
import { setLanguage } from "../src/i18n";
import { ownLinks, ownWords } from "../src/linkcard";
import { Reasons } from "../src/panels";
import { Store } from "../src/store";
import type { OwnLink } from "../src/types";
import { fakeApi, json } from "./fakes";

const own = (change: Partial<OwnLink> = {}): OwnLink => ({ name: "modem1", kind: "lte", interface: "wwan0", phase: "up", code: "", detail: "", usable: true, carries: ["voice", "bulk"], cost: 0, metered: true, quota_bytes: 2e10, used_bytes: 1.5e9, signal: { rsrp_dbm: -95.4, rssi_dbm: null }, step: "", rtt_ms: 61.6, loss: 0.024, in_bps: 2e5, out_bps: 2e6, ...change });

beforeEach(() => setLanguage("en"));

test("a link of this machine in words", () => {
  expect(ownWords(own())).toEqual({ name: "modem1 · 4G · wwan0", tone: "live", state: "up", figures: "62 ms · loss 2.4 % · ↑ 2.0 Mb/s ↓ 200 kb/s · -95 dBm · voice, files · metered · 1.5 / 20.0 GB" });
  expect(ownWords(own({ phase: "recovering", step: "radio", usable: false }))).toMatchObject({ tone: "wait", state: "recovering (radio)" });
  expect(ownWords(own({ phase: "absent", kind: "satphone", interface: "" }))).toMatchObject({ tone: "idle", name: "modem1 · satellite phone" });
});

test("what is to be done stands in the row of a link that fails: glass has no pointer that rests on it", async () => {
  const why = { "modem-absent": { cause: { en: "No modem.", zh: "" }, cure: { en: "Plug it in.", zh: "" } }, "sat-messages-only": { cause: { en: "Messages only.", zh: "" }, cure: { en: "Nothing to do.", zh: "" } } };
  const reasons = new Reasons(new Store(fakeApi(() => json(why)).api, () => undefined));
  await reasons.read();
  const rows = ownLinks([own({ name: "a", phase: "absent", code: "modem-absent", usable: false }), own({ name: "b", phase: "registered", code: "sat-messages-only", usable: false })], reasons);
  expect(rows.map((row) => [...row.querySelectorAll(".facts")].at(-1)?.textContent)).toEqual(["No modem. Plug it in.", "Messages only."]);
});

test("rows stand by name, and what is not used has an empty bar", () => {
  const rows = ownLinks([own({ name: "b" }), own({ name: "a", phase: "down", usable: false })], new Reasons(new Store(fakeApi(() => json([])).api, () => undefined)));
  expect(rows.map((row) => row.dataset["ownLink"])).toEqual(["a", "b"]);
  expect(rows[0]?.dataset["tone"]).toBe("bad");
  expect(rows[0]?.querySelector<HTMLElement>("i")?.style.width).toBe("0%");
});

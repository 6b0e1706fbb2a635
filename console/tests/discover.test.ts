import { beforeEach, describe, expect, test } from "vitest";
import { content, DiscoverCard, type Find } from "../src/discovercard";
import { setLanguage } from "../src/i18n";
import { Reasons } from "../src/panels";
import { Store } from "../src/store";
import type { Role } from "../src/types";
import { fakeApi, json } from "./fakes";

const find = (change: Partial<Find> = {}): Find => ({
  key: "0a1b2c3d",
  kind: "camera",
  ways: ["ws-discovery", "ssdp"],
  address: "192.0.2.5",
  name: "Gate",
  manufacturer: "Acme",
  model: "IPC-7",
  urls: ["http://192.0.2.5/onvif/device_service"],
  destination: "",
  codecs: [],
  bitrate_bps: null,
  adopt: "onvif",
  adopted: "",
  ...change,
});
const wire = find({ key: "00000001", kind: "stream", ways: ["wire"], name: "MPEG-TS", destination: "239.1.1.1:5000", codecs: ["h264", "aac"], bitrate_bps: 4.04e6, adopt: "source" });
const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 10));

beforeEach(() => setLanguage("en"));

test("what is in a stream is said by codec and rate, else where a thing is", () => {
  expect(content(wire)).toBe("h264 + aac · 4.04 Mb/s");
  expect(content(find())).toBe("http://192.0.2.5/onvif/device_service");
});

describe("the card", () => {
  let asked: { method: string; path: string; body: unknown }[];
  let told: { search: { running: boolean; started_at: number; notes: [string, string][] }; finds: Find[] };
  let card: DiscoverCard;
  const button = (text: string): HTMLButtonElement | undefined => [...card.element.querySelectorAll("button")].find((one) => one.textContent === text && !one.hidden);

  const make = async (role: Role = "technician"): Promise<void> => {
    asked = [];
    told = { search: { running: false, started_at: 1, notes: [["capture-no-right", "eth0"]] }, finds: [find(), wire, find({ key: "2", kind: "other", name: "Printer", adopt: "" })] };
    const { api } = fakeApi((method, path, options) => {
      asked.push({ method, path, body: options?.body });
      if (path === "/api/v1/reasons") return json({ "capture-no-right": { cause: { en: "No right.", zh: "无权。" }, cure: { en: "Install it.", zh: "请安装。" } } });
      if (path === "/api/v1/discover/adopt") return json({ id: "1", outcome: "done", data: { device: "kit1/gate" } });
      return json(told);
    });
    api.post = async (path: string, body: unknown) => (await api.send("POST", path, { body })).json();
    api.who = { name: "tina", role, scope: "", csrf: "" };
    const store = new Store(api, () => undefined);
    const reasons = new Reasons(store);
    await reasons.read();
    card = new DiscoverCard(store, reasons);
    document.body.replaceChildren(card.element);
    card.element.open = true;
    await card.read();
  };

  test("lists finds and says what could not be done", async () => {
    await make();
    expect(card.element.textContent).toContain("Gate");
    expect(card.element.textContent).toContain("camera · 192.0.2.5 · Acme IPC-7");
    expect(card.element.textContent).toContain("No right. Install it.");
    expect([...card.element.querySelectorAll("li[data-kind='other'] button")].every((one) => (one as HTMLElement).hidden)).toBe(true);
  });

  test("a press takes one in, with user and password where it has some", async () => {
    await make();
    button("Take it in")?.click();
    const password = card.element.querySelector<HTMLInputElement>("input[name='password']");
    expect(password?.type).toBe("password");
    if (password) password.value = "secret";
    await card.read();
    expect(card.element.querySelector<HTMLInputElement>("input[name='password']")?.value).toBe("secret");
    card.element.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
    await settle();
    expect(asked.find((one) => one.path === "/api/v1/discover/adopt")?.body).toEqual({ key: "0a1b2c3d", name: "", user: "", password: "secret" });
    expect(card.element.textContent).toContain("Taken in as kit1/gate.");
    expect(card.element.querySelector("input[name='password']")).toBeNull();
  });

  test("what is here already is not offered again", async () => {
    await make();
    told.finds = [find({ adopted: "kit1/gate" })];
    await card.read();
    expect(card.element.textContent).toContain("is here as kit1/gate");
    expect(button("Take it in")).toBeUndefined();
  });

  test("search is begun, with listening where it is asked for", async () => {
    await make();
    const box = card.element.querySelector<HTMLInputElement>("input[type='checkbox']");
    if (box) box.checked = true;
    button("Search")?.click();
    await settle();
    expect(asked.find((one) => one.method === "POST" && one.path === "/api/v1/discover")?.body).toEqual({ seconds: 15, ways: "all" });
  });

  test("only technicians see it", async () => {
    await make("operator");
    expect(card.element.hidden).toBe(true);
    expect(asked.some((one) => one.path === "/api/v1/discover")).toBe(false);
  });
});

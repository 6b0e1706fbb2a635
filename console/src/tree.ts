// The flat directory: devices with their channels, searched as one types; a dot and words say how each stands.

import { fill, h, icon } from "./dom";
import { byName, t, word } from "./i18n";
import type { Store } from "./store";
import type { Channel, Device } from "./types";
import { streamWord } from "./words";

const DEVICE_TONE: Record<string, string> = { online: "live", degraded: "wait", offline: "bad", pending: "wait" };

/** Devices (with only the fitting channels, unless the device itself fits) for a search text. */
export function search(devices: Iterable<Device>, text: string): Device[] {
  const needle = text.trim().toLowerCase();
  const fits = (...parts: string[]) => parts.some((part) => part.toLowerCase().includes(needle));
  return [...devices]
    .map((device) => {
      if (!needle || fits(device.name, device.id, device.external_id, device.alias)) return device;
      const channels = device.channels.filter((one) => fits(one.name, one.external_id, one.stream ?? ""));
      return channels.length ? { ...device, channels } : null;
    })
    .filter((device) => device !== null)
    .sort((a, b) => Number(a.state === "offline") - Number(b.state === "offline") || byName(a.name, b.name) || byName(a.id, b.id));
}

/** Our own devices first, then those of each kit under its name. */
export function byKit(devices: Device[], whose: (id: string) => string): [string, Device[]][] {
  const found = new Map<string, Device[]>([["", []]]);
  for (const device of devices) {
    const kit = whose(device.id);
    const kept = found.get(kit);
    if (kept) kept.push(device);
    else found.set(kit, [device]);
  }
  return [...found].filter(([, of]) => of.length > 0).sort(([a], [b]) => Number(a !== "") - Number(b !== "") || byName(a, b));
}

/** Talking to a channel by its id. */
export interface TalkingTo {
  possible(channel: string): boolean;
  on(channel: string): boolean;
  toggle(channel: string): void;
}

export class Tree {
  private readonly list = h("ul", { class: "devices" });
  private readonly box = h("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  readonly element = h("nav", { class: "tree" }, this.box, this.list);
  private drawn = "";

  constructor(
    private readonly store: Store,
    private readonly isOpen: (stream: string) => boolean,
    private readonly open: (stream: string) => void,
    /** For channels that are no pictures: a radio. */
    private readonly talk: TalkingTo = { possible: () => false, on: () => false, toggle: () => undefined },
  ) {
    this.box.addEventListener("input", () => this.render());
    store.on("directory", () => this.render());
    store.on("talk", () => this.render());
  }

  render(): void {
    this.box.placeholder = t("search");
    this.box.setAttribute("aria-label", t("search"));
    const found = search(this.store.devices.values(), this.box.value);
    // Figures change every second; the list only when something of it does.
    const drawn = JSON.stringify([
      document.documentElement.lang,
      this.store.devices.size,
      found.map((d) => [d.id, this.store.whose(d.id), d.name, d.state, d.code, d.channels.map((c) => [c.name, c.stream, this.store.streams.get(c.stream ?? "")?.state, this.isOpen(c.stream ?? ""), this.talk.possible(`${d.id}/${c.key}`), this.talk.on(`${d.id}/${c.key}`)])]),
    ]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    if (found.length === 0) {
      fill(this.list, h("li", { class: "empty" }, t(this.store.devices.size ? "noMatch" : "noDevices")));
      return;
    }
    fill(this.list, ...byKit(found, (id) => this.store.whose(id)).flatMap(([kit, devices]) => [kit && h("li", { class: "whose" }, kit), ...devices.map((device) => this.device(device))]));
  }

  private device(device: Device): HTMLElement {
    return h(
      "li",
      { class: "device" },
      h(
        "div",
        { class: "row head", "data-tone": DEVICE_TONE[device.state] ?? "idle", title: `${device.id}\n${device.external_id}` },
        h("span", { class: "dot" }),
        h("span", { class: "name" }, device.name || device.id),
        h("span", { class: "state" }, word(device.state)),
      ),
      h(
        "ul",
        {},
        ...(device.channels.length ? device.channels : []).map((channel) => {
          const stream = channel.stream;
          const id = `${device.id}/${channel.key}`;
          if (!(stream && this.store.streams.has(stream)) && this.talk.possible(id)) return h("li", {}, this.voiceRow(id, channel));
          const { tone, text } = streamWord(stream ? this.store.streams.get(stream) : undefined);
          return h(
            "li",
            {},
            h(
              "button",
              {
                type: "button",
                class: "row channel",
                "data-channel": id,
                "data-tone": tone,
                "aria-pressed": String(stream !== null && this.isOpen(stream)),
                disabled: stream === null,
                title: channel.external_id,
                onclick: () => stream && this.open(stream),
              },
              h("span", { class: "dot" }),
              h("span", { class: "name" }, channel.name || channel.key),
              h("span", { class: "state" }, text),
            ),
          );
        }),
        device.channels.length === 0 && h("li", { class: "empty" }, t("noChannels")),
      ),
    );
  }

  /** A channel that has sound alone: a click begins a conversation with it, another one ends it. */
  private voiceRow(id: string, channel: Channel): HTMLElement {
    const endpoint = this.store.endpoints.get(id);
    const on = this.talk.on(id);
    return h(
      "button",
      {
        type: "button",
        class: "row channel",
        "data-channel": id,
        "data-tone": on ? "live" : endpoint?.online ? "idle" : "bad",
        "aria-pressed": String(on),
        title: t(on ? "talkingToChannel" : "talkToChannel"),
        onclick: () => this.talk.toggle(id),
      },
      icon("mic"),
      h("span", { class: "name" }, channel.name || channel.key),
      h("span", { class: "state" }, on ? t("talk") : endpoint ? t(endpoint.online ? `kind.member.${endpoint.kind}` : "offline") : ""),
    );
  }
}

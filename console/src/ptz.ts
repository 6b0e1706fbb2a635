// The pad that moves a camera: hold an arrow, a key, or a lens button; presets; who has the camera now.

import { ref } from "./api";
import { fill, h, setText } from "./dom";
import { type Direction, Hold, MOVE_KEYS, keysToDirection } from "./hold";
import { say, t } from "./i18n";
import { detail } from "./phrases";
import { PictureForm } from "./pictureform";
import type { Store } from "./store";
import type { Preset, PtzHolder } from "./types";

interface PtzView {
  holder: PtzHolder | null;
  presets: Preset[];
}

const ARROWS: [string, number, number, "up" | "down" | "left" | "right" | ""][] = [
  ["↖", -1, 1, ""],
  ["↑", 0, 1, "up"],
  ["↗", 1, 1, ""],
  ["←", -1, 0, "left"],
  ["", 0, 0, ""],
  ["→", 1, 0, "right"],
  ["↙", -1, -1, ""],
  ["↓", 0, -1, "down"],
  ["↘", 1, -1, ""],
];

export class PtzPad {
  readonly element = h("section", { class: "ptz" });
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly holder = h("p", { class: "holder" });
  private readonly list = h("ul", { class: "presets" });
  private readonly picture: PictureForm;
  private readonly keys = new Set<string>();
  private readonly ended = new AbortController();
  private stream: string | null = null;
  private speed = 0.5;
  private hold: Hold | null = null;
  private presets: Preset[] = [];

  /** `compact`: over a picture, with all but the arrows folded away. */
  constructor(
    private readonly store: Store,
    private readonly compact = false,
  ) {
    this.picture = new PictureForm(store);
    store.on("ptz", () => this.showHolder());
    const { signal } = this.ended;
    window.addEventListener("keydown", (event) => this.key(event, true), { signal });
    window.addEventListener("keyup", (event) => this.key(event, false), { signal });
    window.addEventListener("blur", () => this.let(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.let(), { signal });
    window.addEventListener("pagehide", () => this.let(), { signal });
  }

  /** Let go of the camera and of the keyboard. */
  stop(): void {
    this.show(null);
    this.ended.abort();
  }

  /** The camera that the pad moves from now on; null: none. */
  show(stream: string | null): void {
    if (stream !== this.stream) this.let();
    this.stream = stream;
    this.hold = stream === null ? null : new Hold((action, args, last) => this.give(stream, action, args, last));
    this.presets = [];
    this.render();
    if (stream !== null) void this.readPresets(stream);
  }

  render(): void {
    if (this.stream === null || !this.store.mayMove()) {
      fill(this.element, h("p", { class: "empty" }, t(this.stream === null ? "noCamera" : "noRight")));
      return;
    }
    const speed = h("input", { type: "range", min: "0.1", max: "1", step: "0.1", value: this.speed, "aria-label": t("speed") });
    speed.addEventListener("input", () => (this.speed = Number(speed.value)));
    const pad = h(
      "div",
      { class: "pad" },
      ...ARROWS.map(([sign, pan, tilt, name]) =>
        sign === ""
          ? h("span", { class: "hub" })
          : this.button(sign, name ? t(name) : sign, () => ({ pan: pan * this.speed, tilt: tilt * this.speed })),
      ),
    );
    const lens = h(
      "div",
      { class: "lens" },
      ...(["zoom", "focus", "iris"] as const).flatMap((axis) => [
        this.button("−", `${t(axis)} −`, () => ({ [axis]: -this.speed })),
        h("span", { class: "axis" }, t(axis)),
        this.button("+", `${t(axis)} +`, () => ({ [axis]: this.speed })),
      ]),
      h("span", { class: "axis" }, t("speed")),
      speed,
    );
    this.picture.show(this.stream);
    const presets = [h("h3", {}, t("presets")), this.list, this.presetForm(), h("p", { class: "quiet" }, t("keysHint"))];
    if (this.compact) {
      const more = h("details", { class: "more" }, h("summary", {}, t("more")), lens, ...presets, this.picture.element);
      fill(this.element, pad, this.holder, this.message, more);
    } else fill(this.element, pad, lens, this.holder, this.message, ...presets, this.picture.element);
    this.showHolder();
    this.showPresets();
  }

  private button(sign: string, label: string, direction: () => Direction): HTMLButtonElement {
    const made = h("button", { type: "button", class: "move", "aria-label": label, title: label }, sign);
    made.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      made.setPointerCapture(event.pointerId);
      made.classList.add("held");
      setText(this.message, "");
      this.hold?.press(direction());
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"] as const) {
      made.addEventListener(end, () => {
        made.classList.remove("held");
        this.hold?.release();
      });
    }
    made.addEventListener("contextmenu", (event) => event.preventDefault());
    return made;
  }

  private key(event: KeyboardEvent, down: boolean): void {
    if (!MOVE_KEYS.has(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target as HTMLElement | null;
    if (down && target?.matches?.("input, textarea, select")) return;
    if (this.stream === null || !this.store.mayMove()) return;
    event.preventDefault();
    const before = this.keys.size;
    if (down) this.keys.add(event.key);
    else if (!this.keys.delete(event.key)) return;
    if (!event.repeat || before === 0) this.hold?.press(keysToDirection(this.keys, this.speed));
  }

  /** Nothing is held any more: the window lost its focus or closes. */
  private let(): void {
    this.keys.clear();
    this.hold?.release();
  }

  private async give(stream: string, action: string, args: Record<string, number>, last: boolean): Promise<void> {
    const problem = await this.store.attempt(this.store.api.order(action, stream, args, { keepalive: last }));
    if (problem === null) return;
    if (stream === this.stream) setText(this.message, `${say(problem.cause)} ${detail(problem.detail)}`);
    throw new Error(problem.code);
  }

  private showHolder(): void {
    const holder = this.stream === null ? undefined : this.store.holders.get(this.stream);
    const mine = holder?.name === this.store.api.who?.name;
    setText(this.holder, holder ? t("holder", holder.name) : t("free"));
    this.holder.classList.toggle("other", holder !== undefined && !mine);
  }

  private async readPresets(stream: string): Promise<void> {
    if (!this.store.mayMove()) return;
    let view: PtzView;
    try {
      view = await this.store.api.get<PtzView>(`/api/v1/streams/${ref(stream)}/ptz`, { background: true });
    } catch {
      return; // a camera that is not there has no presets to show; the tile says why
    }
    if (stream !== this.stream) return;
    this.presets = view.presets;
    if (view.holder) this.store.holders.set(stream, view.holder);
    this.showHolder();
    this.showPresets();
  }

  private showPresets(): void {
    fill(
      this.list,
      ...this.presets.map((preset) =>
        h(
          "li",
          {},
          h("button", { type: "button", onclick: () => void this.preset("call", preset.number, preset.name) }, `${preset.number}`),
          h("span", {}, preset.name || "–"),
        ),
      ),
    );
  }

  private presetForm(): HTMLFormElement {
    const number = h("input", { type: "number", min: "1", max: "255", value: "1", "aria-label": t("presetNumber") });
    const name = h("input", { type: "text", maxlength: "32", placeholder: t("presetName"), "aria-label": t("presetName") });
    const form = h(
      "form",
      { class: "preset-form" },
      number,
      name,
      h("button", { type: "button", onclick: () => void this.preset("call", Number(number.value), "") }, t("go")),
      h("button", { type: "submit" }, t("save")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.preset("set", Number(number.value), name.value);
    });
    return form;
  }

  private async preset(op: "set" | "call", number: number, name: string): Promise<void> {
    const stream = this.stream;
    if (stream === null) return;
    const problem = await this.store.attempt(this.store.api.order("ptz.preset", stream, { op, number, name }));
    setText(this.message, problem ? `${say(problem.cause)} ${detail(problem.detail)}` : t("done"));
    if (op === "set" && problem === null) await this.readPresets(stream);
  }
}

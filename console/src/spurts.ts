// Who spoke when in a group: a strip of the last minutes, and the newest ones in words.

import { ref } from "./api";
import { fill, h, setText } from "./dom";
import { counted, t, word } from "./i18n";
import type { Store } from "./store";
import type { Floor, Spurt } from "./types";

const STRIP_S = 300;
const LISTED = 8;
const SETTLE_MS = 600;
const HUES = 8;

/** The same member has the same colour in every strip: one of eight. */
export function hue(member: string): number {
  let sum = 0;
  for (const letter of member) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return sum % HUES;
}

/** Where a stretch of speech lies in the strip, 0 … 1 from the left; null where it is older than the strip. */
export function place(began: number, ended: number, now: number, stripS = STRIP_S): { left: number; width: number } | null {
  const left = Math.max(0, 1 - (now - began) / stripS);
  const right = Math.min(1, 1 - (now - ended) / stripS);
  return right <= 0 || right <= left ? null : { left, width: right - left };
}

export class SpurtsView {
  private readonly strip = h("div", { class: "strip", "aria-hidden": "true" });
  private readonly scale = h("div", { class: "scale" }, h("span"), h("span"));
  private readonly list = h("ol", { class: "spurt-list" });
  private readonly head = h("summary");
  readonly element = h("details", { class: "spurts" }, this.head, this.strip, this.scale, this.list);
  private spurts: Spurt[] = [];
  private due: ReturnType<typeof setTimeout> | undefined;
  private drawn = "";
  /** The floor as it was when the list was last asked for: a change means that somebody began or ended. */
  private floor = "";

  constructor(
    private readonly store: Store,
    private readonly group: string,
  ) {
    this.element.addEventListener("toggle", () => this.element.open && void this.read());
  }

  /** The floor changed hands: a new line of the record is due. */
  follow(floor: Floor): void {
    const now = `${floor.holder} ${floor.since} ${floor.barging.join()}`;
    if (now !== this.floor) this.soon();
    this.floor = now;
  }

  soon(): void {
    clearTimeout(this.due);
    if (this.element.open) this.due = setTimeout(() => void this.read(), SETTLE_MS);
  }

  stop(): void {
    clearTimeout(this.due);
  }

  private async read(): Promise<void> {
    try {
      this.spurts = await this.store.api.get<Spurt[]>(`/api/v1/talk/${ref(this.group)}/spurts?limit=100`, { background: true });
    } catch {
      return; // the list stays as it was; the next change of the floor asks again
    }
    this.render();
  }

  render(floor?: Floor): void {
    setText(this.head, t("spurts"));
    if (!this.element.open) return;
    const now = Date.now() / 1000;
    setText(this.scale.children[0] as Element, t("lastMinutes", STRIP_S / 60));
    setText(this.scale.children[1] as Element, t("now"));
    const running = floor?.state === "taken" ? [{ member: floor.holder, began: floor.since, ended: now, emergency: floor.emergency }] : [];
    const marks: HTMLElement[] = [];
    for (const one of [...this.spurts, ...running]) {
      const at = place(one.began, one.ended, now);
      if (!at) continue;
      const mark = h("i", { "data-hue": hue(one.member), class: one.emergency ? "urgent" : "" });
      mark.style.left = `${at.left * 100}%`;
      mark.style.width = `${Math.max(0.4, at.width * 100)}%`;
      marks.push(mark);
    }
    fill(this.strip, ...marks);
    const drawn = `${document.documentElement.lang} ${this.spurts.map((one) => one.id).join()}`;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    fill(this.list, ...(this.spurts.length ? this.spurts.slice(0, LISTED).map((one) => this.line(one)) : [h("li", { class: "quiet" }, t("noSpurts"))]));
  }

  private line(spurt: Spurt): HTMLElement {
    const clock = new Date(spurt.began * 1000).toLocaleTimeString(document.documentElement.lang, { hour12: false });
    const ended = spurt.ended_by === "release" ? "" : word(`ended.${spurt.ended_by}`);
    return h(
      "li",
      { class: spurt.emergency ? "urgent" : "" },
      h("i", { "data-hue": hue(spurt.member) }),
      h("time", { class: "number" }, clock),
      h("span", { class: "name" }, spurt.name || spurt.member),
      h("span", { class: "quiet" }, ended),
      h("span", { class: "number" }, counted(spurt.ended - spurt.began)),
    );
  }
}

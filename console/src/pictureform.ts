// The image settings of a camera (brightness to day and night), as far as that camera offers them: read when unfolded.

import { ref } from "./api";
import { fill, h, setText } from "./dom";
import { type Key, say, t } from "./i18n";
import { detail } from "./phrases";
import type { Store } from "./store";
import type { PictureLevel, PictureNow } from "./types";

const STEPS = 100;

export class PictureForm {
  private readonly summary = h("summary", {});
  private readonly fields = h("div", { class: "levels" });
  private readonly message = h("p", { class: "message", role: "status" });
  readonly element = h("details", { class: "picture" }, this.summary, this.fields, this.message);
  private stream: string | null = null;

  constructor(private readonly store: Store) {
    this.element.addEventListener("toggle", () => this.element.open && void this.read());
  }

  /** The camera whose settings are shown from now on. */
  show(stream: string | null): void {
    setText(this.summary, t("picture"));
    if (stream !== this.stream) {
      this.stream = stream;
      fill(this.fields);
      setText(this.message, "");
    }
    if (this.element.open) void this.read();
  }

  private async read(): Promise<void> {
    const stream = this.stream;
    if (stream === null) return;
    const asked = this.store.api.get<PictureNow>(`/api/v1/streams/${ref(stream)}/picture`, { background: true });
    const problem = await this.store.attempt(asked);
    if (stream !== this.stream) return;
    if (problem !== null) {
      fill(this.fields);
      setText(this.message, `${say(problem.cause)} ${say(problem.cure)} ${detail(problem.detail)}`);
      return;
    }
    const now = await asked;
    fill(this.fields, ...now.levels.flatMap((level) => this.level(level)), ...this.modes(now));
  }

  private level(level: PictureLevel): HTMLElement[] {
    const { name, low, high } = level;
    const label = t(`picture.${name}` as Key);
    const own = (part: number): string => `${Math.round((low + part * (high - low)) * 100) / 100}`;
    // As many steps as the camera has whole numbers, where that is fewer.
    const steps = Number.isInteger(high - low) && high - low < STEPS ? high - low : STEPS;
    const slider = h("input", { type: "range", min: 0, max: 1, step: 1 / steps, value: level.now ?? 0.5, "aria-label": label });
    const shown = h("output", { class: "number" }, level.now === null ? "–" : own(level.now));
    const moved = (): void => {
      setText(shown, own(Number(slider.value)));
      slider.setAttribute("aria-valuetext", own(Number(slider.value)));
    };
    slider.addEventListener("input", moved);
    slider.addEventListener("change", () => void this.set(name, Number(slider.value)));
    return [h("span", { class: "axis" }, label), slider, shown];
  }

  private modes({ modes, day_night }: PictureNow): HTMLElement[] {
    if (modes.length === 0) return [];
    const choice = h(
      "select",
      { "aria-label": t("picture.day_night") },
      day_night === null && h("option", { value: "", selected: true, disabled: true }, "–"),
      ...modes.map((mode) => h("option", { value: mode, selected: mode === day_night }, t(`picture.${mode}` as Key))),
    );
    choice.addEventListener("change", () => void this.set("day_night", choice.value));
    return [h("span", { class: "axis" }, t("picture.day_night")), choice];
  }

  private async set(name: string, value: number | string): Promise<void> {
    const stream = this.stream;
    if (stream === null) return;
    const problem = await this.store.attempt(this.store.api.order("picture.set", stream, { [name]: value }));
    if (stream !== this.stream) return;
    setText(this.message, problem ? `${say(problem.cause)} ${say(problem.cure)} ${detail(problem.detail)}` : t("done"));
    if (problem !== null) await this.back();
  }

  /** What was refused is shown as the camera has it, with the refusal beside it. */
  private async back(): Promise<void> {
    const words = this.message.textContent ?? "";
    await this.read();
    setText(this.message, words);
  }
}

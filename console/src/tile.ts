// A video tile: the picture, the words where there is none, the figures, and the last frame kept while it comes back.

import type { Api } from "./api";
import { fill, h, icon, setText } from "./dom";
import { type Figures, NO_FIGURES } from "./figures";
import { t } from "./i18n";
import type { StreamStatus } from "./types";
import { type PlayerState, WhepPlayer } from "./whep";
import { figureRows, lessWords, sourceWords, tileWords } from "./words";

export interface TileOptions {
  title: () => string;
  status: () => StreamStatus | null;
  onClose?: () => void;
  onSelect?: () => void;
  /** Talking to the place that the picture shows, where it has a loudspeaker. */
  talk?: { possible(): boolean; on(): boolean; toggle(): void };
  /** A reason code in words. */
  cause?: (code: string) => string;
  /** What to do about it, in words. */
  cure?: (code: string) => string;
  onState?: (state: PlayerState, figures: Figures, video: HTMLVideoElement) => void;
}

export class Tile {
  readonly element: HTMLElement;
  readonly video: HTMLVideoElement;
  readonly player: WhepPlayer;
  private figures: Figures = NO_FIGURES;
  private readonly ghost = h("canvas", { class: "ghost", "aria-hidden": "true" });
  private readonly title = h("span", { class: "title" });
  private readonly chip = h("span", { class: "chip", role: "status" });
  private readonly cause = h("p", { class: "cause" });
  private readonly cure = h("p", { class: "cure" });
  private readonly age = h("p", { class: "age" });
  private readonly note = h("p", { class: "note", hidden: true });
  private readonly again: HTMLButtonElement;
  private readonly overlay: HTMLElement;
  private readonly rows = h("dl", { class: "figures" });
  private readonly hint: HTMLButtonElement;
  private readonly soundButton: HTMLButtonElement;
  private readonly talkButton = h("button", { class: "icon talk-button", type: "button", hidden: true }, icon("mic"));
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    api: Api,
    readonly stream: string,
    private readonly options: TileOptions,
  ) {
    this.video = h("video", { playsinline: true, disablepictureinpicture: true });
    this.video.muted = true;
    this.video.autoplay = true;
    this.soundButton = h("button", { class: "icon", type: "button", onclick: () => this.toggleSound() });
    this.hint = h("button", { class: "hint", type: "button", hidden: true, onclick: () => this.toggleSound() });
    this.again = h("button", { class: "again", type: "button", onclick: () => this.player.restart() });
    this.overlay = h("div", { class: "overlay" }, this.cause, this.cure, this.age, this.again);
    const close = options.onClose
      ? h("button", { class: "icon", type: "button", title: t("close"), "aria-label": t("close"), onclick: options.onClose }, icon("close"))
      : null;
    const full = h("button", { class: "icon", type: "button", title: t("full"), "aria-label": t("full"), onclick: () => this.fullScreen() }, icon("full"));
    this.element = h(
      "article",
      { class: "tile", tabindex: "0", "data-stream": stream },
      h("div", { class: "stage" }, this.ghost, this.video, this.overlay, this.note, this.hint),
      h("header", {}, this.chip, this.title, h("span", { class: "tools" }, this.talkButton, this.soundButton, full, close)),
      this.rows,
    );
    this.talkButton.addEventListener("click", () => {
      options.talk?.toggle();
      this.showTalk();
    });
    if (options.onSelect) {
      this.element.addEventListener("pointerdown", options.onSelect);
      this.element.addEventListener("focus", options.onSelect);
    }
    this.player = new WhepPlayer(api, stream, {
      state: () => this.show(),
      figures: (figures) => {
        this.figures = figures;
        this.show();
      },
      media: (media) => this.attach(media),
    });
    this.timer = setInterval(() => this.show(), 500);
    this.showSound();
    this.show();
  }

  start(): void {
    this.player.start();
  }

  stop(): void {
    clearInterval(this.timer);
    this.player.stop();
    this.video.srcObject = null;
    this.element.remove();
  }

  select(yes: boolean): void {
    this.element.classList.toggle("selected", yes);
  }

  private attach(media: MediaStream): void {
    this.keepLastFrame();
    this.video.srcObject = media;
    this.video.classList.add("dark");
    void this.video.play().catch(() => undefined); // a browser that refuses muted autoplay shows the hint
    const shown = (): void => {
      if (this.video.srcObject !== media) return;
      // Chromium shows a black frame of 2×2 for a track that has had no media yet.
      if (this.video.videoWidth > 2) {
        this.video.classList.remove("dark");
        this.player.frameShown();
      }
      this.video.requestVideoFrameCallback?.(shown);
    };
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(shown);
    else (this.video as HTMLVideoElement).addEventListener("resize", shown);
  }

  /** Draw what is seen now under the video, so that a new connection begins with it and not with black. */
  private keepLastFrame(): void {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth <= 2 || this.video.classList.contains("dark")) return;
    this.ghost.width = videoWidth;
    this.ghost.height = videoHeight;
    this.ghost.getContext("2d")?.drawImage(this.video, 0, 0);
  }

  private showTalk(): void {
    const { talk } = this.options;
    this.talkButton.hidden = !talk?.possible();
    if (!talk || this.talkButton.hidden) return;
    const on = talk.on();
    const label = t(on ? "talkingToChannel" : "talkToChannel");
    this.talkButton.title = label;
    this.talkButton.setAttribute("aria-label", label);
    this.talkButton.setAttribute("aria-pressed", String(on));
  }

  private show(): void {
    this.showTalk();
    const now = performance.now();
    const { state } = this.player;
    const status = this.options.status();
    const words = tileWords(state, status, now);
    const none = (): string => "";
    const source = sourceWords(status, this.options.cause ?? none, this.options.cure ?? none);
    const less = lessWords(status, this.options.cause) || [source.cause, words.tone === "live" && source.cure].filter(Boolean).join(" ");
    if (less && words.tone !== "live") [words.cause, words.cure] = [less, source.cure];
    this.note.hidden = !less || words.tone !== "live";
    setText(this.note, less);
    this.element.dataset["tone"] = words.tone;
    setText(this.title, this.options.title());
    setText(this.chip, words.state);
    setText(this.cause, words.cause);
    setText(this.cure, words.cure.trim());
    setText(this.age, words.age);
    setText(this.again, t("again"));
    this.overlay.hidden = words.tone === "live";
    if (state.phase === "live") this.video.classList.remove("dark");
    const age = state.lastFrameAt === null ? null : (now - state.lastFrameAt) / 1000;
    const rows = figureRows(this.figures, status, age);
    if (this.rows.childElementCount !== rows.length) {
      fill(this.rows, ...rows.map(([label]) => h("div", {}, h("dt", {}, label), h("dd"))));
    }
    rows.forEach(([label, value], place) => {
      const row = this.rows.children[place];
      if (!row?.firstElementChild || !row.lastElementChild) return;
      setText(row.firstElementChild, label);
      if (label === t("loss")) (row as HTMLElement).title = `${t("fromDevice")} → ${t("fromGateway")}`;
      setText(row.lastElementChild, value);
    });
    const blocked = this.video.paused && state.phase !== "closed" && this.video.readyState >= 2;
    const silent = this.video.muted && this.figures.audio !== "" && words.tone === "live";
    this.hint.hidden = !blocked && !silent;
    setText(this.hint, blocked ? t("tapPlay") : t("tapSound"));
    this.options.onState?.(state, this.figures, this.video);
  }

  private toggleSound(): void {
    if (this.video.paused) void this.video.play().catch(() => undefined);
    this.video.muted = !this.video.muted;
    this.showSound();
    this.show();
  }

  private showSound(): void {
    const label = this.video.muted ? t("sound") : t("mute");
    this.soundButton.title = label;
    this.soundButton.setAttribute("aria-label", label);
    fill(this.soundButton, icon(this.video.muted ? "muted" : "sound"));
  }

  private fullScreen(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void this.element.requestFullscreen?.().catch(() => undefined);
  }
}

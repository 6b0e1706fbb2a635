// What counts as holding the talk key: the space bar, a finger, the mouse; and everything that lets go of it.

/** Where the space bar types instead of talking. A ticked box is no such place: it is ticked to talk to one group more. */
const FIELDS = 'input:not([type="checkbox"]):not([type="range"]), textarea, select, [contenteditable], dialog, dialog *';

export class TalkKey {
  private readonly sources = new Set<string>();

  /** `down` and `up` are told once, however many fingers and keys hold. */
  constructor(
    private readonly down: () => void,
    private readonly up: () => void,
    /** False: the space bar is not ours just now. */
    private readonly enabled: () => boolean,
    signal: AbortSignal,
  ) {
    window.addEventListener("keydown", (event) => this.key(event, true), { signal, capture: true });
    window.addEventListener("keyup", (event) => this.key(event, false), { signal, capture: true });
    window.addEventListener("blur", () => this.letGo(), { signal });
    window.addEventListener("pagehide", () => this.letGo(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.letGo(), { signal });
    signal.addEventListener("abort", () => this.letGo());
  }

  get held(): boolean {
    return this.sources.size > 0;
  }

  /** A button that is held by mouse or finger, also when the finger slides off it. */
  watch(button: HTMLElement): void {
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault(); // no focus, no text selection, no callout
      button.setPointerCapture?.(event.pointerId);
      this.hold(`pointer ${event.pointerId}`);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"] as const) {
      button.addEventListener(end, (event) => this.drop(`pointer ${(event as PointerEvent).pointerId}`));
    }
    button.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  letGo(): void {
    if (this.sources.size === 0) return;
    this.sources.clear();
    this.up();
  }

  private hold(source: string): void {
    const first = this.sources.size === 0;
    this.sources.add(source);
    if (first) this.down();
  }

  private drop(source: string): void {
    if (this.sources.delete(source) && this.sources.size === 0) this.up();
  }

  private key(event: KeyboardEvent, down: boolean): void {
    if (event.code !== "Space" && event.key !== " ") return;
    if (!down && !this.sources.has("space")) return;
    if (down) {
      if (event.ctrlKey || event.altKey || event.metaKey || !this.enabled()) return;
      const target = event.target as Element | null;
      if (target?.matches?.(FIELDS) && !this.sources.has("space")) return;
    }
    // A button that has the focus would be pressed by it, and the page would scroll.
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    if (down) this.hold("space");
    else this.drop("space");
  }
}

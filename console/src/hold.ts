// Hold to move: a press is one order, renewed while it lasts; the release is a stop. Never two orders on their way at a
// time, and the stop always last, so that a slow link can not turn the two around.

export const RENEW_MS = 400;

export interface Direction {
  pan?: number;
  tilt?: number;
  zoom?: number;
  focus?: number;
  iris?: number;
}

type Give = (action: string, args: Record<string, number>, last: boolean) => Promise<void>;

export class Hold {
  private wanted: Direction | null = null;
  private moving: "ptz" | "lens" | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private busy = false;
  private again = false;

  constructor(
    private readonly give: Give,
    private readonly renewMs = RENEW_MS,
  ) {}

  /** Move so from now on; an all-zero direction is a release. */
  press(direction: Direction): void {
    if (Object.values(direction).every((speed) => !speed)) return this.release();
    this.wanted = direction;
    void this.pump();
  }

  release(): void {
    if (this.wanted === null && this.moving === null) return;
    this.wanted = null;
    void this.pump();
  }

  private async pump(): Promise<void> {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    clearTimeout(this.timer);
    try {
      do {
        this.again = false;
        await this.step();
      } while (this.again);
    } finally {
      this.busy = false;
    }
    if (this.wanted) this.timer = setTimeout(() => void this.pump(), this.renewMs);
  }

  private async step(): Promise<void> {
    const wanted = this.wanted;
    const kind = wanted === null ? null : wanted.focus || wanted.iris ? "lens" : "ptz";
    if (this.moving !== null && this.moving !== kind) {
      const was = this.moving;
      this.moving = null;
      await this.order(was === "lens" ? "ptz.lens" : "ptz.stop", was === "lens" ? { focus: 0, iris: 0 } : {}, true);
    }
    if (wanted === null || kind === null) return;
    this.moving = kind;
    const { pan = 0, tilt = 0, zoom = 0, focus = 0, iris = 0 } = wanted;
    // Three renewals may be lost before the gateway's dead man stops the camera.
    const ok = await this.order(
      kind === "lens" ? "ptz.lens" : "ptz.move",
      kind === "lens" ? { focus, iris } : { pan, tilt, zoom, hold_s: (this.renewMs * 4) / 1000 },
      false,
    );
    if (!ok) {
      // Refused (somebody else has it) or the link is gone: not asked again until the next press.
      this.wanted = null;
      this.moving = null;
    }
  }

  private async order(action: string, args: Record<string, number>, last: boolean): Promise<boolean> {
    try {
      await this.give(action, args, last);
      return true;
    } catch {
      return false;
    }
  }
}

/** Direction of the keys now held: arrows, + and -. */
export function keysToDirection(keys: ReadonlySet<string>, speed: number): Direction {
  const axis = (plus: string[], minus: string[]) =>
    (plus.some((key) => keys.has(key)) ? speed : 0) - (minus.some((key) => keys.has(key)) ? speed : 0);
  return {
    pan: axis(["ArrowRight"], ["ArrowLeft"]),
    tilt: axis(["ArrowUp"], ["ArrowDown"]),
    zoom: axis(["+", "="], ["-", "_"]),
  };
}

export const MOVE_KEYS: ReadonlySet<string> = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "+", "=", "-", "_"]);

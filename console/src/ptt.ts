// Push to talk, without a page: a press asks for the floor and asks again each second while it lasts, for the gateway
// takes the floor back from whoever falls silent about it (talk.press_timeout); the release always goes out last.
//
//   idle ──press──► asking ──► granted ──► revoked        revoked and denied stay until the key is let go
//                     │  ▲        ▲
//                     │  └─ queued ─┘   denied

import { ApiError } from "./api";
import type { FloorAnswer, FloorWord, Words } from "./types";

export const RENEW_MS = 1000;
/** How long a refusal stays to be read after the key was let go. */
export const READ_MS = 2500;

export type PttPhase = "idle" | "asking" | "granted" | "queued" | "denied" | "revoked";

export interface PttState {
  phase: PttPhase;
  position: number;
  emergency: boolean;
  /** Why not: a reason code, with words where they came along. */
  code: string;
  detail: string;
  cause: Words | null;
  /** performance.now() of the grant. */
  since: number;
}

const IDLE: PttState = { phase: "idle", position: 0, emergency: false, code: "", detail: "", cause: null, since: 0 };

export interface PttOrders {
  /** Ask for the floor; what it says to that, where it says it at once. Rejects with ApiError when refused. */
  request(emergency: boolean): Promise<FloorWord | null>;
  release(): Promise<unknown>;
}

export class Ptt {
  state: PttState = IDLE;
  private held = false;
  private emergency = false;
  private asked = false;
  private busy = false;
  private again = false;
  /** Grows with each word of the floor: an answer that is older than the newest word is void. */
  private words = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly orders: PttOrders,
    private readonly changed: (state: PttState) => void,
    private readonly renewMs = RENEW_MS,
  ) {}

  get pressed(): boolean {
    return this.held;
  }

  press(emergency = false): void {
    if (this.held && (this.emergency || !emergency)) return;
    clearTimeout(this.reading);
    this.held = true;
    this.emergency = emergency;
    if (this.state.phase !== "granted") this.set({ ...IDLE, phase: "asking", emergency });
    else this.set({ ...this.state, emergency });
    void this.pump();
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    this.emergency = false;
    clearTimeout(this.timer);
    const refused = this.state.phase === "denied" || this.state.phase === "revoked";
    if (refused) this.reading = setTimeout(() => this.set(IDLE), READ_MS);
    else this.set(IDLE);
    void this.pump();
  }

  /** What the floor says to this member, by an event. */
  word(word: FloorWord): void {
    this.words += 1;
    this.take(word);
  }

  private take(word: { answer: FloorAnswer; position: number; code: string; detail: string }): void {
    if (!this.held) return; // too late: the release is on its way
    const { code, detail, position } = word;
    const same = this.state.phase === word.answer;
    switch (word.answer) {
      case "granted":
        this.set({ ...IDLE, phase: "granted", emergency: this.emergency, since: same ? this.state.since : performance.now() });
        break;
      case "queued":
        if (this.state.phase !== "granted") this.set({ ...IDLE, phase: "queued", emergency: this.emergency, position });
        break;
      case "denied":
      case "revoked":
        this.refuse(word.answer, code, detail, null);
        break;
      case "released":
        if (this.state.phase === "granted") this.refuse("revoked", code, detail, null);
        break;
    }
  }

  /** Not asked again until the next press. */
  private refuse(phase: "denied" | "revoked", code: string, detail: string, cause: Words | null): void {
    clearTimeout(this.timer);
    this.set({ ...IDLE, phase, code, detail, cause });
  }

  private get wanted(): boolean {
    return this.held && this.state.phase !== "denied" && this.state.phase !== "revoked";
  }

  private async pump(): Promise<void> {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    clearTimeout(this.timer);
    const began = Date.now();
    try {
      do {
        this.again = false;
        await this.step();
      } while (this.again);
    } finally {
      this.busy = false;
    }
    if (this.wanted) this.timer = setTimeout(() => void this.pump(), Math.max(0, this.renewMs - (Date.now() - began)));
  }

  private async step(): Promise<void> {
    if (this.wanted) {
      const words = this.words;
      this.asked = true;
      try {
        const said = await this.orders.request(this.emergency);
        if (said !== null && words === this.words) this.take(said);
      } catch (error) {
        if (!this.held) return;
        const problem = error instanceof ApiError ? error.problem : null;
        this.refuse("denied", problem?.code ?? "internal", problem?.detail ?? "", problem?.cause ?? null);
      }
    } else if (this.asked && !this.held) {
      this.asked = false;
      // An unheard release costs little: the floor comes back by itself when nobody asks any more.
      await this.orders.release().catch(() => undefined);
    }
  }

  private set(state: PttState): void {
    this.state = state;
    this.changed(state);
  }
}

// Sends what is kept, the urgent first, piece by piece; goes on where it ended, whatever happened between.
//
// How good the link is, is measured: how fast pieces are acknowledged, and whether they are. Pieces are made so long that
// each takes a second or two; after each the most urgent report is chosen anew, so a photo overtakes a voice note.

import { ask, type Problem } from "./http";
import type { Item, Kept, Kind } from "./kept";

export type Link = "good" | "weak" | "none" | "unknown";

export interface Me {
  device: string;
  stream: string;
  name: string;
  place: string;
  chunk: number;
}

const URGENCY: { [kind in Kind]: number } = { position: 0, text: 0, photo: 1, voice: 2 };
const PATIENCE_MS = 30000;
const FIRST_PIECE = 32 * 1024;
const LEAST_PIECE = 8 * 1024;
const PIECE_S = 1.5;
const WEAK_BYTES_S = 24 * 1024;
const WAITS_MS = [1000, 2000, 4000, 8000, 15000, 30000];
const FULL_WAIT_MS = 60000;
const HELLO_MS = 30000;

export class Sender {
  me: Me | null = null;
  link: Link = "unknown";
  /** Why nothing goes out although there is a link: the invitation ended, the gateway is full. */
  problem: Problem | null = null;
  /** Of the report that is on its way: its id and how much has arrived. */
  sending = "";
  received = 0;
  rate = 0;
  private readonly size = { next: FIRST_PIECE };
  private running = false;
  private again = false;
  private failures = 0;
  private retry = 0;
  private heard = 0;

  constructor(
    private readonly kept: Kept,
    private readonly bearer: () => string,
    private readonly name: () => string,
    private readonly changed: () => void,
  ) {}

  start(): void {
    window.addEventListener("online", () => this.kick());
    window.addEventListener("offline", () => {
      this.link = "none";
      this.changed();
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.kick();
    });
    setInterval(() => {
      if (!document.hidden && Date.now() - this.heard >= HELLO_MS) this.kick();
    }, HELLO_MS / 2);
    this.kick();
  }

  /** Something is to be sent, or the link may be back: now. */
  kick(): void {
    clearTimeout(this.retry);
    if (this.running) {
      this.again = true;
      return;
    }
    this.running = true;
    this.again = false;
    this.run().then(
      () => {
        this.failures = 0;
        this.problem = null;
        this.done();
      },
      (problem: Problem) => this.failed(problem),
    );
  }

  headers(more: { [name: string]: string } = {}): { [name: string]: string } {
    return Object.assign({ Authorization: "Bearer " + this.bearer() }, more);
  }

  /** A new link was opened: who we are is asked anew. */
  forget(): void {
    this.me = null;
    this.problem = null;
  }

  private done(): void {
    this.running = false;
    this.sending = "";
    this.changed();
    if (this.again) this.kick();
  }

  private failed(problem: Problem): void {
    const full = problem.status === 507 || problem.status === 429;
    const ended = problem.status === 401 || problem.status === 403;
    if (problem.status === 0 || (problem.status >= 500 && problem.status !== 507)) this.link = "none";
    this.problem = problem.status === 0 ? null : problem;
    if (ended) this.me = null;
    const wait = full || ended ? FULL_WAIT_MS : WAITS_MS[Math.min(this.failures, WAITS_MS.length - 1)]!;
    this.failures += 1;
    this.again = false;
    this.retry = setTimeout(() => this.kick(), wait) as unknown as number;
    this.done();
  }

  private run(): Promise<void> {
    return this.join().then(() => this.next());
  }

  private join(): Promise<void> {
    if (this.me && Date.now() - this.heard < HELLO_MS) return Promise.resolve();
    const body = JSON.stringify({ name: this.name() });
    return this.timed("POST", "/phone/join", { "Content-Type": "application/json" }, body).then((text) => {
      this.me = JSON.parse(text) as Me;
    });
  }

  private next(): Promise<void> {
    return this.kept.all().then((items) => {
      const waiting = items.filter((one) => one.state === "kept");
      if (waiting.length === 0) return undefined;
      waiting.sort((a, b) => URGENCY[a.kind] - URGENCY[b.kind] || a.taken - b.taken);
      return this.some(waiting[0]!).then(() => this.next());
    });
  }

  /** Announce a report, or ask how far it is, and send one more piece of it. */
  private some(item: Item): Promise<void> {
    const known = this.sending === item.id;
    this.sending = item.id;
    const at = known ? Promise.resolve({ received: this.received, complete: false }) : this.announce(item);
    return at
      .then((progress) => (progress.complete || !item.data ? progress : this.piece(item, item.data, progress.received)))
      .then((progress) => {
        this.received = progress.received;
        if (!progress.complete) return undefined;
        this.sending = "";
        return this.kept.sent(item);
      })
      .then(() => this.changed())
      .catch((problem: Problem) => {
        this.sending = "";
        // It will never be taken as it is: it stays here, and the others go on.
        if ([400, 409, 413, 415, 422].indexOf(problem.status) < 0 || problem.code === "report-damaged") throw problem;
        item.state = "stuck";
        item.code = problem.code;
        return this.kept.put(item).then(() => this.changed());
      });
  }

  private announce(item: Item): Promise<{ received: number; complete: boolean }> {
    const told = {
      kind: item.kind,
      taken_at: item.taken / 1000,
      sent_at: Date.now() / 1000,
      text: item.text,
      media_type: item.type,
      size: item.size,
      sha256: item.sha256,
      where: item.where,
    };
    return this.timed("PUT", "/phone/reports/" + item.id, { "Content-Type": "application/json" }, JSON.stringify(told)).then(read);
  }

  private piece(item: Item, data: ArrayBuffer, from: number): Promise<{ received: number; complete: boolean }> {
    const most = this.me ? this.me.chunk : FIRST_PIECE;
    const part = data.slice(from, from + Math.min(this.size.next, most));
    const began = Date.now();
    const headers = { "Content-Type": "application/octet-stream", "Upload-Offset": String(from) };
    return this.timed("PATCH", "/phone/reports/" + item.id, headers, part).then((text) => {
      const rate = part.byteLength / (Math.max(1, Date.now() - began) / 1000);
      this.rate = this.rate ? this.rate * 0.6 + rate * 0.4 : rate;
      this.size.next = Math.max(LEAST_PIECE, Math.min(most, Math.floor(this.rate * PIECE_S)));
      this.link = this.rate < WEAK_BYTES_S ? "weak" : "good";
      return read(text);
    });
  }

  private timed(method: string, path: string, headers: { [name: string]: string }, body: string | ArrayBuffer): Promise<string> {
    const began = Date.now();
    return ask(method, path, this.headers(headers), body, PATIENCE_MS).then(
      (answer) => {
        this.heard = Date.now();
        // A small request that takes seconds is a weak link as well; a good one may only follow a fast piece.
        if (Date.now() - began > 3000) this.link = "weak";
        else if (this.link === "none" || this.link === "unknown") this.link = this.rate && this.rate < WEAK_BYTES_S ? "weak" : "good";
        return answer.text;
      },
      (problem: Problem) => {
        if (problem.status === 0) this.size.next = Math.max(LEAST_PIECE, this.size.next >> 1);
        throw problem;
      },
    );
  }
}

function read(text: string): { received: number; complete: boolean } {
  return JSON.parse(text) as { received: number; complete: boolean };
}

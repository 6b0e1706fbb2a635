// A WHEP player that never gives up: it says in which state it is, and comes back by itself.
//
//   opening ──answer──► connecting ──path──► key-frame ──first frame──► live ◄──► stalled
//      ▲                    │                    │                        │         │
//      └──── retry (0.3 … 8 s, at once when the network comes back) ◄─────┴─────────┘ path lost, session gone
//
// A source's outage ends nothing: the gateway keeps the session, the page shows its reason and the last frame, and
// the picture goes on in the same connection. A viewer's change of network makes a new connection.

import { type Api, ApiError, ref } from "./api";
import { type Figures, NO_FIGURES, type Reading, read } from "./figures";
import type { Problem, Words } from "./types";

export type Phase = "opening" | "connecting" | "key-frame" | "live" | "stalled" | "reconnecting" | "closed";

export interface PlayerState {
  phase: Phase;
  /** Why there is no picture, when somebody knows: a reason code of the gateway with its words. */
  code: string;
  cause: Words | null;
  cure: Words | null;
  /** performance.now() of the newest decoded frame; null before the first. */
  lastFrameAt: number | null;
  firstFrameMs: number | null;
  attempts: number;
}

/** GET of the session's Location. */
interface SessionStatus {
  state: string;
  code: string;
  cause: Words | null;
  cure: Words | null;
}

export const STALL_MS = 2500;
export const FIRST_RETRY_MS = 300;
export const LONGEST_RETRY_MS = 8000;
/** Asking again will not help soon: the codec, the name, the right. */
const SLOW_CODES = new Set(["codec-unsupported", "b-frames", "not-found", "denied", "csrf", "unauthenticated"]);
const SLOW_RETRY_MS = 15000;
/** A device that has just come is in the directory a moment before its stream can be had. */
const NOT_FOUND_RETRY_MS = 1000;
const DISCONNECTED_PATIENCE_MS = 2000;
const CONNECT_PATIENCE_MS = 8000;
const TICK_MS = 250;

/** The wait before attempt number `failures` + 1. */
export function retryDelay(failures: number, code: string): number {
  if (code === "not-found" && failures < 3) return NOT_FOUND_RETRY_MS;
  if (SLOW_CODES.has(code)) return SLOW_RETRY_MS;
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
}

/** ICE servers of a WHEP answer's Link headers (RFC 9725 §4.6). */
export function iceServers(link: string | null): RTCIceServer[] {
  const found: RTCIceServer[] = [];
  for (const part of (link ?? "").split(/,\s*(?=<)/)) {
    const url = /^<((?:stun|turn)s?:[^>]+)>/.exec(part.trim())?.[1];
    if (!url || !/rel="?ice-server"?/.test(part)) continue;
    const parameter = (name: string) => new RegExp(`${name}="((?:[^"\\\\]|\\\\.)*)"`).exec(part)?.[1]?.replace(/\\(.)/g, "$1");
    const server: RTCIceServer = { urls: url };
    const username = parameter("username");
    const credential = parameter("credential");
    if (username !== undefined) server.username = username;
    if (credential !== undefined) server.credential = credential;
    found.push(server);
  }
  return found;
}

export interface PlayerEvents {
  state(state: PlayerState): void;
  figures(figures: Figures): void;
  /** A connection's media: attach it to the video element. The last frame of the one before should stay meanwhile. */
  media(stream: MediaStream): void;
}

export class WhepPlayer {
  state: PlayerState = blank();
  figures: Figures = NO_FIGURES;
  private peer: RTCPeerConnection | null = null;
  private session = "";
  private servers: RTCIceServer[] = [];
  private startedAt = 0;
  /** Grows with every beginning and end: an answer for an older one is void. */
  private generation = 0;
  private attempts = 0;
  private failures = 0;
  private reading: Reading | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private tickTimer: ReturnType<typeof setInterval> | undefined;
  private ticks = 0;
  private framesSeen = 0;
  private unwellSince: number | null = null;
  private readonly onNetwork = (): void => this.networkChanged();
  private readonly onLeave = (): void => this.leave(true);

  constructor(
    private readonly api: Api,
    readonly stream: string,
    private readonly events: PlayerEvents,
  ) {}

  start(): void {
    this.startedAt = performance.now();
    window.addEventListener("online", this.onNetwork);
    window.addEventListener("pagehide", this.onLeave);
    connection()?.addEventListener("change", this.onNetwork);
    this.tickTimer = setInterval(() => void this.tick(), TICK_MS);
    void this.open();
  }

  stop(): void {
    clearInterval(this.tickTimer);
    clearTimeout(this.retryTimer);
    window.removeEventListener("online", this.onNetwork);
    window.removeEventListener("pagehide", this.onLeave);
    connection()?.removeEventListener("change", this.onNetwork);
    this.generation += 1;
    this.leave(false);
    this.set({ phase: "closed" });
  }

  /** Told by the video element: a frame was shown. Sooner than the counters, which are read a few times a second. */
  frameShown(): void {
    const now = performance.now();
    const firstFrameMs = this.state.firstFrameMs ?? now - this.startedAt;
    this.failures = 0;
    this.unwellSince = null;
    const live: Partial<PlayerState> = { phase: "live", code: "", cause: null, cure: null, lastFrameAt: now, firstFrameMs };
    if (this.state.phase === "live") Object.assign(this.state, live);
    else this.set(live);
  }

  /** Begin anew now: the network changed, or a person asked. */
  restart(): void {
    clearTimeout(this.retryTimer);
    this.leave(false);
    void this.open();
  }

  private async open(): Promise<void> {
    const mine = ++this.generation;
    this.attempts += 1;
    this.leave(false);
    this.set({ phase: this.state.lastFrameAt === null ? "opening" : "reconnecting", attempts: this.attempts });
    const peer = new RTCPeerConnection({ iceServers: this.servers, bundlePolicy: "max-bundle" });
    this.peer = peer;
    this.reading = null;
    this.framesSeen = 0;
    const media = new MediaStream();
    for (const kind of ["video", "audio"] as const) {
      const { receiver } = peer.addTransceiver(kind, { direction: "recvonly" });
      // Live view: hold back as little as the network's unrest allows.
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      media.addTrack(receiver.track);
    }
    peer.onconnectionstatechange = () => this.connectionChanged(peer);
    this.events.media(media);
    try {
      await peer.setLocalDescription();
      const signal = AbortSignal.timeout(CONNECT_PATIENCE_MS);
      const answer = await this.api.send("POST", `/whep/${ref(this.stream)}`, {
        raw: peer.localDescription?.sdp ?? "",
        contentType: "application/sdp",
        background: this.attempts > 1,
        signal,
      });
      const location = answer.headers.get("Location") ?? "";
      if (mine !== this.generation) {
        void this.forget(location);
        return;
      }
      this.session = location;
      this.servers = iceServers(answer.headers.get("Link"));
      await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
      if (mine === this.generation) this.set({ phase: this.state.lastFrameAt === null ? "connecting" : "reconnecting" });
    } catch (error) {
      if (mine === this.generation) this.failed(error instanceof ApiError ? error.problem : null);
    }
  }

  private connectionChanged(peer: RTCPeerConnection): void {
    if (peer !== this.peer) return;
    switch (peer.connectionState) {
      case "connected":
        this.unwellSince = null;
        if (this.state.phase !== "live") this.set({ phase: this.state.lastFrameAt === null ? "key-frame" : "reconnecting" });
        break;
      case "failed":
      case "closed":
        this.failed(null);
        break;
      case "disconnected":
        // Often a matter of a second; a dead path is given up soon, not after ICE's half minute.
        setTimeout(() => {
          if (peer === this.peer && peer.connectionState === "disconnected") this.failed(null);
        }, DISCONNECTED_PATIENCE_MS);
        break;
    }
  }

  private failed(problem: Problem | null): void {
    this.leave(false);
    this.generation += 1;
    const code = problem?.code ?? "ice-failed";
    this.set({
      phase: this.state.lastFrameAt === null && problem === null ? "opening" : "reconnecting",
      code: problem?.code ?? "",
      cause: problem?.cause ?? null,
      cure: problem?.cure ?? null,
    });
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => void this.open(), retryDelay(this.failures++, code));
  }

  private networkChanged(): void {
    const age = this.state.lastFrameAt === null ? Infinity : performance.now() - this.state.lastFrameAt;
    this.failures = 0;
    if (age > 1000) this.restart();
  }

  /** Four times a second: frames, their age, figures, and the session's own word when the picture is not there. */
  private async tick(): Promise<void> {
    this.ticks += 1;
    const peer = this.peer;
    if (!peer) return;
    const first = this.state.firstFrameMs === null;
    if (first || this.ticks % 2 === 0) await this.count(peer);
    if (peer !== this.peer) return;
    const now = performance.now();
    const age = this.state.lastFrameAt === null ? null : now - this.state.lastFrameAt;
    const stalls = this.state.phase === "live" && age !== null && age > STALL_MS;
    if (stalls) this.set({ phase: "stalled" });
    if (this.state.phase !== "live" && this.session && (stalls || this.ticks % 4 === 0)) await this.ask(peer);
    if (this.state.phase === "connecting" || this.state.phase === "reconnecting") {
      this.unwellSince ??= now;
      if (peer.connectionState !== "connected" && now - this.unwellSince > CONNECT_PATIENCE_MS) {
        this.unwellSince = null;
        this.failed(null);
      }
    }
  }

  private async count(peer: RTCPeerConnection): Promise<void> {
    const rows: Record<string, unknown>[] = [];
    (await peer.getStats()).forEach((row: Record<string, unknown>) => rows.push(row));
    if (peer !== this.peer) return;
    const { figures, reading } = read(rows, this.reading);
    if (figures.framesDecoded > this.framesSeen) {
      this.framesSeen = figures.framesDecoded;
      this.frameShown();
    }
    // A second between readings, so that the figures are quiet enough to read.
    if (this.reading === null || reading.at - this.reading.at >= 950) {
      this.reading = reading;
      this.figures = figures;
      this.events.figures(figures);
    }
  }

  /** Ask the gateway why: its answer is shown, and a session it no longer knows is made anew. */
  private async ask(peer: RTCPeerConnection): Promise<void> {
    try {
      const told = await this.api.get<SessionStatus>(this.session, { background: true, signal: AbortSignal.timeout(3000) });
      if (peer !== this.peer || this.state.phase === "live") return;
      if (told.state === "failed" || told.state === "closed") this.failed(null);
      else if (told.code !== this.state.code) this.set({ code: told.code, cause: told.cause, cure: told.cure });
    } catch (error) {
      if (peer !== this.peer || this.state.phase === "live") return;
      if (error instanceof ApiError && error.problem.status === 404) this.failed(null);
      else if (error instanceof ApiError && error.problem.status === 0) {
        this.set({ phase: "reconnecting", code: error.problem.code, cause: error.problem.cause, cure: error.problem.cure });
      }
    }
  }

  /** Let go of the present connection and tell the gateway. */
  private leave(closing: boolean): void {
    const peer = this.peer;
    this.peer = null;
    if (peer) {
      peer.onconnectionstatechange = null;
      peer.close();
    }
    const session = this.session;
    this.session = "";
    if (session) void this.forget(session, closing);
  }

  private async forget(session: string, closing = false): Promise<void> {
    if (!session) return;
    try {
      await this.api.send("DELETE", session, { keepalive: closing, background: true });
    } catch {
      // it is gone already, or the network is: the gateway ends silent sessions by itself
    }
  }

  private set(change: Partial<PlayerState>): void {
    this.state = { ...this.state, ...change };
    this.events.state(this.state);
  }
}

function blank(): PlayerState {
  return { phase: "opening", code: "", cause: null, cure: null, lastFrameAt: null, firstFrameMs: null, attempts: 0 };
}

function connection(): EventTarget | undefined {
  return (navigator as Navigator & { connection?: EventTarget }).connection;
}

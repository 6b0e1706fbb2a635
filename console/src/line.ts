// One session with a talk group or a channel: our microphone to it, its sound to our ears. It comes back by itself over
// changes of the network with the same seat, and ends for good when the gateway says so.

import { type Api, ApiError, ref } from "./api";
import { MicError, type Microphone, type MicTrouble } from "./mic";
import type { Problem, Words } from "./types";
import { iceServers, retryDelay } from "./whep";

export type LinePhase = "opening" | "connecting" | "up" | "reconnecting" | "ended";

export interface LineState {
  phase: LinePhase;
  code: string;
  cause: Words | null;
  cure: Words | null;
  mic: MicTrouble | null;
}

interface SessionStatus {
  state: string;
  code: string;
  cause: Words | null;
  cure: Words | null;
  group: string;
  member: string;
}

const CONNECT_PATIENCE_MS = 8000;
const DISCONNECTED_PATIENCE_MS = 2000;
/** The path went away, not the seat's right: asking anew helps. */
const COMES_BACK = new Set(["link-down", "ice-failed", "dtls-failed", "viewer-silent", "viewer-left", "stopping", "stream-panic", "too-many", "internal"]);

export interface LineEvents {
  changed(): void;
}

export class TalkLine {
  state: LineState = { phase: "opening", code: "", cause: null, cure: null, mic: null };
  /** The group's id once the gateway told it: for a channel that of the conversation. */
  group: string;
  member = "";
  readonly sound: HTMLAudioElement;
  private peer: RTCPeerConnection | null = null;
  private session = "";
  private track: MediaStreamTrack | null = null;
  private servers: RTCIceServer[] = [];
  private generation = 0;
  private failures = 0;
  private live = false;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private patience: ReturnType<typeof setTimeout> | undefined;
  private readonly onNetwork = (): void => this.networkChanged();
  private readonly onLeave = (): void => this.drop("leave");

  /** `talks`: with the microphone; else it listens only. */
  constructor(
    private readonly api: Api,
    private readonly mic: Microphone,
    readonly target: string,
    readonly talks: boolean,
    private readonly events: LineEvents,
  ) {
    this.group = target;
    this.sound = document.createElement("audio");
    this.sound.autoplay = true;
    this.sound.dataset["talk"] = target;
  }

  get up(): boolean {
    return this.state.phase === "up";
  }

  get ended(): boolean {
    return this.state.phase === "ended";
  }

  /** Open the microphone, then the session. Begun by a click, so that the browser lets sound be played. */
  async start(): Promise<void> {
    window.addEventListener("online", this.onNetwork);
    window.addEventListener("pagehide", this.onLeave);
    await this.open();
  }

  stop(): void {
    this.finish("", null, null);
  }

  /** Whether our voice leaves this page. */
  speak(on: boolean): void {
    this.live = on;
    if (this.track) this.track.enabled = on;
  }

  get speaking(): boolean {
    return this.live;
  }

  /** Another microphone was chosen, or this one was pulled out. */
  async newMicrophone(): Promise<void> {
    if (this.ended || !this.talks) return;
    this.track?.stop();
    this.track = null;
    try {
      await this.takeTrack();
      await this.peer?.getSenders()[0]?.replaceTrack(this.track);
    } catch (error) {
      this.set({ mic: error instanceof MicError ? error.trouble : "micFailed" });
    }
  }

  private async takeTrack(): Promise<void> {
    this.track ??= await this.mic.track();
    this.track.enabled = this.live;
    this.set({ mic: null });
  }

  private async open(): Promise<void> {
    const mine = ++this.generation;
    this.drop("keep");
    this.set({ phase: this.failures || this.member ? "reconnecting" : "opening" });
    try {
      if (this.talks) await this.takeTrack();
    } catch (error) {
      // Without a microphone one still listens; the words say why, and what to do.
      if (mine === this.generation) this.set({ mic: error instanceof MicError ? error.trouble : "micFailed" });
    }
    if (mine !== this.generation) return;
    const peer = new RTCPeerConnection({ iceServers: this.servers, bundlePolicy: "max-bundle" });
    this.peer = peer;
    const direction = this.talks ? "sendrecv" : "recvonly";
    const { receiver } = peer.addTransceiver(this.track ?? "audio", { direction });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    this.sound.srcObject = new MediaStream([receiver.track]);
    void this.sound.play?.()?.catch(() => undefined); // begins with the next click; the page has had one to get here
    peer.onconnectionstatechange = () => this.pathChanged(peer);
    try {
      await peer.setLocalDescription();
      const answer = await this.api.send("POST", `/talk/${ref(this.target)}`, {
        raw: peer.localDescription?.sdp ?? "",
        contentType: "application/sdp",
        headers: this.member ? { "Fieldgate-Member": this.member } : {},
        signal: AbortSignal.timeout(CONNECT_PATIENCE_MS),
      });
      const location = answer.headers.get("Location") ?? "";
      if (mine !== this.generation) {
        this.forget(location, false);
        return;
      }
      this.session = location;
      this.member = answer.headers.get("Fieldgate-Member") ?? "";
      this.servers = iceServers(answer.headers.get("Link"));
      await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
      if (mine !== this.generation) return;
      if (this.state.phase !== "up") this.set({ phase: this.failures ? "reconnecting" : "connecting" });
      void this.ask();
      clearTimeout(this.patience);
      this.patience = setTimeout(() => peer === this.peer && peer.connectionState !== "connected" && this.lost(null), CONNECT_PATIENCE_MS);
    } catch (error) {
      if (mine === this.generation) this.lost(error instanceof ApiError ? error.problem : null);
    }
  }

  private pathChanged(peer: RTCPeerConnection): void {
    if (peer !== this.peer) return;
    switch (peer.connectionState) {
      case "connected":
        this.failures = 0;
        clearTimeout(this.patience);
        this.set({ phase: "up", code: "", cause: null, cure: null });
        break;
      case "failed":
      case "closed":
        void this.why();
        break;
      case "disconnected":
        setTimeout(() => {
          if (peer === this.peer && peer.connectionState === "disconnected") void this.why();
        }, DISCONNECTED_PATIENCE_MS);
        break;
    }
  }

  /** The path is gone: ask whether the gateway ended the session, and why. */
  private async why(): Promise<void> {
    const mine = this.generation;
    this.set({ phase: "reconnecting" });
    const told = await this.ask();
    if (mine !== this.generation) return;
    const over = told !== null && (told.state === "closed" || told.state === "failed");
    if (over && told.code && !COMES_BACK.has(told.code)) this.finish(told.code, told.cause, told.cure);
    else this.lost(null);
  }

  private async ask(): Promise<SessionStatus | null> {
    const session = this.session;
    if (!session) return null;
    try {
      const told = await this.api.get<SessionStatus>(session, { background: true, signal: AbortSignal.timeout(3000) });
      if (session !== this.session) return null;
      if (told.group && told.group !== this.group) {
        this.group = told.group;
        this.events.changed();
      }
      return told;
    } catch {
      return null; // the network is gone, or the session long ago: a new one is asked for
    }
  }

  private lost(problem: Problem | null): void {
    if (this.ended) return;
    if (problem && !COMES_BACK.has(problem.code)) {
      this.finish(problem.code, problem.cause, problem.cure);
      return;
    }
    this.drop("keep");
    this.generation += 1;
    this.set({ phase: "reconnecting", code: problem?.code ?? "", cause: problem?.cause ?? null, cure: problem?.cure ?? null });
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.open(), retryDelay(this.failures++, problem?.code ?? "ice-failed"));
  }

  private networkChanged(): void {
    if (this.ended || this.peer?.connectionState === "connected") return;
    this.failures = 0;
    clearTimeout(this.retry);
    void this.open();
  }

  private finish(code: string, cause: Words | null, cure: Words | null): void {
    if (this.ended) return;
    this.generation += 1;
    clearTimeout(this.retry);
    window.removeEventListener("online", this.onNetwork);
    window.removeEventListener("pagehide", this.onLeave);
    this.drop("end");
    this.track?.stop();
    this.track = null;
    this.sound.srcObject = null;
    this.sound.remove();
    this.set({ phase: "ended", code, cause, cure });
  }

  /** Let go of the present connection. `keep`: the seat stays, and is taken over by its member id when we come back. */
  private drop(how: "keep" | "end" | "leave"): void {
    clearTimeout(this.patience);
    const peer = this.peer;
    this.peer = null;
    if (peer) {
      peer.onconnectionstatechange = null;
      peer.close();
    }
    const session = this.session;
    this.session = "";
    if (session && how !== "keep") this.forget(session, how === "leave");
  }

  private forget(session: string, closing: boolean): void {
    if (!session) return;
    void this.api.send("DELETE", session, { keepalive: closing, background: true }).catch(() => undefined);
  }

  private set(change: Partial<LineState>): void {
    this.state = { ...this.state, ...change };
    this.events.changed();
  }
}

// The phone's picture, live: WHIP (RFC 9725) with the invitation as bearer. Comes back by itself while it is wanted.

import { ask, type Problem } from "./http";

export type LiveState = "off" | "starting" | "live" | "again" | "no-camera" | "no-codec";

const GATHER_MS = 2000;
const PATIENCE_MS = 20000;
const AGAIN_MS = 3000;

export function canSendLive(): boolean {
  return typeof RTCPeerConnection !== "undefined" && !!(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);
}

export class Live {
  state: LiveState = "off";
  problem: Problem | null = null;
  private stream: MediaStream | null = null;
  private peer: RTCPeerConnection | null = null;
  private where = "";
  private again = 0;
  private held = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly path: () => string,
    private readonly headers: (more: { [name: string]: string }) => { [name: string]: string },
    private readonly weak: () => boolean,
    private readonly changed: () => void,
  ) {}

  start(): void {
    if (this.state === "starting" || this.state === "live" || this.state === "again") return;
    this.set("starting");
    navigator.mediaDevices
      .getUserMedia({ audio: true, video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { max: 25 } } })
      .catch(() => navigator.mediaDevices.getUserMedia({ video: true }))
      .then(
        (stream) => {
          if (this.state === "off") {
            stream.getTracks().forEach((track) => track.stop());
            return;
          }
          this.stream = stream;
          this.video.srcObject = stream;
          const playing = this.video.play() as Promise<void> | undefined;
          if (playing) playing.catch(() => undefined);
          this.connect();
        },
        () => this.set("no-camera"),
      );
  }

  stop(): void {
    clearTimeout(this.again);
    this.hangUp();
    if (this.stream) this.stream.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    this.set("off");
  }

  /** Photos and positions go first on a weak link: the picture waits, black, until they are sent. */
  hold(yes: boolean): void {
    if (yes === this.held) return;
    this.held = yes;
    if (this.stream) this.stream.getVideoTracks().forEach((track) => (track.enabled = !yes));
  }

  private set(state: LiveState): void {
    this.state = state;
    this.changed();
  }

  private connect(): void {
    const stream = this.stream;
    if (!stream || this.state === "off") return;
    this.hangUp();
    const peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
    this.peer = peer;
    if (peer.addTrack) stream.getTracks().forEach((track) => peer.addTrack(track, stream));
    else (peer as unknown as { addStream(s: MediaStream): void }).addStream(stream);
    peer.oniceconnectionstatechange = () => {
      if (this.peer !== peer) return;
      const now = peer.iceConnectionState;
      if (now === "connected" || now === "completed") {
        this.problem = null;
        this.limit();
        this.set("live");
      } else if (now === "failed" || now === "disconnected" || now === "closed") this.retry();
    };
    peer
      .createOffer()
      .then((offer) => {
        if (!/\bH264\b/i.test(offer.sdp || "")) throw "no-codec";
        return peer.setLocalDescription(offer);
      })
      .then(() => gathered(peer))
      .then(() => ask("POST", "/whip/" + this.path(), this.headers({ "Content-Type": "application/sdp" }), peer.localDescription!.sdp, PATIENCE_MS))
      .then((answer) => {
        this.where = answer.header("Location");
        if (this.peer !== peer) return this.leave();
        return peer.setRemoteDescription({ type: "answer", sdp: answer.text });
      })
      .catch((problem: Problem | string) => {
        if (this.peer !== peer) return;
        if (problem === "no-codec" || (problem as Problem).code === "codec-unsupported") {
          this.stop();
          this.set("no-codec");
          return;
        }
        this.problem = (problem as Problem).status ? (problem as Problem) : null;
        this.retry();
      });
  }

  private retry(): void {
    this.set("again");
    this.hangUp();
    clearTimeout(this.again);
    this.again = setTimeout(() => this.connect(), AGAIN_MS) as unknown as number;
  }

  private hangUp(): void {
    const peer = this.peer;
    this.peer = null;
    if (peer) peer.close();
    void this.leave();
  }

  private leave(): Promise<void> {
    const where = this.where;
    this.where = "";
    if (!where) return Promise.resolve();
    return ask("DELETE", where, this.headers({}), null, PATIENCE_MS).then(
      () => undefined,
      () => undefined,
    );
  }

  /** What the encoder may take of the link. */
  private limit(): void {
    const senders = this.peer && this.peer.getSenders ? this.peer.getSenders() : [];
    senders.forEach((sender) => {
      if (!sender.track || sender.track.kind !== "video" || !sender.getParameters || !sender.setParameters) return;
      const parameters = sender.getParameters();
      if (!parameters.encodings || !parameters.encodings.length) return;
      parameters.encodings[0]!.maxBitrate = this.weak() ? 150000 : 1500000;
      sender.setParameters(parameters).catch(() => undefined);
    });
  }
}

function gathered(peer: RTCPeerConnection): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(), GATHER_MS);
    const look = (): void => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    };
    peer.addEventListener("icegatheringstatechange", look);
    peer.addEventListener("icecandidate", (event) => {
      if (!(event as RTCPeerConnectionIceEvent).candidate) {
        clearTimeout(timer);
        resolve();
      }
    });
    look();
  });
}

// Stand-ins for what the browser has and happy-dom has not.

import { vi } from "vitest";
import type { Api, Options } from "../src/api";
import { ApiError } from "../src/api";

export class FakeTrack {
  enabled = true;
  stopped = false;
  onended: (() => void) | null = null;
  static all: FakeTrack[] = [];
  constructor(readonly label = "mic") {
    FakeTrack.all.push(this);
  }
  clone(): FakeTrack {
    return new FakeTrack(this.label);
  }
  stop(): void {
    this.stopped = true;
  }
}

/** What the page may open: an error's name, or a microphone. */
export function microphone(trouble = ""): { asked: MediaStreamConstraints[] } {
  const asked: MediaStreamConstraints[] = [];
  const getUserMedia = (given: MediaStreamConstraints): Promise<unknown> => {
    asked.push(given);
    if (trouble) return Promise.reject(Object.assign(new Error(trouble), { name: trouble }));
    const track = new FakeTrack();
    return Promise.resolve({ getAudioTracks: () => [track], getTracks: () => [track] });
  };
  const devices = [{ kind: "audioinput", label: "Headset", deviceId: "h" }, { kind: "videoinput", label: "Camera", deviceId: "c" }];
  vi.stubGlobal("navigator", { ...navigator, languages: ["en"], mediaDevices: { getUserMedia, enumerateDevices: () => Promise.resolve(devices) } });
  return { asked };
}

export class FakePeer extends EventTarget {
  static all: FakePeer[] = [];
  connectionState = "new";
  localDescription: { sdp: string } | null = null;
  onconnectionstatechange: (() => void) | null = null;
  closed = false;
  transceivers: { given: unknown; direction: string | undefined }[] = [];
  senders: { track: unknown; replaceTrack(track: unknown): Promise<void> }[] = [];
  frames = 0;
  at = 0;

  constructor(readonly config: RTCConfiguration) {
    super();
    FakePeer.all.push(this);
  }
  static get last(): FakePeer {
    const peer = FakePeer.all.at(-1);
    if (!peer) throw new Error("no connection was made");
    return peer;
  }
  static get open(): number {
    return FakePeer.all.filter((peer) => !peer.closed).length;
  }
  getSenders(): { track: unknown; replaceTrack(track: unknown): Promise<void> }[] {
    return this.senders;
  }
  addTransceiver(given?: unknown, init?: { direction?: string }): { receiver: { track: object; jitterBufferTarget: number } } {
    this.transceivers.push({ given, direction: init?.direction });
    const sender = {
      track: given,
      replaceTrack(track: unknown): Promise<void> {
        sender.track = track;
        return Promise.resolve();
      },
    };
    this.senders.push(sender);
    return { receiver: { track: {}, jitterBufferTarget: 50 } };
  }
  setLocalDescription(): Promise<void> {
    this.localDescription = { sdp: "v=0 offer" };
    return Promise.resolve();
  }
  setRemoteDescription(): Promise<void> {
    return Promise.resolve();
  }
  getStats(): Promise<Map<string, object>> {
    this.at += 250;
    const row = { type: "inbound-rtp", kind: "video", timestamp: this.at, framesDecoded: this.frames };
    return Promise.resolve(new Map([["v", row]]));
  }
  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
  close(): void {
    this.closed = true;
    this.connectionState = "closed";
  }
}

export type Answer = (method: string, path: string, options: Options) => Response | ApiError;

/** An Api whose requests are written down and answered by `answer`. */
export function fakeApi(answer: Answer): { api: Api; calls: [string, string][] } {
  const calls: [string, string][] = [];
  const send = (method: string, path: string, options: Options = {}): Promise<Response> => {
    calls.push([method, path]);
    const given = answer(method, path, options);
    return given instanceof ApiError ? Promise.reject(given) : Promise.resolve(given);
  };
  const api = { who: null, send, get: async (path: string, options: Options) => (await send("GET", path, options)).json() };
  return { api: api as unknown as Api, calls };
}

export function problem(status: number, code: string): ApiError {
  const words = { en: `${code} cause`, zh: `${code} 原因` };
  return new ApiError({ status, code, detail: "", cause: words, cure: words });
}

export function created(id: string, headers: Record<string, string> = {}): Response {
  return new Response("v=0 answer", { status: 201, headers: { Location: `/whep-session/${id}`, ...headers } });
}

export function json(body: unknown): Response {
  return new Response(JSON.stringify(body), { status: 200 });
}

export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((closed: { code: number }) => void) | null = null;
  sent: string[] = [];
  readyState = 1;
  static readonly OPEN = 1;
  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.onclose?.({ code: 1000 });
  }
  tell(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

export function install(): void {
  FakePeer.all = [];
  FakeSocket.all = [];
  FakeTrack.all = [];
  vi.stubGlobal("RTCPeerConnection", FakePeer);
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("MediaStream", class { addTrack(): void {} });
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", { configurable: true, writable: true, value: null });
}

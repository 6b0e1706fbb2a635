// The gateway's live events over one WebSocket, followed from a cursor over every outage.

import type { GatewayEvent } from "./types";

export interface EventsHandlers {
  event(event: GatewayEvent): void;
  /** Something is missing (first connection, slow client, gateway restarted): read the lists anew. */
  refresh(): void;
  connected(yes: boolean): void;
  signedOut(): void;
}

const PING_MS = 20000;
const FIRST_RETRY_MS = 300;
const LONGEST_RETRY_MS = 5000;

export class Events {
  cursor: number | null = null;
  private epoch = "";
  private socket: WebSocket | null = null;
  private failures = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private ping: ReturnType<typeof setInterval> | undefined;
  private heard = 0;
  private ended = false;
  private readonly onOnline = (): void => this.reconnect();

  constructor(
    private readonly handlers: EventsHandlers,
    private readonly url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/events`,
  ) {}

  start(): void {
    this.ended = false;
    window.addEventListener("online", this.onOnline);
    this.open();
  }

  stop(): void {
    this.ended = true;
    window.removeEventListener("online", this.onOnline);
    clearTimeout(this.retry);
    clearInterval(this.ping);
    this.socket?.close();
    this.socket = null;
  }

  private reconnect(): void {
    this.failures = 0;
    this.socket?.close();
    this.socket = null;
    clearTimeout(this.retry);
    this.open();
  }

  private open(): void {
    const socket = new WebSocket(this.url + (this.cursor === null ? "" : `?cursor=${this.cursor}`));
    this.socket = socket;
    socket.onmessage = (message) => {
      if (socket === this.socket) this.take(JSON.parse(String(message.data)) as GatewayEvent);
    };
    socket.onclose = (closed) => {
      if (socket !== this.socket) return;
      this.socket = null;
      clearInterval(this.ping);
      if (this.ended) return;
      this.handlers.connected(false);
      if (closed.code === 4401) {
        this.handlers.signedOut();
        return;
      }
      const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.failures++, 8));
      this.retry = setTimeout(() => this.open(), wait);
    };
    socket.onopen = () => {
      this.heard = Date.now();
      clearInterval(this.ping);
      this.ping = setInterval(() => {
        // A dead path is noticed by two pings without an answer, not by TCP's patience of minutes.
        if (Date.now() - this.heard > 2.5 * PING_MS) this.reconnect();
        else socket.send('{"type":"ping"}');
      }, PING_MS);
    };
  }

  private take(event: GatewayEvent): void {
    this.heard = Date.now();
    if (event.type === "pong") return;
    if (event.type === "hello") {
      this.failures = 0;
      this.handlers.connected(true);
      // Another epoch: the gateway began anew, and its cursors count from the start.
      const { epoch } = event.data as { epoch: string };
      if (epoch !== this.epoch) {
        this.epoch = epoch;
        this.cursor = event.cursor;
        this.handlers.refresh();
      }
      return;
    }
    if (event.type === "missed") {
      this.handlers.refresh();
      return;
    }
    this.cursor = event.cursor;
    this.handlers.event(event);
  }
}

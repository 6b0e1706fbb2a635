// The gateway's live events over one WebSocket, followed from a cursor over every outage; and orders on the same one.

import { ApiError } from "./api";
import type { CommandResult, GatewayEvent, Problem } from "./types";

export interface EventsHandlers {
  event(event: GatewayEvent): void;
  /** Something is missing (first connection, slow client, gateway restarted): read the lists anew. */
  refresh(): void;
  connected(yes: boolean): void;
  signedOut(): void;
  /** What the members of a group say, in dBFS by member id. */
  levels?(group: string, levels: Record<string, number>): void;
}

/** An order that has no answer for so long is taken for lost. */
const ORDER_PATIENCE_MS = 5000;

const LOST: Problem = {
  status: 0,
  code: "link-down",
  detail: "",
  cause: { en: "The gateway can not be reached.", zh: "无法连接网关。" },
  cure: { en: "Check this device's network; the page tries again by itself.", zh: "请检查本机网络；页面会自动重试。" },
};

interface Waiting {
  done(result: CommandResult): void;
  failed(problem: Problem): void;
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
  private orders = 0;
  private heardGroup: string | null = null;
  private readonly run = Math.random().toString(36).slice(2, 10);
  private readonly waiting = new Map<string, Waiting>();
  private readonly onOnline = (): void => this.reconnect();

  constructor(
    private readonly handlers: EventsHandlers,
    private readonly url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/events`,
  ) {}

  start(): void {
    this.ended = false;
    window.addEventListener("online", this.onOnline);
    this.connect();
  }

  stop(): void {
    this.ended = true;
    window.removeEventListener("online", this.onOnline);
    clearTimeout(this.retry);
    clearInterval(this.ping);
    this.socket?.close();
    this.socket = null;
    this.dropOrders();
  }

  /** True while orders can go out. */
  get open(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Give an order on the socket: sooner than a request, and in the order given. Rejects with ApiError. */
  order(action: string, target: string, args: Record<string, unknown>): Promise<CommandResult> {
    const socket = this.socket;
    if (!socket || !this.open) return Promise.reject(new ApiError(LOST));
    const id = `ws-${this.run}-${(this.orders += 1)}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.waiting.get(id)?.failed(LOST), ORDER_PATIENCE_MS);
      const over = (): void => {
        clearTimeout(timer);
        this.waiting.delete(id);
      };
      this.waiting.set(id, {
        done: (result) => {
          over();
          resolve(result);
        },
        failed: (problem) => {
          over();
          reject(new ApiError(problem));
        },
      });
      socket.send(JSON.stringify({ type: "command", id, action, target, args }));
    });
  }

  /** Ask for the levels of one group's members, five times a second; null: of none any more. */
  levels(group: string | null): void {
    if (group === this.heardGroup) return;
    const before = this.heardGroup;
    this.heardGroup = group;
    if (before !== null) this.askLevels(before, false);
    if (group !== null) this.askLevels(group, true);
  }

  private askLevels(group: string, on: boolean): void {
    if (this.open) this.socket?.send(JSON.stringify({ type: "levels", group, on }));
  }

  /** Nobody will answer any more what went out on a socket that is gone. */
  private dropOrders(): void {
    for (const one of [...this.waiting.values()]) one.failed(LOST);
  }

  private reconnect(): void {
    this.failures = 0;
    this.socket?.close();
    this.socket = null;
    this.dropOrders();
    clearTimeout(this.retry);
    this.connect();
  }

  private connect(): void {
    const socket = new WebSocket(this.url + (this.cursor === null ? "" : `?cursor=${this.cursor}`));
    this.socket = socket;
    socket.onmessage = (message) => {
      if (socket === this.socket) this.take(JSON.parse(String(message.data)) as GatewayEvent);
    };
    socket.onclose = (closed) => {
      if (socket !== this.socket) return;
      this.socket = null;
      clearInterval(this.ping);
      this.dropOrders();
      if (this.ended) return;
      this.handlers.connected(false);
      if (closed.code === 4401) {
        this.handlers.signedOut();
        return;
      }
      const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.failures++, 8));
      this.retry = setTimeout(() => this.connect(), wait);
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
    if (event.type === "levels") {
      if (event.data) this.handlers.levels?.(event.subject, event.data as Record<string, number>);
      return;
    }
    if (event.type === "result") {
      const { id, problem } = event as unknown as { id: string; problem?: Problem };
      if (problem) this.waiting.get(id)?.failed(problem);
      else this.waiting.get(id)?.done(event.data as CommandResult);
      return;
    }
    if (event.type === "hello") {
      this.failures = 0;
      this.handlers.connected(true);
      if (this.heardGroup !== null) this.askLevels(this.heardGroup, true);
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

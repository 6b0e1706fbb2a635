// Talking to the gateway: the session lives in an HttpOnly cookie, the page only knows its CSRF token.

import type { Problem, Who } from "./types";

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.code);
  }
}

const NETWORK: Problem = {
  status: 0,
  code: "link-down",
  detail: "",
  cause: { en: "The gateway can not be reached.", zh: "无法连接网关。" },
  cure: { en: "Check this device's network; the page tries again by itself.", zh: "请检查本机网络；页面会自动重试。" },
};

export interface Options {
  body?: unknown;
  raw?: string | Blob;
  contentType?: string;
  headers?: Record<string, string>;
  /** Does not count as somebody being there (idle sign-out). */
  background?: boolean;
  /** Goes out even while the page closes. */
  keepalive?: boolean;
  signal?: AbortSignal;
}

export class Api {
  who: Who | null = null;
  /** Called when the session has ended; the page asks to sign in. */
  onSignedOut: () => void = () => undefined;

  /** The answer as it came; throws ApiError for an error or an unreachable gateway. */
  async send(method: string, path: string, options: Options = {}): Promise<Response> {
    try {
      return await this.once(method, path, options);
    } catch (error) {
      if (!(error instanceof ApiError) || error.problem.code !== "csrf" || !this.who) throw error;
      // Another tab signed in anew: the cookie is of that session now, and so must the proof be.
      this.who = await this.get<Who>("/api/v1/auth/me", { background: true });
      return this.once(method, path, options);
    }
  }

  private async once(method: string, path: string, options: Options): Promise<Response> {
    const headers: Record<string, string> = { ...options.headers };
    if (this.who?.csrf && method !== "GET") headers["X-CSRF-Token"] = this.who.csrf;
    if (options.background) headers["X-Fieldgate-Background"] = "1";
    let body: string | Blob | undefined = options.raw;
    if (options.body !== undefined) {
      body = JSON.stringify(options.body);
      headers["Content-Type"] = "application/json";
    }
    if (options.contentType) headers["Content-Type"] = options.contentType;
    const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
    if (body !== undefined) init.body = body;
    if (options.keepalive) init.keepalive = true;
    if (options.signal) init.signal = options.signal;
    let answer: Response;
    try {
      answer = await fetch(path, init);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiError(NETWORK);
    }
    if (answer.ok) return answer;
    const problem = await asProblem(answer);
    if (problem.code === "unauthenticated" && this.who) {
      this.who = null;
      this.onSignedOut();
    }
    throw new ApiError(problem);
  }

  async get<T>(path: string, options: Options = {}): Promise<T> {
    return (await (await this.send("GET", path, options)).json()) as T;
  }

  async post<T>(path: string, body: unknown, options: Options = {}): Promise<T> {
    return (await (await this.send("POST", path, { ...options, body })).json()) as T;
  }

  /** Give an order: every act on the gateway is one. */
  async order(action: string, target: string, args: Record<string, unknown> = {}, options: Options = {}): Promise<void> {
    await this.post("/api/v1/commands", { action, target, args }, options);
  }

  async signIn(name: string, password: string): Promise<Who> {
    this.who = await this.post<Who>("/api/v1/auth/login", { name, password });
    return this.who;
  }

  async redeem(code: string): Promise<Who> {
    this.who = await this.post<Who>("/api/v1/auth/code", { code });
    return this.who;
  }

  /** Who is signed in already, or null. */
  async resume(): Promise<Who | null> {
    try {
      this.who = await this.get<Who>("/api/v1/auth/me");
    } catch (error) {
      if (error instanceof ApiError && error.problem.code === "unauthenticated") return null;
      throw error;
    }
    return this.who;
  }

  async signOut(): Promise<void> {
    try {
      await this.send("POST", "/api/v1/auth/logout");
    } finally {
      this.who = null;
      this.onSignedOut();
    }
  }
}

/** A person at the page keeps the session alive; a page alone does not. */
export function keepAwake(api: Api, everyMs = 60000): void {
  let last = Date.now();
  const act = (): void => {
    if (!api.who || Date.now() - last < everyMs) return;
    last = Date.now();
    void api.get("/api/v1/auth/me").catch(() => undefined);
  };
  for (const kind of ["pointerdown", "keydown"]) window.addEventListener(kind, act, { passive: true });
}

async function asProblem(answer: Response): Promise<Problem> {
  try {
    const told = (await answer.json()) as Partial<Problem>;
    if (typeof told.code === "string" && told.cause && told.cure) return { ...NETWORK, ...told, status: answer.status };
  } catch {
    // not ours: a proxy between, or half an answer
  }
  return { ...NETWORK, status: answer.status, detail: `HTTP ${answer.status}` };
}

/** `#code=XXXX` of a printed link; taken out of the address bar and the history at once. */
export function takeCode(place: Location = location, past: History = history): string {
  const code = new URLSearchParams(place.hash.slice(1)).get("code") ?? "";
  if (code) past.replaceState(null, "", place.pathname + place.search);
  return code;
}

/** An id as a path part; its slashes stay. */
export function ref(id: string): string {
  return id.split("/").map(encodeURIComponent).join("/");
}

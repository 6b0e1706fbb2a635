// Short messages as the page knows them: read once, newest first, kept true by events; bounded.

import type { Api } from "./api";
import { ApiError } from "./api";
import type { CarrierState, GatewayEvent, TextIn, TextOut } from "./types";

export const PAGE = 200;
/** So many of each direction are kept in the page; what is older is asked for by the command line. */
export const MOST = 2000;
/** A long message whose parts may be exchanged with those of another one: it is read, with a warning. */
export const MIXED = "text-mixed";

/** One message of either direction, as lists show it. */
export interface Line {
  key: string;
  number: string;
  at: number;
  out: TextOut | null;
  came: TextIn | null;
}
/** Everything with one number. */
export interface Thread {
  number: string;
  lines: Line[];
  fresh: number;
  /** The kit that sent its record from there; "" where none did. */
  kit: string;
  /** Records are counted and not listed: a kit sends one each quarter of an hour, and what people write would be lost among them. */
  records: number;
  recordAt: number;
}

interface Side<T> {
  all: T[];
  /** Older ones are with the gateway. */
  more: boolean;
}

interface Both {
  /** A part of the far side's number; "" for all. */
  number: string;
  out: Side<TextOut>;
  came: Side<TextIn>;
}

export class Texts {
  readonly carriers = new Map<string, CarrierState>();
  private all: Both = nothing("");
  /** What the gateway has with a number that is looked for, also of messages beyond those of the page. */
  private found: Both | null = null;

  constructor(
    private readonly api: Api,
    private readonly changed: () => void,
  ) {}

  get empty(): boolean {
    return this.carriers.size === 0 && this.all.out.all.length === 0 && this.all.came.all.length === 0;
  }

  /** Messages for people that nobody has looked at. */
  get fresh(): number {
    return this.all.came.all.filter(isFresh).length;
  }

  /** The last that came. */
  get newest(): TextIn | undefined {
    return this.all.came.all[0];
  }

  get more(): boolean {
    const { out, came } = this.shown;
    return (out.more && out.all.length < MOST) || (came.more && came.all.length < MOST);
  }

  get full(): boolean {
    return !this.more && (this.shown.out.more || this.shown.came.more);
  }

  /** What is looked for now; "" for all. */
  get number(): string {
    return this.shown.number;
  }

  /** Only those with this in their number from now on; "" for all. Raises ApiError. */
  async find(number: string): Promise<void> {
    const wanted = bare(number);
    this.found = wanted ? nothing(wanted) : null;
    this.changed();
    if (!wanted) return;
    const found = await this.pages(wanted);
    if (this.found?.number !== wanted) return; // something else is looked for meanwhile
    this.found = found;
    this.changed();
  }

  /** The newest of both; what was read before of older ones is let go, so that there is no gap between. */
  async read(): Promise<void> {
    try {
      const wanted = this.number;
      const [all, found, carriers] = await Promise.all([
        this.pages(""),
        wanted ? this.pages(wanted) : null,
        this.api.get<CarrierState[]>("/api/v1/texts/carriers", { background: true }).catch(none),
      ]);
      this.all = all;
      if (this.number === wanted) this.found = found;
      this.carriers.clear();
      for (const one of carriers) this.carriers.set(one.name, one);
      this.changed();
    } catch {
      // asked for again with the next reading of all lists
    }
  }

  /** One page back in each direction. Raises ApiError. */
  async older(): Promise<void> {
    const shown = this.shown;
    const [out, came] = await Promise.all([this.back<TextOut>("out", shown.out, shown.number), this.back<TextIn>("in", shown.came, shown.number)]);
    Object.assign(shown, { out, came });
    this.changed();
  }

  take(event: GatewayEvent): void {
    switch (event.type) {
      case "text-out":
        for (const both of this.with((event.data as TextOut).to)) put(both.out, event.data as TextOut);
        break;
      case "text-in":
        for (const both of this.with((event.data as TextIn).sender)) put(both.came, event.data as TextIn);
        break;
      case "text-carrier":
        if (event.gone) this.carriers.delete(event.subject);
        else this.carriers.set(event.subject, event.data as CarrierState);
        break;
      default:
        return;
    }
    this.changed();
  }

  /** What the page has of each number, the one with the newest message first. */
  threads(): Thread[] {
    const found = new Map<string, Thread>();
    const at = (number: string): Thread => {
      let thread = found.get(number);
      if (!thread) found.set(number, (thread = { number, lines: [], fresh: 0, kit: "", records: 0, recordAt: 0 }));
      return thread;
    };
    const since = this.horizon();
    for (const one of this.shown.out.all) if (one.made_at >= since) at(one.to).lines.push({ key: `out ${one.number}`, number: one.to, at: one.made_at, out: one, came: null });
    for (const one of this.shown.came.all) {
      if (one.received_at < since) continue;
      const thread = at(one.sender);
      if (one.code === "text-telemetry") {
        thread.records += 1;
        thread.recordAt = Math.max(thread.recordAt, one.received_at);
        thread.kit ||= one.detail.split(" ")[0] ?? "";
        continue;
      }
      thread.lines.push({ key: `in ${one.number}`, number: one.sender, at: one.received_at, out: null, came: one });
      thread.fresh += Number(isFresh(one));
    }
    const threads = [...found.values()];
    for (const thread of threads) thread.lines.sort((a, b) => b.at - a.at);
    const newest = (thread: Thread): number => thread.lines[0]?.at ?? thread.recordAt;
    return threads.sort((a, b) => newest(b) - newest(a));
  }

  /** Before it one direction has not been read: what stands there of the other would look as if it were all. */
  private horizon(): number {
    const oldest = [
      this.shown.out.more ? (this.shown.out.all.at(-1)?.made_at ?? 0) : 0,
      this.shown.came.more ? (this.shown.came.all.at(-1)?.received_at ?? 0) : 0,
    ];
    return Math.max(...oldest);
  }

  private get shown(): Both {
    return this.found ?? this.all;
  }

  /** The lists that hold messages of this number. */
  private with(number: string): Both[] {
    return this.found && number.includes(this.found.number) ? [this.all, this.found] : [this.all];
  }

  private async pages(number: string): Promise<Both> {
    const [out, came] = await Promise.all([this.page<TextOut>("out", number).catch(none), this.page<TextIn>("in", number).catch(none)]);
    return { number, out: { all: out, more: out.length === PAGE }, came: { all: came, more: came.length === PAGE } };
  }

  private page<T>(which: "in" | "out", number: string, before?: number): Promise<T[]> {
    const wanted = number ? `&number=${encodeURIComponent(number)}` : "";
    return this.api.get<T[]>(`/api/v1/texts/${which}?limit=${PAGE}${wanted}${before === undefined ? "" : `&before=${before}`}`, { background: true });
  }

  private async back<T extends { number: number }>(which: "in" | "out", side: Side<T>, number: string): Promise<Side<T>> {
    const last = side.all.at(-1);
    if (!side.more || !last || side.all.length >= MOST) return side;
    const older = await this.page<T>(which, number, last.number);
    return { all: [...side.all, ...older].slice(0, MOST), more: older.length === PAGE };
  }
}

export function isFresh(one: TextIn): boolean {
  return !one.seen_by && (!one.code || one.code === MIXED);
}

function nothing(number: string): Both {
  return { number, out: { all: [], more: false }, came: { all: [], more: false } };
}

/** As numbers are kept: without what people write between the digits. */
function bare(number: string): string {
  return number.replace(/[\s()/-]/g, "");
}

/** In its place by number, newest first; one beyond the oldest that was read is of no page yet. */
function put<T extends { number: number }>(side: Side<T>, one: T): void {
  const place = side.all.findIndex((other) => other.number <= one.number);
  if (place >= 0 && side.all[place]?.number === one.number) side.all[place] = one;
  else if (place >= 0) side.all.splice(place, 0, one);
  else if (!side.more) side.all.push(one);
  if (side.all.length > MOST) {
    side.all.length = MOST;
    side.more = true;
  }
}

/** A gateway before short messages has no such list; a viewer may not read them. */
function none(error: unknown): [] {
  if (error instanceof ApiError && (error.problem.status === 404 || error.problem.status === 403)) return [];
  throw error;
}

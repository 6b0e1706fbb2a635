// The person's voice in this page: the sessions with groups and channels, which of them the key talks to, and the key.

import { ApiError } from "./api";
import { TalkLine } from "./line";
import { Microphone } from "./mic";
import { Ptt, type PttOrders, type PttState } from "./ptt";
import type { Store } from "./store";
import type { CommandResult, FloorAnswer, FloorWord, GroupStatus, Member } from "./types";

/** How the key speaks: by the floor, beside its holder, or to several groups at once. */
export type Manner = "floor" | "barge" | "all";

interface Press {
  line: TalkLine;
  manner: Manner;
  groups: string;
  /** A call to all, or speaking in, was begun: it lasts without being asked for again. */
  begun: boolean;
}

const MOST_LINES = 8;

export class Voice {
  readonly mic = new Microphone();
  /** Sessions by what was asked for: a group's id, or a channel's. */
  readonly lines = new Map<string, TalkLine>();
  /** Groups that a press reaches besides the active one. */
  readonly also = new Set<string>();
  /** What the key talks to: a key of `lines`. */
  active: string | null = null;
  readonly ptt: Ptt;
  /** The space bar opened the microphone of a full-duplex conversation. */
  private opened = false;
  /** Lines of which it was decided whether they begin with an open microphone. */
  private readonly decided = new WeakSet<TalkLine>();
  /** What the present press talks to: the choice may change while it is held. */
  private pressed: Press | null = null;
  private readonly watchers = new Set<() => void>();
  private due = false;

  constructor(readonly store: Store) {
    const orders: PttOrders = {
      request: (emergency) => this.request(emergency),
      release: () => this.letGo(),
    };
    this.ptt = new Ptt(orders, (state) => this.pttChanged(state));
    store.onFloor = (word) => {
      if (this.pressed !== null && word.member === this.pressed.line.member) this.ptt.word(word);
    };
    store.on("talk", () => this.groupsChanged());
    this.mic.onChange = () => {
      for (const line of this.lines.values()) void line.newMicrophone();
    };
  }

  on(watcher: () => void): void {
    this.watchers.add(watcher);
  }

  stop(): void {
    this.ptt.release();
    for (const line of [...this.lines.values()]) line.stop();
    this.lines.clear();
    this.active = null;
    this.mic.close();
  }

  // — groups —

  line(target: string): TalkLine | undefined {
    return this.lines.get(target) ?? [...this.lines.values()].find((line) => line.group === target);
  }

  /** There is a seat, or one is being taken. */
  joined(target: string): boolean {
    return this.line(target)?.ended === false;
  }

  /** In or out, as a button does. */
  toggle(target: string): void {
    if (this.joined(target)) this.leave(target);
    else this.join(target);
  }

  get activeLine(): TalkLine | null {
    return (this.active !== null && this.lines.get(this.active)) || null;
  }

  get activeGroup(): GroupStatus | null {
    return (this.activeLine && this.store.groups.get(this.activeLine.group)) || null;
  }

  /** Our own member in the active group, as the gateway has it. */
  get me(): Member | null {
    const line = this.activeLine;
    return this.activeGroup?.members.find((member) => member.id === line?.member) ?? null;
  }

  mayTalk(): boolean {
    return this.store.mayMove();
  }

  /** A seat in a group, or a conversation with a channel. Call from a click, so that sound may be played. */
  join(target: string): TalkLine {
    const known = this.line(target);
    if (known && !known.ended) {
      this.choose(known.target);
      return known;
    }
    if (known) this.lines.delete(known.target);
    const oldest = [...this.lines.values()].find((line) => line.ended) ?? (this.lines.size >= MOST_LINES ? [...this.lines.values()][0] : null);
    if (oldest && this.lines.size >= MOST_LINES) this.leave(oldest.target);
    const line = new TalkLine(this.store.api, this.mic, target, this.mayTalk(), { changed: () => this.changed() });
    this.lines.set(target, line);
    this.active = target;
    void line.start();
    this.openByMode(line);
    this.changed();
    return line;
  }

  leave(target: string): void {
    const line = this.line(target);
    if (!line) return;
    if (this.pressed?.line === line) this.ptt.release();
    this.lines.delete(line.target);
    line.stop();
    this.also.delete(line.group);
    if (this.active === line.target) this.active = [...this.lines.keys()].at(-1) ?? null;
    if (this.lines.size === 0) this.mic.close();
    this.changed();
  }

  /** The key talks to this one from now on. */
  choose(target: string): void {
    const line = this.line(target);
    if (!line || this.active === line.target) return;
    if (this.pressed) this.ptt.release();
    this.active = line.target;
    this.changed();
  }

  pick(group: string, yes: boolean): void {
    if (yes) this.also.add(group);
    else this.also.delete(group);
    this.changed();
  }

  // — the key —

  /** Full duplex: the microphone is open or shut, there is no floor. */
  get open(): boolean {
    return this.activeGroup?.mode === "full";
  }

  /** False: there is nothing that a press could do. */
  get ready(): boolean {
    const line = this.activeLine;
    return line !== null && line.up && line.talks && line.state.mic === null && this.me?.may_talk !== false;
  }

  press(manner: Manner = "floor", emergency = false): void {
    const line = this.activeLine;
    if (!line || !this.ready) return;
    if (this.open && manner === "floor" && !emergency && this.also.size === 0) {
      this.opened = !line.speaking;
      if (this.opened) this.microphone(true);
      return;
    }
    const groups = [...new Set([line.group, ...this.also])];
    const speaks = manner === "floor" && groups.length > 1 && !emergency ? "all" : manner;
    const before = this.pressed;
    this.pressed = { line, manner: speaks, groups: groups.join(","), begun: false };
    // Pressed anew, for something else, before the release of the last press went out.
    if (before && (before.line !== line || before.manner !== speaks)) void this.give(before).catch(() => undefined);
    line.speak(true);
    this.ptt.press(emergency);
  }

  release(): void {
    if (this.opened) {
      this.opened = false;
      this.microphone(false);
    }
    this.ptt.release();
  }

  /** Open or shut the microphone of a full-duplex conversation. */
  microphone(on: boolean): void {
    this.activeLine?.speak(on);
    this.changed();
  }

  private async request(emergency: boolean): Promise<FloorWord | null> {
    const pressed = this.pressed;
    if (!pressed) return null;
    const { line, manner, groups } = pressed;
    const args = { member: line.member };
    if (manner === "floor") return wordOf(line.member, await this.store.order("talk.request", line.group, { ...args, emergency }));
    // These are acts of a dispatcher, each of them written into the record: given once, not each second.
    if (pressed.begun) return null;
    pressed.begun = true;
    if (manner === "barge") {
      return wordOf(line.member, await this.store.order("talk.barge", line.group, { ...args, on: true })) ?? said(line.member, "granted");
    }
    const { data } = await this.store.order("talk.all", line.group, { ...args, groups, on: true });
    return data["groups"] === "" ? said(line.member, "denied", "floor-busy") : said(line.member, "granted");
  }

  private async letGo(): Promise<void> {
    const pressed = this.pressed;
    if (!pressed || this.ptt.pressed) return;
    this.pressed = null;
    await this.give(pressed);
  }

  /** The floor back. */
  private async give({ line, manner, groups }: Press): Promise<void> {
    const args = { member: line.member };
    if (manner === "floor") await this.store.order("talk.release", line.group, args);
    else if (manner === "barge") await this.store.order("talk.barge", line.group, { ...args, on: false });
    else await this.store.order("talk.all", line.group, { ...args, groups, on: false });
  }

  private pttChanged(state: PttState): void {
    const line = this.pressed?.line;
    const speaks = state.phase === "asking" || state.phase === "granted" || state.phase === "queued";
    if (line && line.speaking !== speaks) line.speak(speaks);
    if (state.phase === "granted" && state.since > performance.now() - 50) navigator.vibrate?.(30);
    this.changed();
  }

  // — what changes —

  private groupsChanged(): void {
    const line = this.pressed?.line;
    const group = line && this.store.groups.get(line.group);
    // The event with our grant was missed: the group's own state says it as well.
    if (line && group?.floor.holder === line.member && this.ptt.state.phase === "asking") this.ptt.word(said(line.member, "granted"));
    for (const one of this.lines.values()) this.openByMode(one);
    this.changed();
  }

  /** A call that was answered begins with an open microphone; a standing conference does not. */
  private openByMode(line: TalkLine): void {
    const group = this.store.groups.get(line.group);
    if (!group || this.decided.has(line)) return;
    this.decided.add(line);
    if (group.mode === "full" && group.adhoc) line.speak(true);
  }

  /** Watchers are told once a turn, however much changed. */
  changed(): void {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => {
      this.due = false;
      for (const line of this.lines.values()) {
        if (!line.sound.isConnected && !line.ended) document.body.append(line.sound);
        this.openByMode(line);
      }
      for (const watcher of this.watchers) watcher();
    });
  }

  /** Do something a dispatcher may; null, or the words of why not. */
  async act(action: string, target: string, args: Record<string, unknown> = {}): Promise<ApiError | null> {
    try {
      await this.store.order(action, target, args);
      return null;
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
  }
}

function said(member: string, answer: FloorAnswer, code = ""): FloorWord {
  return { member, answer, code, detail: "", position: 0 };
}

/** What the floor said at once, from the order's result. */
export function wordOf(member: string, result: CommandResult): FloorWord | null {
  const { answer, code, detail, position } = result.data;
  if (typeof answer !== "string" || !["granted", "queued", "denied", "revoked", "released"].includes(answer)) return null;
  return {
    member,
    answer: answer as FloorAnswer,
    code: typeof code === "string" ? code : "",
    detail: typeof detail === "string" ? detail : "",
    position: typeof position === "number" ? position : 0,
  };
}

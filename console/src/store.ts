// What the console knows: lists read once, kept true by events.

import type { Api } from "./api";
import { ApiError } from "./api";
import { Events } from "./events";
import { Texts } from "./texts";
import type {
  Alarm,
  CallStatus,
  CommandResult,
  Condition,
  Device,
  Directory,
  Endpoint,
  FieldWord,
  FloorWord,
  GatewayEvent,
  GroupStatus,
  Kit,
  KitLinks,
  MeshSnapshot,
  Notice,
  PendingDevice,
  Position,
  Problem,
  PtzHolder,
  Push,
  Report,
  Standing,
  StreamStatus, OwnLink } from "./types";

export type Topic = "directory" | "pending" | "alarms" | "positions" | "ptz" | "notices" | "link" | "talk" | "calls" | "reports" | "pushes" | "kits" | "meshes" | "texts";

const KEPT_ALARMS = 300;
const KEPT_REPORTS = 200;
const KEPT_NOTICES = 50;
/** A device's catalogue comes in many events: ask once, after them. */
const ENDPOINTS_SETTLE_MS = 1500;

export class Store {
  gateway = "";
  /** What people call this gateway. */
  name = "";
  /** "edge" or "center". */
  role = "edge";
  linked = false;
  readonly devices = new Map<string, Device>();
  readonly streams = new Map<string, StreamStatus>();
  readonly holders = new Map<string, PtzHolder>();
  readonly positions = new Map<string, Position>();
  readonly groups = new Map<string, GroupStatus>();
  readonly calls = new Map<string, CallStatus>();
  readonly endpoints = new Map<string, Endpoint>();
  readonly pushes = new Map<string, Push>();
  readonly kits = new Map<string, Kit>();
  /** Ways northward of this machine, by `gateway/name`. */
  readonly ownLinks = new Map<string, OwnLink>();
  /** How this machine itself stands; null until it has said so. */
  standing: Standing | null = null;
  readonly meshes = new Map<string, MeshSnapshot>();
  readonly texts: Texts;
  /** What the floor says to a member of ours; set by whoever holds the key. */
  onFloor: (word: FloorWord) => void = () => undefined;
  onLevels: (group: string, levels: Record<string, number>) => void = () => undefined;
  /** A stretch of speech ended in this group. */
  onSpurt: (group: string) => void = () => undefined;
  pending: PendingDevice[] = [];
  alarms: Alarm[] = [];
  notices: Notice[] = [];
  reports: Report[] = [];
  private readonly watchers = new Map<Topic, Set<() => void>>();
  private readonly due = new Set<Topic>();
  private readonly events: Events;
  private endpointsDue: ReturnType<typeof setTimeout> | undefined;
  private reading = false;
  private readAgain = false;

  constructor(
    readonly api: Api,
    signedOut: () => void,
  ) {
    this.texts = new Texts(api, () => this.changed("texts"));
    this.events = new Events({
      event: (event) => this.take(event),
      refresh: () => void this.refresh(),
      connected: (yes) => {
        this.linked = yes;
        this.changed("link");
      },
      signedOut,
      levels: (group, levels) => this.onLevels(group, levels),
    });
  }

  start(): void {
    this.events.start();
  }

  stop(): void {
    clearTimeout(this.endpointsDue);
    this.events.stop();
  }

  on(topic: Topic, watcher: () => void): void {
    const all = this.watchers.get(topic) ?? new Set();
    all.add(watcher);
    this.watchers.set(topic, all);
  }

  /** Tell the watchers of a topic once per frame, however many events came. */
  changed(topic: Topic): void {
    if (this.due.size === 0) queueMicrotask(() => this.tell());
    this.due.add(topic);
  }

  private tell(): void {
    const due = [...this.due];
    this.due.clear();
    for (const topic of due) for (const watcher of this.watchers.get(topic) ?? []) watcher();
  }

  /** At a center: what the kit is called that an id belongs to; "" for what is our own. */
  whose(id: string): string {
    const gateway = id.split("/")[0] ?? "";
    return gateway === this.gateway || !this.gateway ? "" : this.kits.get(gateway)?.name || gateway;
  }

  technician(): boolean {
    return this.api.who?.role === "technician" || this.api.who?.role === "administrator";
  }

  mayMove(): boolean {
    return this.technician() || this.api.who?.role === "operator";
  }

  /** Whose levels `onLevels` tells from now on. */
  listenLevels(group: string | null): void {
    this.events.levels(group);
  }

  /** An order on the events' socket, for what is pressed and held; a request where there is no socket just now. */
  async order(action: string, target: string, args: Record<string, unknown> = {}): Promise<CommandResult> {
    if (this.events.open) return this.events.order(action, target, args);
    return this.api.post<CommandResult>("/api/v1/commands", { action, target, args });
  }

  /** Read every list anew; one reading at a time, and one more when asked meanwhile. */
  async refresh(): Promise<void> {
    if (this.reading) {
      this.readAgain = true;
      return;
    }
    this.reading = true;
    try {
      const background = { background: true };
      const [directory, alarms, positions, groups, calls, pending, reports] = await Promise.all([
        this.api.get<Directory>("/api/v1/directory", background),
        this.api.get<Alarm[]>("/api/v1/alarms?limit=200", background),
        this.api.get<Position[]>("/api/v1/positions", background),
        this.api.get<GroupStatus[]>("/api/v1/talk", background).catch(none),
        // Who calls whom is personal: a viewer is not told.
        this.mayMove() ? this.api.get<CallStatus[]>("/api/v1/calls", background).catch(none) : Promise.resolve([]),
        this.technician() ? this.api.get<PendingDevice[]>("/api/v1/devices/pending", background) : Promise.resolve([]),
        this.api.get<Report[]>(`/api/v1/reports?positions=false&limit=${KEPT_REPORTS}`, background).catch(none),
      ]);
      this.gateway = directory.gateway;
      replace(this.devices, directory.devices, (device) => device.id);
      replace(this.streams, directory.streams, (stream) => stream.id);
      replace(this.positions, positions, (position) => `${position.device}/${position.channel}`);
      replace(this.groups, groups, (group) => group.id);
      replace(this.calls, calls, (call) => call.id);
      this.alarms = alarms;
      this.pending = pending;
      this.reports = reports;
      for (const topic of ["directory", "alarms", "positions", "pending", "talk", "calls", "reports"] as const) this.changed(topic);
      void this.readEndpoints();
      void this.readPushes();
      void this.readKits();
      void this.readMeshes();
      if (this.mayMove()) void this.texts.read();
    } catch {
      // the link says so in the header; the event socket asks again when it is back
      setTimeout(() => void this.refresh(), 3000);
    } finally {
      this.reading = false;
      if (this.readAgain) {
        this.readAgain = false;
        void this.refresh();
      }
    }
  }

  /** What can be talked to. */
  async readEndpoints(): Promise<void> {
    try {
      const endpoints = await this.api.get<Endpoint[]>("/api/v1/talk/endpoints", { background: true });
      replace(this.endpoints, endpoints, (endpoint) => endpoint.id);
      this.changed("talk");
    } catch {
      // it is asked for again with the next device that comes or goes
    }
  }

  /** Kits, or centers; events keep them true. */
  async readKits(): Promise<void> {
    try {
      const background = { background: true };
      const [system, kits] = await Promise.all([this.api.get<{ role: string; name?: string }>("/api/v1/system", background), this.api.get<Kit[]>("/api/v1/kits", background)]);
      this.role = system.role;
      this.name = system.name ?? "";
      replace(this.kits, kits, (kit) => kit.gateway);
      for (const topic of ["kits", "directory", "positions", "talk"] as const) this.changed(topic); // names of kits stand there
    } catch {
      // asked for again with the next reading of all lists
    }
    try {
      const links = await this.api.get<OwnLink[]>("/api/v1/links", { background: true });
      replace(this.ownLinks, links, (link) => `${this.gateway}/${link.name}`);
      this.changed("kits");
    } catch {
      // the same
    }
    try {
      const told = await this.api.get<Partial<Standing>>("/api/v1/kit", { background: true });
      this.standing = told.field && told.condition ? { field: told.field, condition: told.condition } : null;
      this.changed("kits");
    } catch {
      // a gateway before it has no such word
    }
  }

  /** Meshes; events keep them true. A gateway before them has no such list. */
  async readMeshes(): Promise<void> {
    try {
      const meshes = await this.api.get<MeshSnapshot[]>("/api/v1/meshes", { background: true }).catch(none);
      replace(this.meshes, meshes, (mesh) => mesh.mesh);
      this.changed("meshes");
    } catch {
      // asked for again with the next reading of all lists
    }
  }

  /** Fresh figures of links: of a kit, or of one of this kit's centers. */
  private links(told: KitLinks): void {
    const kit = this.kits.get(told.gateway);
    const center = [...this.kits.values()].flatMap((one) => one.centers).find((one) => one.gateway === told.gateway);
    if (kit && kit.centers.length === 0) kit.links = told.links;
    else if (center) center.links = told.links;
    else return;
    this.changed("kits");
  }

  /** Outputs; events keep them true. */
  private async readPushes(): Promise<void> {
    try {
      const pushes = await this.api.get<Push[]>("/api/v1/pushes", { background: true });
      replace(this.pushes, pushes, (push) => push.name);
      this.changed("pushes");
    } catch {
      // asked for again with the next reading of all lists
    }
  }

  take(event: GatewayEvent): void {
    switch (event.type) {
      case "device":
        put(this.devices, event.subject, event.data as Device, event.gone);
        this.changed("directory");
        clearTimeout(this.endpointsDue);
        this.endpointsDue = setTimeout(() => void this.readEndpoints(), ENDPOINTS_SETTLE_MS);
        break;
      case "talk":
        put(this.groups, event.subject, event.data as GroupStatus, event.gone);
        this.changed("talk");
        break;
      case "call":
        put(this.calls, event.subject, event.data as CallStatus, event.gone);
        this.changed("calls");
        break;
      case "floor":
        this.onFloor(event.data as FloorWord);
        break;
      case "spurt":
        this.onSpurt(event.subject);
        break;
      case "stream":
        put(this.streams, event.subject, event.data as StreamStatus, event.gone);
        this.changed("directory");
        break;
      case "push":
        put(this.pushes, event.subject, event.data as Push, event.gone);
        this.changed("pushes");
        break;
      case "kit":
        put(this.kits, event.subject, event.data as Kit, event.gone);
        this.changed("kits");
        break;
      case "condition": {
        const told = event.data as Condition;
        const kit = this.kits.get(told.gateway);
        if (kit) this.kits.set(told.gateway, { ...kit, condition: told });
        if (this.standing && told.gateway === this.gateway) this.standing = { ...this.standing, condition: told };
        this.changed("kits");
        break;
      }
      case "field":
        if (this.standing) this.standing = { ...this.standing, field: event.data as FieldWord };
        this.changed("kits");
        break;
      case "link":
        put(this.ownLinks, event.subject, event.data as OwnLink, event.gone);
        this.changed("kits");
        break;
      case "mesh":
        put(this.meshes, event.subject, event.data as MeshSnapshot, event.gone);
        this.changed("meshes");
        break;
      case "links":
        this.links(event.data as KitLinks);
        break;
      case "ptz":
        put(this.holders, event.subject, event.data as PtzHolder, event.gone || event.data === null);
        this.changed("ptz");
        break;
      case "position": {
        const position = event.data as Position;
        this.positions.set(`${position.device}/${position.channel}`, position);
        this.changed("positions");
        break;
      }
      case "alarm": {
        const alarm = event.data as Alarm;
        this.alarms = [alarm, ...this.alarms.filter((one) => one.id !== alarm.id)].slice(0, KEPT_ALARMS);
        this.changed("alarms");
        break;
      }
      case "pending": {
        const knock = event.data as PendingDevice;
        const others = this.pending.filter((one) => one.external_id !== knock.external_id || one.scheme !== knock.scheme);
        this.pending = event.gone ? others : [knock, ...others];
        this.changed("pending");
        break;
      }
      case "report": {
        const report = event.data as Report;
        if (report.kind === "position") break; // those are on the list of positions
        const others = this.reports.filter((one) => one.id !== report.id);
        this.reports = (event.gone ? others : [report, ...others].sort((a, b) => b.received_at - a.received_at)).slice(0, KEPT_REPORTS);
        this.changed("reports");
        break;
      }
      case "notice":
        this.note(event.data as Notice);
        break;
      default:
        this.texts.take(event);
    }
  }

  note(notice: Notice): void {
    this.notices = [notice, ...this.notices.filter((one) => one.code !== notice.code)].slice(0, KEPT_NOTICES);
    this.changed("notices");
  }

  /** Do something and show what came of it: null, or the problem to tell the person. */
  async attempt(act: Promise<unknown>): Promise<Problem | null> {
    try {
      await act;
      return null;
    } catch (error) {
      if (error instanceof ApiError) return error.problem;
      throw error;
    }
  }

  /** The channel that a stream shows, with its device. */
  find(stream: string): { device: Device; channel: Device["channels"][number] } | null {
    for (const device of this.devices.values()) {
      const channel = device.channels.find((one) => one.stream === stream);
      if (channel) return { device, channel };
    }
    return null;
  }
}

/** A gateway without voice has no such list. */
function none(error: unknown): [] {
  if (error instanceof ApiError && error.problem.status === 404) return [];
  throw error;
}

function replace<T>(map: Map<string, T>, items: T[], key: (item: T) => string): void {
  map.clear();
  for (const item of items) map.set(key(item), item);
}

function put<T>(map: Map<string, T>, key: string, value: T, gone: boolean | undefined): void {
  if (gone) map.delete(key);
  else map.set(key, value);
}

// The API's words (OpenAPI: /api/v1/openapi.json), as far as the console uses them.

export type Lang = "zh" | "en";
export interface Words {
  en: string;
  zh: string;
}

export interface Problem {
  status: number;
  code: string;
  detail: string;
  cause: Words;
  cure: Words;
}

export type Role = "viewer" | "operator" | "technician" | "administrator" | "auditor";
export interface Who {
  name: string;
  role: Role;
  scope: string;
  csrf: string;
}

export interface PictureLevel {
  name: "brightness" | "contrast" | "saturation" | "sharpness";
  low: number;
  high: number;
  now: number | null;
}
export interface PictureNow {
  levels: PictureLevel[];
  modes: ("auto" | "day" | "night")[];
  day_night: "auto" | "day" | "night" | null;
}

export type DeviceState = "pending" | "offline" | "online" | "degraded";
export interface Capabilities {
  ptz: boolean;
  zoom: boolean;
  focus: boolean;
  iris: boolean;
  presets: boolean;
}
export interface Channel {
  key: string;
  external_id: string;
  name: string;
  online: boolean;
  capabilities: Capabilities;
  stream: string | null;
}
export interface Device {
  id: string;
  scheme: string;
  external_id: string;
  name: string;
  state: DeviceState;
  code: string;
  detail: string;
  since: number;
  address: string;
  manufacturer: string;
  model: string;
  last_seen: number | null;
  channels: Channel[];
  alias: string;
}
export interface PendingDevice {
  scheme: string;
  external_id: string;
  address: string;
  first_seen: number;
  last_seen: number;
  attempts: number;
  code: string;
  detail: string;
}

export type StreamState = "idle" | "opening" | "live" | "stalled" | "waiting" | "offline" | "removed";
export interface Track {
  kind: "video" | "audio";
  codec: string;
  width: number;
  height: number;
  profile: string;
  b_frames: boolean;
}
export interface StreamFigures {
  fps: number | null;
  bitrate_bps: number | null;
  loss_ratio: number | null;
  jitter_ms: number | null;
  frame_age_s: number | null;
}
/** Who sends a stream, and how; `who` is "" for one that is pulled. */
export interface StreamSource {
  protocol: string;
  address: string;
  software: string;
  who: string;
  since: number;
}
/** A stream made of another one. `why`: reason codes. */
export interface Rendition {
  name: string;
  video: string;
  audio: string;
  why: string[];
  state: string;
  code: string;
  detail: string;
  encoder: string;
  viewers: number;
}
export interface StreamStatus {
  id: string;
  device: string;
  title: string;
  state: StreamState;
  code: string;
  detail: string;
  since: number;
  retry_in_s: number | null;
  viewers: number;
  tracks: Track[];
  figures: StreamFigures;
  source?: StreamSource | null;
  renditions?: Rendition[];
}

export interface SourceChannel {
  channel: string;
  stream: string;
  url: string;
  scheme: string;
  state: StreamState;
  code: string;
}
export interface Source {
  name: string;
  title: string;
  origin: "config" | "person";
  channels: SourceChannel[];
  added_by: string;
  code: string;
  detail: string;
}
export interface SourceTest {
  ok: boolean;
  url: string;
  code: string;
  detail: string;
  took_s: number;
  tracks: Track[];
}
export interface Push {
  name: string;
  title: string;
  stream: string;
  url: string;
  state: "running" | "waiting";
  code: string;
  detail: string;
  retry_in_s: number | null;
  failures: number;
}
export interface Program {
  name: string;
  publish: string[];
  read: string[];
  made: boolean;
  enabled: boolean;
  last_seen: number | null;
  address: string;
  publishing: string[];
  reading: string[];
  refused_at: number | null;
  refused_from: string;
  refused_code: string;
}
export interface Viewing {
  stream: string;
  name: string;
  kind: string;
}

export interface Alarm {
  id: string;
  device: string;
  channel: string;
  severity: "critical" | "major" | "minor" | "warning";
  kind: string;
  description: string;
  raised_at: number;
  received_at: number;
  cleared: boolean;
  repeats: number;
  acknowledged_by?: string;
}
export interface Position {
  device: string;
  channel: string;
  longitude: number;
  latitude: number;
  datum: string;
  source: string;
  taken_at: number;
  accuracy_m: number | null;
  speed_kmh: number | null;
}
export interface Link {
  name: string;
  bearer: string;
  interface: string;
  state: "in" | "out" | "trying" | "off";
  code: string;
  rtt_ms: number | null;
  loss: number | null;
  usable_bps: number | null;
  bytes_in: number;
  bytes_out: number;
  cost: number;
  /** At a center: when it was last known to carry, by the center's clock. */
  heard_at?: number | null;
}
/** A way northward of this machine itself. */
export interface OwnLink {
  name: string;
  kind: string;
  interface: string;
  phase: string;
  code: string;
  detail: string;
  usable: boolean;
  carries: string[];
  cost: number;
  metered: boolean;
  quota_bytes: number | null;
  used_bytes: number;
  signal: { rsrp_dbm: number | null; rssi_dbm: number | null };
  step: string;
  rtt_ms: number | null;
  loss: number | null;
  in_bps: number;
  out_bps: number;
}
export interface Center {
  gateway: string;
  name: string;
  state: "online" | "degraded" | "offline";
  code: string;
  detail: string;
  since: number;
  last_seen: number | null;
  address: string;
  role: string;
  scope: string;
  links: Link[];
  thumbnail_at: number | null;
}
/** At a center: a kit. At a kit: itself, with its centers. */
export interface Kit {
  gateway: string;
  name: string;
  state: "online" | "degraded" | "offline";
  code: string;
  detail: string;
  since: number;
  last_seen: number | null;
  version: string;
  ways: string[];
  links: Link[];
  centers: Center[];
  gave_up: { stream: string; code: string; since: number }[];
  devices: number;
  devices_online: number;
  clock_off_s: number | null;
  thumbnail_at: number | null;
  thumbnail_of: string;
  condition?: Condition | null;
  by_text?: KitRecord | null;
}
/** A file of a kit at its center; whole when `complete_at` is set. */
export interface KitFile {
  gateway: string;
  file: { id: string; name: string; media_type: string; size: number; device: string };
  received: number;
  received_at: number;
  complete_at: number | null;
}
/** What a kit told by short message when nothing else was left. Times in unix seconds. */
export interface KitRecord {
  sequence: number;
  why: string;
  made_at: number;
  clock_good: boolean;
  received_at: number;
  carrier: string;
  fix: { longitude: number; latitude: number; age_min: number; source: string } | null;
  links: { kind: string; phase: string; bars: number | null }[];
  more_links: boolean;
  battery_percent: number | null;
  power: string;
  volts: number | null;
  temperature_c: number | null;
  disk_percent: number | null;
  alarms: { kind: string; severity: string; age_min: number }[];
  alarms_open: number;
  word: string;
  down_min: number;
}
/** How a kit itself stands; what is not known is null. */
export interface Condition {
  gateway: string;
  at: number;
  power: { source: "mains" | "battery" | "unknown"; level: number | null; charging: boolean; minutes_left: number | null; code: string };
  heat: { name: string; celsius: number; code: string }[];
  space: { free_bytes: number; total_bytes: number; read_only: boolean; worn: number | null; code: string };
  clock: { quality: "unsynced" | "nitz" | "ntp" | "gnss"; source: string; off_s: number | null; code: string };
  place: { longitude: number; latitude: number; by: string; taken_at: number; accuracy_m: number | null } | null;
  codes: string[];
}
/** The field team's word, its one reason, and up to three others. */
export interface FieldWord {
  word: "ready" | "connecting" | "degraded" | "technician";
  code: string;
  more: string[];
}
/** How this machine itself stands. */
export interface Standing {
  field: FieldWord;
  condition: Condition;
}
/** The links of a kit (at a kit: to a center) as they are now. */
export interface KitLinks {
  gateway: string;
  at: number;
  links: Link[];
}
/** How a link was: columns of the same length. */
export interface Trail {
  name: string;
  every_s: number;
  at: number[];
  used: boolean[];
  rtt_ms: (number | null)[];
  loss: (number | null)[];
  usable_bps: (number | null)[];
  in_bps: number[];
  out_bps: number[];
}
/** A mesh at one moment (gateway/model/mesh.py). */
export interface MeshNode {
  id: string;
  name: string;
  read: boolean;
  own: boolean;
  source: string;
  longitude: number | null;
  latitude: number | null;
  battery_percent: number | null;
  age_s: number | null;
  readings: { key: string; value: number; unit: string }[];
}
/** How `a` hears `b`. */
export interface MeshEdge {
  a: string;
  b: string;
  snr_db: number | null;
  rssi_dbm: number | null;
  rate_bps: number | null;
  rtt_ms: number | null;
  cost: number | null;
  quality: number | null;
  age_s: number | null;
}
export interface MeshSnapshot {
  mesh: string;
  title: string;
  at: number;
  nodes: MeshNode[];
  edges: MeshEdge[];
  sources: { name: string; kind: string; since: number; code: string; detail: string }[];
  texts: { at: number; sender: string; to: string; text: string; channel: string }[];
}
export interface MeshMark {
  at: number;
  nodes: number;
  edges: number;
  worst: number | null;
}
/** A pairing code that stands. */
export interface Offer {
  id: string;
  state: "waiting" | "paired" | "ended";
  code: string;
  asked: string;
  center: string;
}
/** The base map: whether there is one, and the datum that it is drawn in. */
export interface MapInfo {
  tiles: boolean;
  datum: "wgs84" | "gcj02";
  attribution: string;
}
export interface PtzHolder {
  name: string;
  session: string;
  priority: number;
  until: number;
}
export interface Preset {
  number: number;
  name: string;
}
export interface Notice {
  code: string;
  detail: string;
  at: number;
  cleared: boolean;
}
export interface Directory {
  gateway: string;
  cursor: number;
  devices: Device[];
  streams: StreamStatus[];
}
// Voice (gateway/model/voice.py). Times are unix seconds.

export type MemberKind = "sip" | "browser" | "radio" | "loudspeaker" | "phone" | "device";
export type MemberState = "idle" | "connecting" | "up" | "held" | "waiting" | "offline";
export type Priority = "normal" | "high" | "dispatcher" | "emergency";
export interface Member {
  id: string;
  kind: MemberKind;
  name: string;
  state: MemberState;
  code: string;
  detail: string;
  may_talk: boolean;
  may_listen: boolean;
  priority: Priority;
  emergency: boolean;
  talking: boolean;
  level_in_db: number | null;
  since: number;
  codec: string;
  muted: boolean;
  monitored: boolean;
  principal: string;
}
export interface Floor {
  state: "idle" | "taken" | "hang" | "open";
  holder: string;
  holder_name: string;
  priority: Priority;
  emergency: boolean;
  since: number;
  until: number;
  queue: string[];
  barging: string[];
}
export type FloorAnswer = "granted" | "queued" | "denied" | "revoked" | "released";
export interface FloorWord {
  member: string;
  answer: FloorAnswer;
  code: string;
  detail: string;
  position: number;
}
export interface GroupStatus {
  id: string;
  name: string;
  mode: "half" | "full";
  floor: Floor;
  members: Member[];
  number: string;
  adhoc: boolean;
  emergency: boolean;
  since: number;
}
export interface Spurt {
  id: string;
  group: string;
  member: string;
  kind: MemberKind;
  name: string;
  priority: Priority;
  emergency: boolean;
  began: number;
  ended: number;
  ended_by: string;
}
/** Something that can be talked to: a radio channel, a ball's loudspeaker. */
export interface Endpoint {
  id: string;
  device: string;
  title: string;
  kind: MemberKind;
  online: boolean;
  code: string;
  talks: boolean;
  listens: boolean;
}
export type CallState = "ringing-in" | "calling" | "ringing" | "up" | "held" | "held-by-peer" | "moving" | "ended";
export interface CallStatus {
  id: string;
  scheme: string;
  incoming: boolean;
  state: CallState;
  peer: string;
  peer_name: string;
  target: string;
  trunk: string;
  code: string;
  detail: string;
  started: number;
  answered: number;
  ended: number;
  audio: string;
  video: string;
  secure: string;
  engine: string;
}
/** What an order gave back besides having been done. */
export interface CommandResult {
  id: string;
  outcome: "done" | "refused" | "failed";
  data: Record<string, string | number | boolean | null>;
}
export interface GatewayEvent {
  cursor: number;
  type: string;
  subject: string;
  data: unknown;
  gone?: boolean;
}
export interface Report {
  id: string;
  device: string;
  who: string;
  place: string;
  kind: "photo" | "voice" | "text" | "position";
  text: string;
  media_type: string;
  size: number;
  taken_at: number;
  received_at: number;
  where: { longitude: number; latitude: number; accuracy_m: number | null; taken_at: number } | null;
  complete_at: number | null;
  seen_by: string;
}
export interface Invitation {
  id: string;
  label: string;
  place: string;
  expires_at: number;
  most_phones: number;
  phones: number;
  revoked_at: number | null;
}
export interface InvitationMade {
  invitation: Invitation;
  link: string;
  qr: string;
}
// Short messages (gateway/model/texts.py). Times in unix seconds.
export interface TextOut {
  id: string;
  to: string;
  body: string;
  priority: number;
  kind: string;
  state: "waiting" | "sending" | "sent" | "delivered" | "failed" | "expired" | "cancelled";
  code: string;
  detail: string;
  by: string;
  wanted: string;
  carrier: string;
  number: number;
  parts: number;
  parts_done: number;
  attempts: number;
  unsure: number;
  made_at: number;
  done_at: number | null;
}
export interface TextIn {
  id: string;
  sender: string;
  body: string;
  carrier: string;
  received_at: number;
  sent_at: number | null;
  missing: number;
  seen_by: string;
  seen_at: number | null;
  code: string;
  detail: string;
  number: number;
}
export interface CarrierState {
  name: string;
  kind: string;
  ready: boolean;
  code: string;
  detail: string;
  cost: number;
  again_at: number | null;
  sent: number;
  received: number;
  waiting: number;
  since: number;
}

// What is kept in the phone: reports in IndexedDB until the gateway has them, and a few words about those it has.
// Bytes are kept as ArrayBuffer: Blobs in IndexedDB are not to be trusted in old WebKit. Where there is no IndexedDB
// (private windows) reports live in memory, and the page says that it must stay open.

export type Kind = "photo" | "voice" | "text" | "position";

export interface Where {
  longitude: number;
  latitude: number;
  accuracy_m: number | null;
  taken_at: number;
}

export interface Item {
  id: string;
  kind: Kind;
  /** Unix milliseconds by the phone's clock. */
  taken: number;
  text: string;
  type: string;
  size: number;
  sha256: string;
  where: Where | null;
  data: ArrayBuffer | null;
  state: "kept" | "sent" | "stuck";
  /** Why it is stuck. */
  code: string;
}

const DB = "fieldgate-phone";
const STORE = "reports";
const SENT_SHOWN = 30;

export class Kept {
  /** False: closing the page loses what is not sent. */
  lasting = false;
  private db: IDBDatabase | null = null;
  private readonly memory: { [id: string]: Item } = {};

  open(): Promise<void> {
    return new Promise((resolve) => {
      let request: IDBOpenDBRequest;
      try {
        request = indexedDB.open(DB, 1);
      } catch (_) {
        resolve();
        return;
      }
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
      request.onerror = () => resolve();
      request.onblocked = () => resolve();
      request.onsuccess = () => {
        this.db = request.result;
        this.lasting = true;
        const storage = (navigator as { storage?: { persist?: () => Promise<boolean> } }).storage;
        if (storage && storage.persist) storage.persist().catch(() => undefined);
        resolve();
      };
    });
  }

  /** Resolves when it is really on the phone's storage. */
  put(item: Item): Promise<void> {
    return this.write((store) => store.put(item), () => (this.memory[item.id] = item));
  }

  /** The gateway has it: its bytes go, a line of it stays to be seen. */
  sent(item: Item): Promise<void> {
    item.state = "sent";
    item.data = null;
    return this.put(item).then(() => this.tidy());
  }

  all(): Promise<Item[]> {
    const inMemory = Object.keys(this.memory).map((id) => this.memory[id]!);
    const db = this.db;
    if (!db) return Promise.resolve(inMemory.sort(newest));
    return new Promise((resolve, reject) => {
      const found: Item[] = [];
      const request = db.transaction(STORE, "readonly").objectStore(STORE).openCursor();
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor) {
          found.push(cursor.value as Item);
          cursor.continue();
        } else resolve(found.concat(inMemory).sort(newest));
      };
    });
  }

  private tidy(): Promise<void> {
    return this.all().then((items) => {
      const old = items.filter((one) => one.state === "sent").slice(SENT_SHOWN);
      return Promise.all(old.map((one) => this.write((store) => store.delete(one.id), () => delete this.memory[one.id]))).then(() => undefined);
    });
  }

  private write(act: (store: IDBObjectStore) => IDBRequest, otherwise: () => void): Promise<void> {
    const db = this.db;
    if (!db) {
      otherwise();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const transaction = db.transaction(STORE, "readwrite");
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error || new Error("storage"));
      act(transaction.objectStore(STORE));
    });
  }
}

function newest(a: Item, b: Item): number {
  return b.taken - a.taken;
}

const SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** 48 bits of milliseconds, 80 random bits: the number under which a report is known for ever. */
export function ulid(now: number): string {
  const random = new Uint8Array(16);
  crypto.getRandomValues(random);
  let text = "";
  for (let i = 0, left = now; i < 10; i++, left = Math.floor(left / 32)) text = SIGNS.charAt(left % 32) + text;
  for (let i = 0; i < 16; i++) text += SIGNS.charAt(random[i]! & 31);
  return text;
}

/** What survives a reload besides reports. Old private windows refuse to store anything. */
export const notes = {
  get(name: string): string {
    try {
      return localStorage.getItem("fieldgate.phone." + name) || "";
    } catch (_) {
      return "";
    }
  },
  set(name: string, value: string): void {
    try {
      localStorage.setItem("fieldgate.phone." + name, value);
    } catch (_) {
      // the page works without, until it is closed
    }
  },
};

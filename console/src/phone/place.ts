// Where the phone is, as its browser tells: WGS-84. The newest fix is kept and goes with everything that is reported.

import type { Where } from "./kept";

const FRESH_MS = 120000;
const PATIENCE_MS = 20000;
const SHORT_MS = 2500;

export class Place {
  private last: Where | null = null;
  private watching = false;

  /** Begin to follow the position; the browser asks its owner once. */
  watch(): void {
    if (this.watching || !navigator.geolocation) return;
    this.watching = true;
    navigator.geolocation.watchPosition(
      (fix) => (this.last = where(fix)),
      () => undefined,
      { enableHighAccuracy: true, maximumAge: 30000 },
    );
  }

  /** A fix of the last two minutes, waited for a moment; null where there is none. Never keeps a report waiting. */
  near(): Promise<Where | null> {
    if (this.last && Date.now() - this.last.taken_at * 1000 < FRESH_MS) return Promise.resolve(this.last);
    if (!this.watching) return Promise.resolve(null);
    return this.ask(SHORT_MS).catch(() => null);
  }

  /** Rejects when there is none. */
  now(): Promise<Where> {
    this.watch();
    return this.ask(PATIENCE_MS);
  }

  private ask(patience: number): Promise<Where> {
    return new Promise((resolve, reject) => {
      if (!navigator.geolocation) {
        reject(new Error("none"));
        return;
      }
      // The time-out of the API does not run while its owner is being asked.
      const timer = setTimeout(() => reject(new Error("late")), patience);
      navigator.geolocation.getCurrentPosition(
        (fix) => {
          clearTimeout(timer);
          this.last = where(fix);
          resolve(this.last);
        },
        (error) => {
          clearTimeout(timer);
          reject(error);
        },
        { enableHighAccuracy: true, timeout: patience, maximumAge: 10000 },
      );
    });
  }
}

function where(fix: GeolocationPosition): Where {
  const c = fix.coords;
  // Some engines count the fix's time from another beginning: then it is as old as now.
  const at = Math.abs(fix.timestamp - Date.now()) < 86400000 ? fix.timestamp : Date.now();
  return { longitude: c.longitude, latitude: c.latitude, accuracy_m: c.accuracy >= 0 ? c.accuracy : null, taken_at: at / 1000 };
}

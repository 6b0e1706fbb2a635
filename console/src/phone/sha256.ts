// SHA-256 (FIPS 180-4), in pieces so that an old phone's page stays alive meanwhile. WebCrypto is missing where the page
// came over plain HTTP, and has other names in old browsers.

const K: number[] = [];
(function constants(): void {
  let found = 0;
  for (let n = 2; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    const root = Math.pow(n, 1 / 3);
    K[found++] = ((root - Math.floor(root)) * 4294967296) | 0;
  }
})();

const FIRST = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const PIECE = 256 * 1024;

class Sha256 {
  private readonly h = new Int32Array(FIRST);
  private readonly w = new Int32Array(64);

  /** Whole blocks of 64 bytes. */
  blocks(data: Uint8Array, from: number, to: number): void {
    const w = this.w;
    const h = this.h;
    for (let at = from; at < to; at += 64) {
      for (let i = 0; i < 16; i++) {
        const p = at + i * 4;
        w[i] = (data[p]! << 24) | (data[p + 1]! << 16) | (data[p + 2]! << 8) | data[p + 3]!;
      }
      for (let i = 16; i < 64; i++) {
        const a = w[i - 15]!;
        const b = w[i - 2]!;
        const s0 = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
        const s1 = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
        w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
      }
      let [a, b, c, d, e, f, g, k] = [h[0]!, h[1]!, h[2]!, h[3]!, h[4]!, h[5]!, h[6]!, h[7]!];
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (k + s1 + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        k = g;
        g = f;
        f = e;
        e = (d + t1) | 0;
        d = c;
        c = b;
        b = a;
        a = (t1 + t2) | 0;
      }
      const add = [a, b, c, d, e, f, g, k];
      for (let i = 0; i < 8; i++) h[i] = (h[i]! + add[i]!) | 0;
    }
  }

  /** The rest, padded; the digest in hex. */
  end(rest: Uint8Array, total: number): string {
    const padded = new Uint8Array(rest.length + 9 > 64 ? 128 : 64);
    padded.set(rest);
    padded[rest.length] = 0x80;
    const bits = total * 8;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 8, Math.floor(bits / 4294967296));
    view.setUint32(padded.length - 4, bits >>> 0);
    this.blocks(padded, 0, padded.length);
    let text = "";
    for (let i = 0; i < 8; i++) text += ("0000000" + (this.h[i]! >>> 0).toString(16)).slice(-8);
    return text;
  }
}

export function sha256(buffer: ArrayBuffer): Promise<string> {
  const data = new Uint8Array(buffer);
  const hash = new Sha256();
  const whole = data.length - (data.length % 64);
  return new Promise((resolve) => {
    let at = 0;
    const step = (): void => {
      const to = Math.min(whole, at + PIECE);
      hash.blocks(data, at, to);
      at = to;
      if (at < whole) setTimeout(step, 0);
      else resolve(hash.end(data.subarray(whole), data.length));
    };
    step();
  });
}

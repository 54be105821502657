// SHA-2 (FIPS 180-4): 32-bit words for SHA-224 and SHA-256, 64-bit ones for SHA-384 and SHA-512.

/** The first bits of the fractional parts of the cube roots (order 3) or square roots (order 2) of primes. */
function fractions(count: number, order: 2n | 3n, bits: bigint, skip = 0): bigint[] {
  const out: bigint[] = [];
  for (let n = 2n, found = 0; out.length < count; n++) {
    let isPrime = true;
    for (let d = 2n; d * d <= n; d++) {
      if (n % d === 0n) {
        isPrime = false;
        break;
      }
    }
    if (!isPrime || found++ < skip) continue;
    out.push(rootOf(n << (bits * order), order) & ((1n << bits) - 1n));
  }
  return out;
}

/** The whole part, by halving. */
function rootOf(value: bigint, order: bigint): bigint {
  let low = 0n;
  let high = 1n << (BigInt(value.toString(2).length) / order + 1n);
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** order <= value) low = middle;
    else high = middle - 1n;
  }
  return low;
}

type Turn = readonly [bigint, bigint, bigint];

interface Variant {
  readonly wordBits: bigint;
  readonly rounds: number;
  readonly start: readonly bigint[];
  readonly bytes: number;
  readonly constants: readonly bigint[];
  /** Rotations of Σ0, Σ1, σ0, σ1; the last of each σ shifts. */
  readonly turns: readonly [Turn, Turn, Turn, Turn];
}

const SMALL: Omit<Variant, 'start' | 'bytes'> = {
  wordBits: 32n,
  rounds: 64,
  constants: fractions(64, 3n, 32n),
  turns: [
    [2n, 13n, 22n],
    [6n, 11n, 25n],
    [7n, 18n, 3n],
    [17n, 19n, 10n],
  ],
};

const LARGE: Omit<Variant, 'start' | 'bytes'> = {
  wordBits: 64n,
  rounds: 80,
  constants: fractions(80, 3n, 64n),
  turns: [
    [28n, 34n, 39n],
    [14n, 18n, 41n],
    [1n, 8n, 7n],
    [19n, 61n, 6n],
  ],
};

function digest(message: Uint8Array, variant: Variant): Uint8Array {
  const { wordBits, rounds, constants, turns } = variant;
  const mask = (1n << wordBits) - 1n;
  const wordBytes = Number(wordBits / 8n);
  const blockBytes = wordBytes * 16;
  const rotated = (x: bigint, by: bigint): bigint => (x >> by) | ((x << (wordBits - by)) & mask);
  const sum = (x: bigint, [a, b, c]: Turn): bigint => rotated(x, a) ^ rotated(x, b) ^ rotated(x, c);
  const mix = (x: bigint, [a, b, c]: Turn): bigint => rotated(x, a) ^ rotated(x, b) ^ (x >> c);
  const [bigSum0, bigSum1, mix0, mix1] = turns;
  const padded = padding(message, blockBytes, wordBytes * 2);
  const view = new DataView(padded.buffer);
  const state = [...variant.start];
  const w = new Array<bigint>(rounds);
  for (let block = 0; block < padded.length; block += blockBytes) {
    for (let i = 0; i < rounds; i++) {
      if (i < 16) {
        const at = block + i * wordBytes;
        w[i] = wordBytes === 4 ? BigInt(view.getUint32(at)) : view.getBigUint64(at);
      } else {
        const a = mix(w[i - 2] as bigint, mix1);
        const b = mix(w[i - 15] as bigint, mix0);
        w[i] = (a + (w[i - 7] as bigint) + b + (w[i - 16] as bigint)) & mask;
      }
    }
    let [a, b, c, d, e, f, g, h] = state as [
      bigint,
      bigint,
      bigint,
      bigint,
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    for (let i = 0; i < rounds; i++) {
      const choice = (e & f) ^ (~e & mask & g);
      const first = h + sum(e, bigSum1) + choice + (constants[i] as bigint) + (w[i] as bigint);
      const second = sum(a, bigSum0) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e] = [g, f, e, (d + first) & mask];
      [d, c, b, a] = [c, b, a, (first + second) & mask];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => {
      state[i] = ((state[i] as bigint) + value) & mask;
    });
  }
  const out = new DataView(new ArrayBuffer(8 * wordBytes));
  state.forEach((value, i) => {
    if (wordBytes === 4) out.setUint32(i * 4, Number(value));
    else out.setBigUint64(i * 8, value);
  });
  return new Uint8Array(out.buffer, 0, variant.bytes).slice();
}

/** A one bit, zeros, and the length in bits at the end of the last block. */
function padding(message: Uint8Array, blockBytes: number, lengthBytes: number): Uint8Array {
  const blocks = Math.ceil((message.length + 1 + lengthBytes) / blockBytes);
  const out = new Uint8Array(blocks * blockBytes);
  out.set(message);
  out[message.length] = 0x80;
  const view = new DataView(out.buffer);
  view.setBigUint64(out.length - 8, BigInt(message.length) * 8n);
  return out;
}

const SHA256: Variant = { ...SMALL, start: fractions(8, 2n, 32n), bytes: 32 };
const SHA384: Variant = { ...LARGE, start: fractions(8, 2n, 64n, 8), bytes: 48 };
const SHA512: Variant = { ...LARGE, start: fractions(8, 2n, 64n), bytes: 64 };
/** The second halves of SHA-384's. */
const SHA224: Variant = {
  ...SMALL,
  start: SHA384.start.map((word) => word & 0xffffffffn),
  bytes: 28,
};

export function sha224(message: Uint8Array): Uint8Array {
  return digest(message, SHA224);
}

export function sha256(message: Uint8Array): Uint8Array {
  return digest(message, SHA256);
}

export function sha384(message: Uint8Array): Uint8Array {
  return digest(message, SHA384);
}

export function sha512(message: Uint8Array): Uint8Array {
  return digest(message, SHA512);
}

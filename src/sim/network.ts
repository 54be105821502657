// The simulated network: frames are lost, repeated, delayed and so reordered; streams keep order and break. Links are
// cut one way or both ways.

import type { ByteStream, Network, NodeId } from '../runtime/runtime.ts';
import type { SeededRandom } from './random.ts';
import type { Life, World } from './world.ts';

/** Chunks that a stream's writer may be ahead of its reader. */
const STREAM_WINDOW_CHUNKS = 16;

export interface NetworkSettings {
  delayMicrosMin: number;
  delayMicrosMax: number;
  /** One frame in so many; 0 never. */
  loseOneIn: number;
  repeatOneIn: number;
  /** So many take up to `lateMicrosMax` more, and are overtaken by many. */
  lateOneIn: number;
  lateMicrosMax: number;
}

interface Station {
  readonly life: Life;
  onFrame: ((from: NodeId, frame: Uint8Array) => void) | undefined;
  onStream: ((from: NodeId, purpose: string, stream: ByteStream) => void) | undefined;
  readonly streams: Set<StreamPair>;
}

export class SimNetwork {
  readonly settings: NetworkSettings = {
    delayMicrosMin: 50,
    delayMicrosMax: 500,
    loseOneIn: 0,
    repeatOneIn: 0,
    lateOneIn: 0,
    lateMicrosMax: 0,
  };
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #stations = new Map<NodeId, Station>();
  /** 'from>to' of cut directions. */
  readonly #cuts = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork('network');
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cuts.add(`${from}>${to}`);
    for (const station of this.#stations.values()) {
      for (const stream of station.streams) if (stream.joins(from, to)) stream.break();
    }
  }

  join(from: NodeId, to: NodeId): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  /** A life ended: its streams break at the other ends. */
  crash(node: NodeId): void {
    const station = this.#stations.get(node);
    if (station === undefined) return;
    this.#stations.delete(node);
    for (const stream of station.streams) stream.break();
  }

  attach(life: Life): Network {
    const station: Station = { life, onFrame: undefined, onStream: undefined, streams: new Set() };
    this.#stations.set(life.node, station);
    return {
      send: (to, frame) => this.#send(life.node, to, frame),
      onFrame: (handler) => {
        station.onFrame = handler;
      },
      openStream: (to, purpose) => this.#openStream(station, to, purpose),
      onStream: (handler) => {
        station.onStream = handler;
      },
    };
  }

  #delay(): number {
    const { delayMicrosMin, delayMicrosMax, lateOneIn, lateMicrosMax } = this.settings;
    const usual = delayMicrosMin + this.#random.below(Math.max(1, delayMicrosMax - delayMicrosMin));
    const isLate = lateOneIn > 0 && this.#random.oneIn(lateOneIn);
    return isLate ? usual + this.#random.below(lateMicrosMax) : usual;
  }

  #send(from: NodeId, to: NodeId, frame: Uint8Array): void {
    const { loseOneIn, repeatOneIn } = this.settings;
    const copies = repeatOneIn > 0 && this.#random.oneIn(repeatOneIn) ? 2 : 1;
    const bytes = frame.slice();
    for (let i = 0; i < copies; i++) {
      if (loseOneIn > 0 && from !== to && this.#random.oneIn(loseOneIn)) continue;
      this.#world.after(this.#delay(), undefined, () => {
        const station = this.#stations.get(to);
        if (station?.life.alive !== true || this.isCut(from, to)) return;
        this.#world.trace.bytes(bytes);
        this.#world.whenAwake(station.life, () => station.onFrame?.(from, bytes.slice()));
      });
    }
  }

  #openStream(from: Station, to: NodeId, purpose: string): Promise<ByteStream> {
    return new Promise((resolve, reject) => {
      this.#world.after(this.#delay(), from.life, () => {
        const station = this.#stations.get(to);
        if (
          station?.life.alive !== true ||
          station.onStream === undefined ||
          this.isCut(from.life.node, to) ||
          this.isCut(to, from.life.node)
        ) {
          reject(new Error(`node ${to} can't be reached`));
          return;
        }
        const pair = new StreamPair(from, station, (life, run) =>
          this.#world.after(this.#delay(), undefined, () => this.#world.whenAwake(life, run)),
        );
        const { life, onStream } = station;
        let isAnswered = false;
        this.#world.whenAwake(life, () => {
          isAnswered = true;
          onStream(from.life.node, purpose, pair.end(1));
          resolve(pair.end(0));
        });
        if (isAnswered) return;
        this.#world.after(HANDSHAKE_MICROS_MAX, from.life, () => {
          if (isAnswered) return;
          pair.end(0).abort();
          reject(new Error(`node ${to} does not answer`));
        });
      });
    });
  }
}

/** Until then who opens a stream waits for an answer, as in rpc. */
const HANDSHAKE_MICROS_MAX = 5_000_000;

/** Two directions, each a bounded queue of chunks. */
class StreamPair {
  readonly #nodes: readonly [Station, Station];
  readonly #later: (life: Life, run: () => void) => void;
  readonly #directions: readonly [Direction, Direction] = [new Direction(), new Direction()];
  #broken = false;

  constructor(a: Station, b: Station, later: (life: Life, run: () => void) => void) {
    this.#nodes = [a, b];
    this.#later = later;
    a.streams.add(this);
    b.streams.add(this);
  }

  joins(a: NodeId, b: NodeId): boolean {
    const [first, second] = this.#nodes;
    const nodes = [first.life.node, second.life.node];
    return nodes.includes(a) && nodes.includes(b);
  }

  break(): void {
    if (this.#broken) return;
    this.#broken = true;
    for (const station of this.#nodes) station.streams.delete(this);
    for (const direction of this.#directions) direction.break();
  }

  end(side: 0 | 1): ByteStream {
    const out = this.#directions[side];
    const into = this.#directions[side === 0 ? 1 : 0];
    const reader = this.#nodes[side === 0 ? 1 : 0].life;
    const later = (run: () => void): void => this.#later(reader, run);
    return {
      write: (chunk) => out.write(chunk.slice(), later),
      read: () => into.read(),
      end: () => later(() => out.finish()),
      abort: () => this.break(),
    };
  }
}

class Direction {
  #queue: Uint8Array[] = [];
  #ahead = 0;
  #ended = false;
  #broken = false;
  #reader: { resolve(chunk: Uint8Array | undefined): void; reject(error: Error): void } | undefined;
  #writers: { resolve(): void; reject(error: Error): void }[] = [];
  /** Delays differ; a stream's chunks must not overtake each other. */
  #arriving: Uint8Array[] = [];

  write(chunk: Uint8Array, later: (run: () => void) => void): Promise<void> {
    if (this.#broken) return Promise.reject(new Error('the stream is broken'));
    this.#ahead += 1;
    this.#arriving.push(chunk);
    later(() => {
      const next = this.#arriving.shift();
      if (next !== undefined && !this.#broken) this.#arrive(next);
    });
    if (this.#ahead < STREAM_WINDOW_CHUNKS) return Promise.resolve();
    return new Promise((resolve, reject) => this.#writers.push({ resolve, reject }));
  }

  read(): Promise<Uint8Array | undefined> {
    const chunk = this.#queue.shift();
    if (chunk !== undefined) {
      this.#taken();
      return Promise.resolve(chunk);
    }
    if (this.#broken) return Promise.reject(new Error('the stream is broken'));
    if (this.#ended && this.#arriving.length === 0) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  finish(): void {
    this.#ended = true;
    if (this.#arriving.length === 0) this.#wake(undefined);
  }

  break(): void {
    this.#broken = true;
    const error = new Error('the stream is broken');
    this.#reader?.reject(error);
    this.#reader = undefined;
    for (const writer of this.#writers) writer.reject(error);
    this.#writers = [];
  }

  #arrive(chunk: Uint8Array): void {
    if (this.#reader !== undefined) {
      this.#taken();
      this.#wake(chunk);
      return;
    }
    this.#queue.push(chunk);
  }

  #taken(): void {
    this.#ahead -= 1;
    this.#writers.shift()?.resolve();
  }

  #wake(chunk: Uint8Array | undefined): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(chunk);
  }
}

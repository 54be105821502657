// The only door to the outside: time, timers, randomness, files, network, threads, log. One Runtime for each node;
// runtime/node is the real one, the simulator has its own. Nothing else may reach the outside, so that a simulated
// run is a function of its seed.

export interface Runtime {
  readonly time: Time;
  readonly timers: Timers;
  readonly random: Random;
  readonly files: Files;
  readonly network: Network;
  readonly threads: Threads;
  readonly log: Log;
  readonly faults: Faults;
}

/** True time lies within, in microseconds since 1970. */
export interface WallReading {
  readonly earliestMicros: number;
  readonly latestMicros: number;
  /** When it was read, on the monotonic clock: read at once with it, so that steps of the wall show (P7). */
  readonly monotonicMicros: number;
  /** Why true time may lie elsewhere all the same: nobody may act on this reading. */
  readonly problem?: string | undefined;
}

export interface Time {
  /** Never goes back, unrelated to the wall; may be fractional. */
  monotonicMicros(): number;
  /** Hot: may be one object that the next call changes. */
  wall(): WallReading;
  /** Resolves when wall() can be acted on; rejects, and says what to do, when it can't. Absent: it always can. */
  ready?(): Promise<void>;
  /** For how long the main thread has been at work since the start; absent where nobody can tell. */
  busyMicros?(): number;
}

export interface Timers {
  /** Runs once, not earlier than asked; finer than a millisecond when asked for less than a few of them. */
  after(micros: number, run: () => void): Disposable;
  /** Runs after the input that is already there was taken in: where work of one turn is gathered into one batch. */
  soon(run: () => void): void;
}

export interface Random {
  uint32(): number;
  /** Uniform in [0, bound). */
  below(bound: number): number;
  /** An independent stream; the same label from the same parent gives the same stream. */
  fork(label: string): Random;
}

export type FileErrorKind = 'missing' | 'full' | 'locked' | 'io';

export class FileError extends Error {
  override readonly name = 'FileError';
  readonly kind: FileErrorKind;
  readonly path: string;

  constructor(kind: FileErrorKind, path: string, message: string) {
    super(message);
    this.kind = kind;
    this.path = path;
  }
}

/** Paths use '/'. All failures are FileErrors. */
export interface Files {
  open(path: string, options: { readonly create: boolean }): Promise<OpenFile>;
  /** The whole file; undefined when it is missing. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Old or new content after a crash, never a mix; durable, with its directory entry, when it resolves. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** With its parents, durable. */
  makeDirectory(path: string): Promise<void>;
  /** Names, sorted; empty when the directory is missing. */
  list(directory: string): Promise<readonly string[]>;
  /** A file, or a directory with all that is in it; nothing when it is missing. Durable after syncDirectory. */
  remove(path: string): Promise<void>;
  syncDirectory(directory: string): Promise<void>;
  freeBytes(path: string): Promise<number>;
  /** FileError 'locked' when another process (or node) holds it; released by dispose and by the holder's death. */
  lockDirectory(directory: string): Promise<Disposable>;
}

export interface OpenFile {
  readonly path: string;
  size(): Promise<number>;
  /** Shorter than asked only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Durable only after sync(). */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** A write that is durable when it resolves, in one step where the platform has one. */
  writeSynced(offset: number, bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  /** Zero-filled to at least this size and durable, so that later writeSynced need not change metadata. */
  preallocate(bytes: number): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

export type NodeId = number;

/** Frames may be lost, repeated and reordered. Streams are ordered, have backpressure, and may break. */
export interface Network {
  /** Takes the frame over: the sender must not touch it again. */
  send(to: NodeId, frame: Uint8Array): void;
  onFrame(handler: (from: NodeId, frame: Uint8Array) => void): void;
  openStream(to: NodeId, purpose: string): Promise<ByteStream>;
  onStream(handler: (from: NodeId, purpose: string, stream: ByteStream) => void): void;
}

export interface ByteStream {
  /** Resolves when the other side has room for more; rejects when the stream is broken. `isGiven`: the writer will not
   * touch it again, so that it need not be copied. */
  write(chunk: Uint8Array, isGiven?: boolean): Promise<void>;
  /** The next chunk; undefined at the end; rejects when the stream is broken. */
  read(): Promise<Uint8Array | undefined>;
  /** Nothing more from this side. A stream is over when both sides ended it. */
  end(): void;
  /** Breaks it for both: for who gives up before the end. Nothing when it is over. */
  abort(): void;
}

/** Code that runs on a thread of its own: a module with a default export of type WorkerMain. */
export interface WorkerEntry {
  readonly name: string;
  /** The compiled module, for real threads. */
  readonly module: URL;
  /** The same code, for runtimes that run threads inline. */
  readonly inline: WorkerMain;
}

/** Resolves when the work is over (its port was closed); rejecting is the worker's death. */
export type WorkerMain = (port: Port, data: unknown) => Promise<void>;

export interface Threads {
  /** `data` is cloned into the thread. */
  start(entry: WorkerEntry, data: unknown): Port;
}

/** Packed messages between a thread and its owner, in order, none lost while both live. */
export interface Port {
  /** Takes the message over: the sender must not touch it again. */
  post(message: Uint8Array): void;
  /** One handler; messages that came before it was set are kept for it. */
  onMessage(handler: (message: Uint8Array) => void): void;
  /** The other side closed or died (then with an error). */
  onClose(handler: (error: Error | undefined) => void): void;
  /** Messages posted before are delivered first. Resolves when the other side is through. */
  close(): Promise<void>;
}

export type LogFields = Readonly<Record<string, string | number | boolean>>;

export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface Faults {
  /** Whether the fault or known bug of this name happens here, now; always false in production. */
  sometimes(point: string): boolean;
  /** A probe: a path that is rarely taken was. Tests ask whether it is in simulated runs; nothing in production. */
  reached(point: string): void;
}

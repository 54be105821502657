// The shard's side of its port: one engine, one writer, many readers. Applies are carried out in the order in which
// they were posted, as many at once as have gathered; a read starts once every apply posted before it is in the
// engine, and all point reads that may start together are one read of the engine.

import { AssertionError } from '../base/assert.ts';
import { ByteReader, ByteWriter, EMPTY_BYTES } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Port, WorkerMain } from '../runtime/runtime.ts';
import { Applier, type ApplyRequest } from './apply.ts';
import { Collector } from './collector.ts';
import type { Engine, Span } from './engine.ts';
import { Installs } from './install.ts';
import { HISTORY_PREFIX, LATEST_PREFIX, PAGE_ROWS_PREFIX, prefixedSpan } from './mvcc.ts';
import { readVersions, type StoredVersion } from './mvcc-read.ts';
import { Packer } from './packer.ts';
import { Answers } from './shard-answers.ts';
import type { PageTuning } from './row-store.ts';
import * as protocol from './shard-protocol.ts';
import { ShardStreams } from './shard-streams.ts';

/** Applied in one engine write. */
const APPLY_BYTES_MAX = 4 << 20;
/** Read in one batch. */
const GET_KEYS_MAX = 1024;
const GETS_IN_FLIGHT_MAX = 2;

interface PostedApply extends ApplyRequest {
  readonly id: number;
}

interface PostedGet {
  readonly id: number;
  readonly at: Timestamp;
  readonly keys: readonly Uint8Array[];
}

/** A read, and how many applies must be through before it starts. */
interface PostedRead {
  readonly after: number;
  readonly start: () => void;
  /** The shard has failed before. */
  readonly fail?: (error: unknown) => void;
}

interface ExclusiveWrite {
  readonly run: () => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What startShard() takes for an entry that opens RocksDB. */
export interface ShardData {
  /** Of the database's directory; made when it is missing. */
  readonly path: string;
  /** For pages. */
  readonly cacheBytes?: number;
}

/** What a shard's thread runs: serves the port until its owner closes it; then the engine is closed. */
export function shardMain(
  openEngine: (data: unknown) => Promise<Engine>,
  tuning?: PageTuning,
): WorkerMain {
  return async (port, data) => {
    let server: ShardServer;
    try {
      const { cacheBytes } = (data ?? {}) as Partial<ShardData>;
      const engine = await openEngine(data);
      server = new ShardServer(port, engine, await Applier.open(engine, tuning, cacheBytes));
    } catch (error) {
      // As a message, so that its class and what it names survive the way.
      const out = new ByteWriter();
      out.u8(protocol.ANSWER_FAILED);
      out.u32(0);
      protocol.writeError(out, error);
      port.post(out.take());
      return;
    }
    await server.run();
  };
}

class ShardServer {
  private readonly port: Port;
  private readonly engine: Engine;
  private readonly applier: Applier;

  private applies: PostedApply[] = [];
  private appliesPosted = 0;
  private appliesDone = 0;
  /** What writes to the engine beside applies; by turns with them. */
  private readonly writes: ExclusiveWrite[] = [];
  private isWriting = false;
  private appliedLast = false;
  private readonly installs: Installs;
  private readonly packer: Packer;
  private readonly collector: Collector;
  private reads: PostedRead[] = [];
  private gets: PostedGet[] = [];
  private getsInFlight = 0;
  private readonly streams: ShardStreams;
  /** Everything but streams that has begun and not ended. */
  private working = 0;

  private readonly answers: Answers;
  private failure: unknown;
  private whenIdle: (() => void) | undefined;
  private getsServed = 0;

  constructor(port: Port, engine: Engine, applier: Applier) {
    this.port = port;
    this.answers = new Answers(port);
    this.streams = new ShardStreams(applier.store, this.answers, () => this.pump());
    this.engine = engine;
    this.applier = applier;
    this.packer = new Packer(applier.store, (run) => this.exclusive(run));
    this.collector = new Collector(applier.store, (run) => this.exclusive(run));
    this.installs = new Installs(applier.store, applier.records, (run) =>
      this.exclusive(async () => {
        await run();
        applier.forgetTails();
      }),
    );
  }

  async run(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.port.onClose(() => resolve());
    });
    const out = this.answers.begin(protocol.ANSWER_OPENED, 0);
    protocol.writeRanges(out, this.applier.openedRanges());
    this.port.onMessage((message) => this.receive(message));
    await closed;
    this.streams.close();
    if (!this.isIdle()) {
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve;
      });
    }
    this.answers.flush();
    await this.engine.close();
  }

  private receive(message: Uint8Array): void {
    const reader = new ByteReader(message);
    while (reader.remaining > 0) {
      const kind = reader.u8();
      const id = reader.u32();
      switch (kind) {
        case protocol.REQUEST_APPLY: {
          const range = reader.u32();
          const lastIndex = reader.u53();
          const entries = reader.block();
          if (this.installs.isInstalling(range)) {
            this.fail(new AssertionError(`entries for range ${range}, which is being installed`));
            break;
          }
          this.applies.push({ id, range, lastIndex, entries });
          this.appliesPosted++;
          break;
        }
        case protocol.REQUEST_GET: {
          const at = reader.u53() as Timestamp;
          const keys = new Array<Uint8Array>(reader.u32());
          for (let i = 0; i < keys.length; i++) keys[i] = reader.block();
          const get = { id, at, keys };
          this.read(() => this.gets.push(get));
          break;
        }
        case protocol.REQUEST_SCAN:
        case protocol.REQUEST_SNAPSHOT:
        case protocol.REQUEST_CHECKSUM: {
          const open = this.streams.prepare(kind, id, reader);
          this.read(open);
          break;
        }
        case protocol.REQUEST_SCAN_CREDIT: {
          const credits = reader.u32();
          this.streams.addCredit(id, credits);
          break;
        }
        case protocol.REQUEST_SCAN_CLOSE:
          this.read(() => this.streams.closeOne(id));
          break;
        case protocol.REQUEST_FLUSH:
          this.read(() => this.work(id, () => this.flush(id)));
          break;
        case protocol.REQUEST_APPROXIMATE_BYTES: {
          const span = protocol.readSpan(reader);
          this.read(() => this.work(id, () => this.approximateBytes(id, span)));
          break;
        }
        case protocol.REQUEST_COLLECT: {
          const span = protocol.readSpan(reader);
          const threshold = reader.u53() as Timestamp;
          const rest = reader.block();
          const from = rest.length === 0 ? undefined : rest;
          this.read(() => this.work(id, () => this.collect(id, span, threshold, from)));
          break;
        }
        case protocol.REQUEST_USAGE:
          this.usage(id);
          break;
        case protocol.REQUEST_INSTALL_BEGIN:
        case protocol.REQUEST_INSTALL_CHUNK:
        case protocol.REQUEST_INSTALL_FINISH:
        case protocol.REQUEST_DROP:
          this.install(kind, id, reader);
          break;
        case protocol.REQUEST_PACK: {
          const isIdle = reader.u8() === 1;
          this.work(id, () => this.pack(id, isIdle));
          break;
        }
        default:
          throw new DbError('XX000', `unknown request ${kind} to a storage shard`);
      }
    }
    this.pump();
  }

  private read(start: () => void): void {
    this.reads.push({ after: this.appliesPosted, start });
  }

  private pump(): void {
    let started = 0;
    for (const read of this.reads) {
      if (read.after > this.appliesDone) break;
      started++;
      read.start();
    }
    if (started > 0) this.reads.splice(0, started);
    // After the reads: none begins while an apply is under way, so that each sees all of it or nothing, whatever it looks
    // at in the engine and whatever in the index of pages.
    if (!this.isWriting && this.failure === undefined) this.startWrite();
    while (this.gets.length > 0 && this.getsInFlight < GETS_IN_FLIGHT_MAX) this.get();
    if (this.whenIdle !== undefined && this.isIdle()) this.whenIdle();
  }

  private isIdle(): boolean {
    const nothingLeft = this.applies.length === 0 && this.reads.length === 0;
    const nothingRuns = this.working === 0 && this.gets.length === 0 && this.streams.isIdle;
    return nothingRuns && (nothingLeft || this.failure !== undefined);
  }

  private startWrite(): void {
    const isAppliesTurn = this.writes.length === 0 || !this.appliedLast;
    if (isAppliesTurn && this.applies.length > 0) {
      this.appliedLast = true;
      this.apply();
      return;
    }
    this.appliedLast = false;
    const write = this.writes.shift();
    if (write === undefined) return;
    this.isWriting = true;
    this.working++;
    write.run().then(
      () => {
        this.isWriting = false;
        this.working--;
        write.resolve();
        this.pump();
      },
      (error: unknown) => {
        this.working--;
        write.reject(error);
        this.fail(error);
      },
    );
  }

  /** Rejects when the shard fails, also before its turn has come. */
  private exclusive(run: () => Promise<void>): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.writes.push({ run, resolve, reject });
      this.pump();
    });
  }

  private apply(): void {
    let bytes = 0;
    let count = 0;
    for (const { entries } of this.applies) {
      if (count > 0 && bytes + entries.length > APPLY_BYTES_MAX) break;
      bytes += entries.length;
      count++;
    }
    const batch = this.applies.splice(0, count);
    this.isWriting = true;
    this.working++;
    this.applier.apply(batch).then(
      () => {
        this.isWriting = false;
        this.working--;
        this.appliesDone += count;
        for (const { id } of batch) this.answers.begin(protocol.ANSWER_DONE, id);
        this.pump();
      },
      (error: unknown) => {
        this.working--;
        this.fail(error);
      },
    );
  }

  private get(): void {
    const keys: Uint8Array[] = [];
    const times: Timestamp[] = [];
    let count = 0;
    for (const get of this.gets) {
      if (count > 0 && keys.length + get.keys.length > GET_KEYS_MAX) break;
      count++;
      for (const key of get.keys) {
        keys.push(key);
        times.push(get.at);
      }
    }
    const batch = this.gets.splice(0, count);
    this.getsInFlight++;
    this.working++;
    this.getsServed += keys.length;
    readVersions(this.applier.store, keys, times)
      .then(
        (versions) => this.answerGets(batch, versions),
        (error: unknown) => {
          for (const { id } of batch) this.answers.refuse(id, error);
        },
      )
      .finally(() => {
        this.getsInFlight--;
        this.working--;
        this.pump();
      });
  }

  private answerGets(
    batch: readonly PostedGet[],
    versions: readonly (StoredVersion | undefined)[],
  ): void {
    let next = 0;
    for (const { id, keys } of batch) {
      const out = this.answers.begin(protocol.ANSWER_VERSIONS, id);
      out.u32(keys.length);
      for (let left = keys.length; left > 0; left--) writeVersion(out, versions[next++]);
    }
  }

  private install(kind: number, id: number, reader: ByteReader): void {
    const range = reader.u32();
    if (kind === protocol.REQUEST_INSTALL_BEGIN) {
      const span = protocol.readSpan(reader);
      const begun = this.installs.begin(range, span, this.onceApplied());
      this.work(id, async () => {
        await begun;
        this.answers.begin(protocol.ANSWER_DONE, id);
      });
    } else if (kind === protocol.REQUEST_DROP) {
      const span = reader.u8() === 0 ? undefined : protocol.readSpan(reader);
      const dropped = this.installs.drop(range, span, this.onceApplied());
      this.work(id, async () => {
        await dropped;
        this.answers.begin(protocol.ANSWER_DONE, id);
      });
    } else if (kind === protocol.REQUEST_INSTALL_CHUNK) {
      const chunk = protocol.readChunk(reader);
      this.work(id, async () => {
        await this.installs.chunk(range, chunk);
        this.answers.begin(protocol.ANSWER_DONE, id);
      });
    } else {
      const appliedIndex = reader.u53();
      const state = reader.block();
      this.work(id, async () => {
        const installed = await this.installs.finish(range, appliedIndex, state);
        protocol.writeRanges(this.answers.begin(protocol.ANSWER_INSTALLED, id), [installed]);
      });
    }
  }

  /** Every apply posted so far is through. Rejects when the shard fails before. */
  private onceApplied(): Promise<void> {
    return new Promise<void>((start, fail) => {
      this.reads.push({ after: this.appliesPosted, start, fail });
    });
  }

  private async flush(id: number): Promise<void> {
    // P30: what was applied before the flush began is durable after it; what was applied meanwhile may not be.
    const ranges = this.applier.appliedRanges();
    await this.engine.flush();
    const out = this.answers.begin(protocol.ANSWER_FLUSHED, id);
    protocol.writeRanges(out, ranges);
  }

  private async approximateBytes(id: number, span: Span): Promise<void> {
    const parts = await Promise.all(
      [LATEST_PREFIX, HISTORY_PREFIX, PAGE_ROWS_PREFIX].map((prefix) =>
        this.engine.approximateBytes(prefixedSpan(prefix, span)),
      ),
    );
    const out = this.answers.begin(protocol.ANSWER_NUMBER, id);
    out.u53(parts.reduce((sum, bytes) => sum + bytes, 0));
  }

  private async pack(id: number, isIdle: boolean): Promise<void> {
    await this.packer.slice(isIdle);
    this.answers.begin(protocol.ANSWER_NUMBER, id).u53(this.packer.state);
  }

  private async collect(
    id: number,
    span: Span,
    threshold: Timestamp,
    from: Uint8Array | undefined,
  ): Promise<void> {
    const { versions, rest } = await this.collector.slice(span, threshold, from);
    const out = this.answers.begin(protocol.ANSWER_COLLECTED, id);
    out.u32(versions);
    out.block(rest ?? EMPTY_BYTES);
  }

  private usage(id: number): void {
    const out = this.answers.begin(protocol.ANSWER_USAGE, id);
    out.u53(this.getsServed);
    out.u53(this.streams.scansServed);
    out.u53(this.applier.entriesApplied);
    out.u53(this.applier.bytesApplied);
  }

  private work(id: number, run: () => Promise<void>): void {
    this.working++;
    run()
      .catch((error: unknown) => this.answers.refuse(id, error))
      .finally(() => {
        this.working--;
        this.pump();
      });
  }

  /** A write failed: what the engine holds now is a prefix of what was asked, and nothing may follow it. */
  private fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    for (const write of this.writes.splice(0)) write.reject(error);
    for (const read of this.reads) read.fail?.(error);
    const out = this.answers.begin(protocol.ANSWER_FAILED, 0);
    protocol.writeError(out, error);
    this.pump();
  }
}

function writeVersion(out: ByteWriter, version: StoredVersion | undefined): void {
  if (version === undefined) {
    out.u8(0);
    return;
  }
  out.u8(
    protocol.VERSION_FOUND |
      (version.tombstone ? 0 : protocol.VERSION_IS_ROW) |
      (version.isNewest ? protocol.VERSION_IS_NEWEST : 0),
  );
  out.u53(version.timestamp);
  if (!version.tombstone) out.block(version.row);
}

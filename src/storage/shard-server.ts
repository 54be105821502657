// The shard's side of its port: one engine, one writer, many readers. Applies are carried out in the order in which
// they were posted, as many at once as have gathered; a read starts once every apply posted before it is in the
// engine, and all point reads that may start together are one read of the engine.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Port, WorkerMain } from '../runtime/runtime.ts';
import { Applier, type ApplyRequest } from './apply.ts';
import type { Engine, Span } from './engine.ts';
import { HEADER_BYTES, HISTORY_PREFIX, LATEST_PREFIX, prefixedSpan } from './mvcc.ts';
import { readVersions, type StoredVersion } from './mvcc-read.ts';
import type { ShardScanRequest } from './shard.ts';
import * as protocol from './shard-protocol.ts';
import { RunningScan } from './shard-scan.ts';

/** Applied in one engine write. */
const APPLY_BYTES_MAX = 4 << 20;
/** Read in one batch. */
const GET_KEYS_MAX = 1024;
const GETS_IN_FLIGHT_MAX = 2;
const SCANS_OPEN_MAX = 1024;
const WRITER_BYTES_KEPT_MAX = 1 << 20;

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
}

/** What a shard's thread runs: serves the port until its owner closes it; then the engine is closed. */
export function shardMain(openEngine: (data: unknown) => Promise<Engine>): WorkerMain {
  return async (port, data) => {
    let server: ShardServer;
    try {
      const engine = await openEngine(data);
      server = new ShardServer(port, engine, await Applier.open(engine));
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
  private isApplying = false;
  private reads: PostedRead[] = [];
  private gets: PostedGet[] = [];
  private getsInFlight = 0;
  private readonly scans = new Map<number, RunningScan>();
  /** Everything but scans that has begun and not ended. */
  private working = 0;

  private out = new ByteWriter(4096);
  private failure: unknown;
  private isClosing = false;
  private whenIdle: (() => void) | undefined;
  private getsServed = 0;
  private scansServed = 0;

  constructor(port: Port, engine: Engine, applier: Applier) {
    this.port = port;
    this.engine = engine;
    this.applier = applier;
  }

  async run(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.port.onClose(() => resolve());
    });
    this.begin(protocol.ANSWER_OPENED, 0);
    protocol.writeRanges(this.out, this.applier.appliedRanges());
    this.port.onMessage((message) => this.receive(message));
    await closed;
    this.isClosing = true;
    for (const scan of this.scans.values()) scan.close();
    if (!this.isIdle()) {
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve;
      });
    }
    this.flushOut();
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
          this.applies.push({ id, range, lastIndex, entries: reader.block() });
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
          this.openScan(id, reader);
          break;
        case protocol.REQUEST_SCAN_CREDIT: {
          const credits = reader.u32();
          this.scans.get(id)?.addCredit(credits);
          break;
        }
        case protocol.REQUEST_SCAN_CLOSE:
          this.read(() => this.scans.get(id)?.close());
          break;
        case protocol.REQUEST_FLUSH:
          this.read(() => this.work(id, () => this.flush(id)));
          break;
        case protocol.REQUEST_APPROXIMATE_BYTES: {
          const start = reader.block();
          const span = { start, end: reader.u8() === 0 ? undefined : reader.block() };
          this.read(() => this.work(id, () => this.approximateBytes(id, span)));
          break;
        }
        case protocol.REQUEST_USAGE:
          this.usage(id);
          break;
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
    if (!this.isApplying && this.applies.length > 0 && this.failure === undefined) this.apply();
    let started = 0;
    for (const read of this.reads) {
      if (read.after > this.appliesDone) break;
      started++;
      read.start();
    }
    if (started > 0) this.reads.splice(0, started);
    while (this.gets.length > 0 && this.getsInFlight < GETS_IN_FLIGHT_MAX) this.get();
    if (this.whenIdle !== undefined && this.isIdle()) this.whenIdle();
  }

  private isIdle(): boolean {
    const nothingLeft = this.applies.length === 0 && this.reads.length === 0;
    const nothingRuns = this.working === 0 && this.gets.length === 0 && this.scans.size === 0;
    return nothingRuns && (nothingLeft || this.failure !== undefined);
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
    this.isApplying = true;
    this.working++;
    this.applier.apply(batch).then(
      () => {
        this.isApplying = false;
        this.working--;
        this.appliesDone += count;
        for (const { id } of batch) this.begin(protocol.ANSWER_DONE, id);
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
    readVersions(this.engine, keys, times)
      .then(
        (versions) => this.answerGets(batch, versions),
        (error: unknown) => {
          for (const { id } of batch) this.refuse(id, error);
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
      this.begin(protocol.ANSWER_VERSIONS, id);
      const { out } = this;
      out.u32(keys.length);
      for (let left = keys.length; left > 0; left--) writeVersion(out, versions[next++]);
    }
  }

  private openScan(id: number, reader: ByteReader): void {
    const at = reader.u53() as Timestamp;
    const flags = reader.u8();
    const start = reader.block();
    const end = (flags & protocol.SCAN_HAS_END) === 0 ? undefined : reader.block();
    const program = (flags & protocol.SCAN_HAS_PROGRAM) === 0 ? undefined : reader.block();
    const parameters = (flags & protocol.SCAN_HAS_PARAMETERS) === 0 ? undefined : reader.block();
    const limitRows = reader.u32();
    const batchBytes = reader.u32();
    const credits = reader.u32();
    const reverse = (flags & protocol.SCAN_REVERSE) !== 0;
    const span = { start, end };
    const request = { span, at, reverse, program, parameters, limitRows, batchBytes };
    this.read(() => this.startScan(id, request, credits));
  }

  private startScan(id: number, request: ShardScanRequest, credits: number): void {
    if (this.isClosing) return;
    if (this.scans.size >= SCANS_OPEN_MAX) {
      this.refuse(
        id,
        new DbError('53000', `too many scans are open in one storage shard (${SCANS_OPEN_MAX})`, {
          hint: 'Close cursors that are not needed, or read them to their end.',
        }),
      );
      return;
    }
    this.scansServed++;
    try {
      const scan = new RunningScan(this.engine, request, credits, {
        batch: (rows, newest, isLast) => {
          this.begin(protocol.ANSWER_SCAN_BATCH, id);
          this.out.u8(isLast ? 1 : 0);
          this.out.u53(newest);
          this.out.u32(rows.rowCount);
          this.out.block(rows.writer.peek());
        },
        failed: (error) => this.refuse(id, error),
        ended: () => {
          this.scans.delete(id);
          this.pump();
        },
      });
      this.scans.set(id, scan);
      scan.run();
    } catch (error) {
      this.refuse(id, error);
    }
  }

  private async flush(id: number): Promise<void> {
    // P30: what was applied before the flush began is durable after it; what was applied meanwhile may not be.
    const ranges = this.applier.appliedRanges();
    await this.engine.flush();
    this.begin(protocol.ANSWER_FLUSHED, id);
    protocol.writeRanges(this.out, ranges);
  }

  private async approximateBytes(id: number, span: Span): Promise<void> {
    const [latest, history] = await Promise.all([
      this.engine.approximateBytes(prefixedSpan(LATEST_PREFIX, span)),
      this.engine.approximateBytes(prefixedSpan(HISTORY_PREFIX, span)),
    ]);
    this.begin(protocol.ANSWER_NUMBER, id);
    this.out.u53(latest + history);
  }

  private usage(id: number): void {
    this.begin(protocol.ANSWER_USAGE, id);
    this.out.u53(this.getsServed);
    this.out.u53(this.scansServed);
    this.out.u53(this.applier.entriesApplied);
    this.out.u53(this.applier.bytesApplied);
  }

  private work(id: number, run: () => Promise<void>): void {
    this.working++;
    run()
      .catch((error: unknown) => this.refuse(id, error))
      .finally(() => {
        this.working--;
        this.pump();
      });
  }

  /** Starts an answer; what has gathered by the end of the turn is one message. */
  private begin(kind: number, id: number): void {
    const { out } = this;
    if (out.length === 0) queueMicrotask(() => this.flushOut());
    out.u8(kind);
    out.u32(id);
  }

  private refuse(id: number, error: unknown): void {
    this.begin(protocol.ANSWER_ERROR, id);
    protocol.writeError(this.out, error);
  }

  /** An apply failed: what the engine holds now is a prefix of the log, and nothing may follow it. */
  private fail(error: unknown): void {
    this.failure = error;
    this.begin(protocol.ANSWER_FAILED, 0);
    protocol.writeError(this.out, error);
    this.pump();
  }

  private flushOut(): void {
    const { out } = this;
    if (out.length === 0) return;
    this.port.post(out.take());
    if (out.bytes.length > WRITER_BYTES_KEPT_MAX) this.out = new ByteWriter(4096);
    else out.reset();
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
  if (!version.tombstone) out.block(version.record.subarray(HEADER_BYTES));
}

// This node's end of the stream to another node's ranges (range-service.ts). It is opened when something is asked, and
// again when it broke. The other end hears from this one twice a second while transactions of this node hold locks there,
// or answers are awaited, and answers. Who hears nothing takes the other for gone: the other end after three seconds, since
// it lets go of locks (DESIGN.md section 8.9); this one sooner, since others may lead by then what it asks for, and until it
// hears again it asks nothing there. What was asked when a stream breaks is told so, and whether it may have been carried out.

import { ByteReader } from '../../base/bytes.ts';
import type { ByteStream, NodeId, Runtime } from '../../runtime/runtime.ts';
import { LimitedLog } from '../../rpc/limited-log.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { TxnId } from '../requests.ts';
import { readAnswer, type WireAnswer } from './wire-answers.ts';
import { FrameReceiver, FrameSender, MESSAGE_BYTES_MAX } from './wire-frames.ts';
import { WIRE_VERSION, type WireRequest, writeRequest } from './wire-requests.ts';

const BEAT_MICROS = 500_000;
/** So many beats without a word from the other side, and it is gone: longer than an election takes. */
const SILENT_BEATS_MAX = 3;
const UNANSWERED_MAX = 20_000;
const IN_VAIN = 'asked in vain of another node';
/** Of requests that the stream does not take yet. */
const WAITING_BYTES_MAX: number = 256 * 1024 * 1024;

export interface Asker {
  /** True: that was the last of it. */
  take(answer: WireAnswer): boolean;
  /** `isSent`: it may have been carried out, and may yet be. */
  lost(isSent: boolean, message: string): void;
}

/** One life of the stream. */
interface Connection {
  readonly sender: FrameSender;
  readonly asked: Map<number, Asker>;
  stream: ByteStream | undefined;
  /** Something came back. */
  isHeard: boolean;
  isOver: boolean;
}

export class RemoteLink {
  readonly node: NodeId;
  private readonly runtime: Pick<Runtime, 'network' | 'time' | 'timers' | 'log'>;
  /** While a node is away, every request is one in vain. */
  private readonly warnings: LimitedLog;
  private connection: Connection | undefined = undefined;
  /** Each has the next number. */
  private lastId = 0;
  private timer: Disposable | undefined = undefined;
  private silentBeats = 0;
  /** It did not answer last time: nobody waits for it until it does. */
  private isSuspect = false;
  private isClosed = false;
  /** Transactions whose locks there last for as long as this node is heard from. */
  private readonly holding = new Map<TxnId, Set<RangeId>>();

  constructor(node: NodeId, runtime: Pick<Runtime, 'network' | 'time' | 'timers' | 'log'>) {
    this.node = node;
    this.runtime = runtime;
    this.warnings = new LimitedLog(runtime.log, runtime.time);
  }

  get unanswered(): number {
    return this.connection?.asked.size ?? 0;
  }

  /** Since the start. */
  get requests(): number {
    return this.lastId;
  }

  /** The request is written down before this returns. Answers its id, for tell(); 0 when it was lost at once. */
  ask(request: WireRequest, asker: Asker): number {
    if (this.isClosed) {
      asker.lost(false, 'the node is stopping');
      return 0;
    }
    const connection = this.connection ?? this.connect();
    const { sender, asked } = connection;
    if (this.isSuspect) {
      asker.lost(false, `node ${this.node} does not answer`);
      return 0;
    }
    if (asked.size >= UNANSWERED_MAX || sender.waitingBytes > WAITING_BYTES_MAX) {
      asker.lost(false, `too much waits for node ${this.node}`);
      return 0;
    }
    const id = ++this.lastId;
    writeRequest(sender.begin(), id, request);
    const bytes = sender.end();
    if (bytes > MESSAGE_BYTES_MAX) {
      const message = `a request of ${bytes} bytes; at most ${MESSAGE_BYTES_MAX} can travel`;
      asker.take({ kind: 'tooLarge', message });
      return 0;
    }
    asked.set(id, asker);
    this.startTimer();
    return id;
  }

  /** What is not answered; nothing when the stream is broken, which says it all. */
  tell(id: number, request: WireRequest): void {
    const { connection } = this;
    if (connection === undefined) return;
    writeRequest(connection.sender.begin(), id, request);
    connection.sender.end();
  }

  /** Nobody waits for the answer any more. */
  forget(id: number): void {
    this.connection?.asked.delete(id);
  }

  /** As the other end knows it (gateway.ts), from when it is asked until it has answered so. */
  hold(txn: TxnId, range: RangeId): void {
    const held = this.holding.get(txn);
    if (held === undefined) this.holding.set(txn, new Set([range]));
    else held.add(range);
  }

  letGo(txn: TxnId, range: RangeId): void {
    const held = this.holding.get(txn);
    if (held?.delete(range) === true && held.size === 0) this.holding.delete(txn);
  }

  letGoOfAll(txn: TxnId): void {
    this.holding.delete(txn);
  }

  close(): void {
    this.isClosed = true;
    if (this.connection !== undefined) this.break(this.connection, 'the node is stopping');
  }

  private connect(): Connection {
    const { network, timers } = this.runtime;
    const broken = (error: unknown): void => this.break(connection, String(error));
    const connection: Connection = {
      sender: new FrameSender(timers, broken),
      asked: new Map(),
      stream: undefined,
      isHeard: false,
      isOver: false,
    };
    this.connection = connection;
    this.silentBeats = 0;
    writeRequest(connection.sender.begin(), 0, { kind: 'hello', version: WIRE_VERSION });
    connection.sender.end();
    if (this.isSuspect) {
      this.tell(0, { kind: 'beat' });
      this.startTimer();
    }
    network.openStream(this.node, 'ranges').then((stream) => {
      if (connection.isOver) {
        stream.abort();
        return;
      }
      connection.stream = stream;
      connection.sender.start(stream);
      this.read(connection, stream).catch(broken);
    }, broken);
    return connection;
  }

  private async read(connection: Connection, stream: ByteStream): Promise<void> {
    const frames = new FrameReceiver((message) => this.receive(connection, message));
    for (;;) {
      const chunk = await stream.read();
      if (connection.isOver) return;
      if (chunk === undefined) throw new Error('the other side ended the stream');
      this.silentBeats = 0;
      if (!connection.isHeard) this.warnings.forget(IN_VAIN);
      connection.isHeard = true;
      this.isSuspect = false;
      frames.push(chunk);
    }
  }

  private receive({ asked }: Connection, message: Uint8Array): void {
    const { id, answer } = readAnswer(new ByteReader(message));
    const asker = asked.get(id);
    if (asker?.take(answer) === true) asked.delete(id);
  }

  private break(connection: Connection, reason: string): void {
    if (connection.isOver) return;
    connection.isOver = true;
    if (!connection.isHeard) this.isSuspect = true;
    const isSent = connection.stream !== undefined;
    connection.sender.stop();
    connection.stream?.abort();
    if (this.connection === connection) this.connection = undefined;
    this.timer?.[Symbol.dispose]();
    this.timer = undefined;
    // Its other end lets go of all that was locked through it.
    this.holding.clear();
    if (connection.asked.size > 0) {
      this.warnings.warn(IN_VAIN, IN_VAIN, {
        node: this.node,
        requests: connection.asked.size,
        reason,
      });
    }
    const message = `node ${this.node} can't be asked: ${reason}`;
    for (const asker of connection.asked.values()) asker.lost(isSent, message);
    connection.asked.clear();
  }

  private startTimer(): void {
    if (this.timer !== undefined) return;
    this.timer = this.runtime.timers.after(BEAT_MICROS, () => {
      this.timer = undefined;
      this.beat();
    });
  }

  private beat(): void {
    const { connection } = this;
    if (connection === undefined) return;
    if (connection.asked.size === 0 && this.holding.size === 0 && !this.isSuspect) {
      this.silentBeats = 0;
      return;
    }
    if (this.silentBeats >= SILENT_BEATS_MAX) {
      this.isSuspect = true;
      this.break(connection, `it has been silent for ${(SILENT_BEATS_MAX * BEAT_MICROS) / 1e6} s`);
      return;
    }
    this.silentBeats++;
    this.tell(0, { kind: 'beat' });
    this.startTimer();
  }
}

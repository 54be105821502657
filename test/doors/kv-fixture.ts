// The key-value door behind a real RPC server and a gRPC client, over a table in memory: the test decides when a write
// is answered.
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { formatAddress } from '../../src/base/address.ts';
import { compareBytes, utf8 } from '../../src/base/bytes.ts';
import { DbError } from '../../src/base/errors.ts';
import { timestamp } from '../../src/clock/timestamp.ts';
import { protoFiles } from '../../src/doors/kv/generated/descriptors.ts';
import {
  type KvDefinition as Definition,
  KvDefinition,
  StreamRequest,
  StreamResponse,
} from '../../src/doors/kv/generated/kv.ts';
import { createKvHandlers } from '../../src/doors/kv/service.ts';
import { KvStore } from '../../src/doors/kv/store.ts';
import type { CommitAnswer, RowScan, RowSlice, ScanRequest, Write } from '../../src/ranges/api.ts';
import { PackedRowWriter } from '../../src/rows/packed-rows.ts';
import type { Call } from '../../src/rpc/call.ts';
import { openChannel } from '../../src/rpc/channel.ts';
import { startCall } from '../../src/rpc/client-call.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import type { BlindWrites, Transactions } from '../../src/txn/api.ts';

const NO_BYTES = new Uint8Array(0);

/** What is committed is there at once; a timestamp is a count. */
class Table {
  readonly rows: Map<string, { key: Uint8Array; value: Uint8Array; timestamp: number }> = new Map();
  reads = 0;
  commits = 0;
  /** Commits are answered by release(). */
  isHeld = false;
  /** What is answered in place of a commit. */
  refusal: CommitAnswer | undefined;
  /** What reads throw. */
  readError: Error | undefined;
  private held: (() => void)[] = [];

  release(): void {
    this.isHeld = false;
    for (const answer of this.held.splice(0)) answer();
  }

  async writeAll(writes: readonly Write[]): Promise<CommitAnswer> {
    if (this.isHeld) await new Promise<void>((resolve) => this.held.push(resolve));
    if (this.refusal !== undefined) return this.refusal;
    const at = timestamp(++this.commits);
    for (const { key, value } of writes) {
      const name = Buffer.from(key).toString('latin1');
      if (value === undefined) this.rows.delete(name);
      else this.rows.set(name, { key, value: value.slice(), timestamp: at });
    }
    return { kind: 'committed', timestamp: at };
  }

  read(key: Uint8Array, into: RowSlice): true {
    this.reads++;
    if (this.readError !== undefined) throw this.readError;
    const row = this.rows.get(Buffer.from(key).toString('latin1'));
    into.bytes = row?.value ?? NO_BYTES;
    into.offset = 0;
    into.length = row?.value.length ?? -1;
    into.timestamp = timestamp(row?.timestamp ?? 0);
    return true;
  }

  /** A row in each batch. */
  scan({ span, reverse, limitRows }: ScanRequest): RowScan {
    if (this.readError !== undefined) throw this.readError;
    const rows = [...this.rows.values()]
      .filter(({ key }) => compareBytes(key, span.start) >= 0)
      .filter(({ key }) => span.end === undefined || compareBytes(key, span.end) < 0)
      .sort((a, b) => compareBytes(a.key, b.key));
    if (reverse) rows.reverse();
    if (limitRows > 0) rows.splice(limitRows);
    return {
      next: async () => {
        const row = rows.shift();
        if (row === undefined) return undefined;
        this.reads++;
        const packed = new PackedRowWriter();
        packed.add(row.key, 0, row.key.length, row.value, 0, row.value.length);
        return { rows: packed.take(), rowCount: 1 };
      },
      close: () => {},
    };
  }
}

export class KvRig {
  readonly table: Table = new Table();
  readonly server: RpcServer;
  leader: string | undefined;
  address = '';
  private readonly channels: Client[] = [];

  private constructor() {
    const { timers } = createNodeRuntime();
    this.server = new RpcServer({ address: { host: '127.0.0.1', port: 0 }, timers });
    const { table } = this;
    const transactions = {
      writeAll: (writes: readonly Write[]) => table.writeAll(writes),
      snapshot: () => table,
      rangeOf: () => 1,
    } as unknown as Transactions & BlindWrites;
    const handlers = createKvHandlers({
      store: new KvStore({ transactions, timers }),
      timers,
      leaderAddress: () => this.leader,
    });
    this.server.addService(KvDefinition, handlers, protoFiles);
  }

  static async start(): Promise<KvRig> {
    const rig = new KvRig();
    rig.address = formatAddress(await rig.server.listen());
    return rig;
  }

  async stop(): Promise<void> {
    this.table.release();
    for (const channel of this.channels) channel.close();
    await this.server.close();
  }

  channel(): Client {
    const channel = openChannel(this.address, undefined);
    this.channels.push(channel);
    return channel;
  }

  /** Rejects with a ServiceError. */
  call<M extends 'get' | 'put' | 'batch'>(
    method: M,
    request: RequestOf<M>,
    channel: Client = this.channel(),
    options: CallOptions = {},
  ): Promise<ResponseOf<M>> {
    const { name, requestType, responseType } = KvDefinition.methods[method];
    return new Promise((resolve, reject) => {
      channel.makeUnaryRequest(
        `/${KvDefinition.fullName}/${name}`,
        (message: RequestOf<M>) => Buffer.from(requestType.encode(message as never).finish()),
        (bytes) => responseType.decode(bytes) as ResponseOf<M>,
        request,
        options,
        (error, response) => {
          if (error === null) resolve(response as ResponseOf<M>);
          else reject(error);
        },
      );
    });
  }

  put(key: string, value: string | Uint8Array, channel?: Client): Promise<ResponseOf<'put'>> {
    const bytes = typeof value === 'string' ? utf8(value) : value;
    return this.call('put', { key: utf8(key), value: bytes }, channel);
  }

  startScan(request: RequestOf<'scan'>): ClientReadableStream<ResponseOf<'scan'>> {
    const { requestType, responseType } = KvDefinition.methods.scan;
    return this.channel().makeServerStreamRequest(
      `/${KvDefinition.fullName}/Scan`,
      (message: RequestOf<'scan'>) => Buffer.from(requestType.encode(message).finish()),
      (bytes) => responseType.decode(bytes),
      request,
    );
  }

  /** A call of our own, which can leave what comes unread: the client of gRPC takes everything in. */
  startRaw(method: 'Scan' | 'Stream'): Call {
    const path = `/${KvDefinition.fullName}/${method}`;
    return startCall(this.address, path, undefined, createNodeRuntime().timers);
  }

  startStream(): ClientDuplexStream<StreamRequest, StreamResponse> {
    return this.channel().makeBidiStreamRequest(
      `/${KvDefinition.fullName}/Stream`,
      (message: StreamRequest) => Buffer.from(StreamRequest.encode(message).finish()),
      (bytes) => StreamResponse.decode(bytes),
    );
  }
}

type MessageOf<T> = T extends { decode(bytes: never): infer M } ? M : never;
type Methods = Definition['methods'];
type RequestOf<M extends keyof Methods> = MessageOf<Methods[M]['requestType']>;
type ResponseOf<M extends keyof Methods> = MessageOf<Methods[M]['responseType']>;

export function notLeading(): DbError {
  return new DbError('57P03', 'another node leads');
}

/** STATUS, and what is said of the leader. */
export function refusalOf(error: unknown): string {
  const { code, metadata } = error as ServiceError;
  const [leader] = metadata.get('meridian-leader');
  return leader === undefined ? `${status[code]}` : `${status[code]} ${leader.toString()}`;
}

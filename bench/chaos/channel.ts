// A client's way to one node: key-value calls and what operators ask, each with a deadline. A node that is away is tried
// again soon.

import * as grpc from '@grpc/grpc-js';
import {
  GetRequest,
  GetResponse,
  type Pair,
  PutRequest,
  PutResponse,
  ScanRequest,
  ScanResponse,
} from '../../src/doors/kv/generated/kv.ts';
import type { NodeStanding } from '../../src/node/placement/node-standing.ts';
import type { ConsistencyAnswer, NodeStatus } from '../../src/node/status.ts';
import {
  CheckRequest,
  CheckResponse,
  DecommissionRequest,
  DecommissionResponse,
  NodesRequest,
  NodesResponse,
  StatusRequest,
  StatusResponse,
  TransferRequest,
  TransferResponse,
} from '../../src/rpc/generated/cluster.ts';

const KV = '/meridian.kv.v1.Kv';
const CLUSTER = '/meridian.cluster.v1.Cluster';

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

export class Channel {
  readonly #channel: grpc.Client;

  constructor(address: string) {
    this.#channel = new grpc.Client(address, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.enable_retries': 0,
    });
  }

  /** Calls reject with grpc.ServiceErrors. */
  async put(key: string, value: string, millis: number): Promise<void> {
    const request = { key: Buffer.from(key), value: Buffer.from(value) };
    await this.#call(`${KV}/Put`, PutRequest, PutResponse, request, millis);
  }

  async get(key: string, millis: number): Promise<string | undefined> {
    const request = { key: Buffer.from(key), readTimestamp: 0 };
    const { found, value } = await this.#call(
      `${KV}/Get`,
      GetRequest,
      GetResponse,
      request,
      millis,
    );
    return found ? Buffer.from(value).toString() : undefined;
  }

  /** All pairs whose keys start so. */
  scan(prefix: string, millis: number): Promise<ReadonlyMap<string, string>> {
    const start = Buffer.from(prefix);
    const end = Buffer.from(prefix);
    end[end.length - 1] = (end.at(-1) as number) + 1;
    return new Promise((resolve, reject) => {
      const found = new Map<string, string>();
      const call = this.#channel.makeServerStreamRequest(
        `${KV}/Scan`,
        (message: ScanRequest) => Buffer.from(ScanRequest.encode(message).finish()),
        (bytes: Buffer) => ScanResponse.decode(bytes),
        { start, end, limit: 0, reverse: false },
        { deadline: Date.now() + millis },
      );
      call.on('data', ({ pairs }: ScanResponse) => {
        for (const { key, value } of pairs satisfies Pair[]) {
          found.set(Buffer.from(key).toString(), Buffer.from(value).toString());
        }
      });
      call.on('error', reject);
      call.on('end', () => resolve(found));
    });
  }

  async status(millis: number): Promise<NodeStatus> {
    const { json } = await this.#call(
      `${CLUSTER}/Status`,
      StatusRequest,
      StatusResponse,
      {},
      millis,
    );
    return JSON.parse(json) as NodeStatus;
  }

  async transfer(toNodeId: number, millis: number): Promise<void> {
    const request = { toNodeId };
    await this.#call(`${CLUSTER}/Transfer`, TransferRequest, TransferResponse, request, millis);
  }

  /** All nodes, as this one knows them. */
  async nodes(millis: number): Promise<readonly NodeStanding[]> {
    const { json } = await this.#call(`${CLUSTER}/Nodes`, NodesRequest, NodesResponse, {}, millis);
    return JSON.parse(json) as readonly NodeStanding[];
  }

  async decommission(nodeId: number, millis: number): Promise<void> {
    const request = { nodeId, undo: false };
    await this.#call(
      `${CLUSTER}/Decommission`,
      DecommissionRequest,
      DecommissionResponse,
      request,
      millis,
    );
  }

  /** Of a range that the node leads. */
  async check(range: number, millis: number): Promise<ConsistencyAnswer> {
    const request = { rangeId: range };
    const { json } = await this.#call(
      `${CLUSTER}/Check`,
      CheckRequest,
      CheckResponse,
      request,
      millis,
    );
    return JSON.parse(json) as ConsistencyAnswer;
  }

  close(): void {
    this.#channel.close();
  }

  #call<Q, R>(
    path: string,
    request: Codec<Q>,
    response: Codec<R>,
    message: Q,
    millis: number,
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#channel.makeUnaryRequest(
        path,
        (asked: Q) => Buffer.from(request.encode(asked).finish()),
        (bytes: Buffer) => response.decode(bytes),
        message,
        { deadline: Date.now() + millis },
        (error, answer) => {
          if (error !== null) reject(error);
          else resolve(answer as R);
        },
      );
    });
  }
}

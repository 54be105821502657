// Calls to services of other nodes: one channel, answers as promises, each within a deadline.

import type { Client } from '@grpc/grpc-js';
import type { Timers } from '../runtime/runtime.ts';
import { openChannel } from './channel.ts';
import { RpcError, toRpcError } from './error.ts';
import {
  type AdoptRequest,
  type AdoptResponse,
  type CheckRequest,
  type CheckResponse,
  ClusterDefinition,
  type DecommissionRequest,
  type DecommissionResponse,
  type DescribeResponse,
  type DrainRequest,
  type DrainResponse,
  type InitRequest,
  type InitResponse,
  type JoinRequest,
  type JoinResponse,
  type NodesResponse,
  type StatusResponse,
  type TransferRequest,
  type TransferResponse,
} from './generated/cluster.ts';
import { type MessageType, methodDefinition, type ServiceShape } from './service.ts';
import type { TlsMaterial } from './tls.ts';

export interface ClientOptions {
  readonly timers: Timers;
  readonly tls?: TlsMaterial | undefined;
  /** After it a call fails with DEADLINE_EXCEEDED. */
  readonly timeoutMicros?: number;
}

const DEFAULT_TIMEOUT_MICROS = 5_000_000;

/** Calls reject with RpcErrors. */
export interface ClusterClient {
  describe(): Promise<DescribeResponse>;
  adopt(request: AdoptRequest): Promise<AdoptResponse>;
  init(request: InitRequest): Promise<InitResponse>;
  status(): Promise<StatusResponse>;
  transfer(request: TransferRequest): Promise<TransferResponse>;
  check(request: CheckRequest): Promise<CheckResponse>;
  join(request: JoinRequest): Promise<JoinResponse>;
  nodes(): Promise<NodesResponse>;
  drain(request: DrainRequest): Promise<DrainResponse>;
  decommission(request: DecommissionRequest): Promise<DecommissionResponse>;
  close(): void;
}

export function clusterClient(address: string, options: ClientOptions): ClusterClient {
  const client = new UnaryClient(address, options);
  const { methods } = ClusterDefinition;
  return {
    describe: () => client.call(ClusterDefinition, methods.describe, {}),
    adopt: (request) => client.call(ClusterDefinition, methods.adopt, request),
    init: (request) => client.call(ClusterDefinition, methods.init, request),
    status: () => client.call(ClusterDefinition, methods.status, {}),
    transfer: (request) => client.call(ClusterDefinition, methods.transfer, request),
    check: (request) => client.call(ClusterDefinition, methods.check, request),
    join: (request) => client.call(ClusterDefinition, methods.join, request),
    nodes: () => client.call(ClusterDefinition, methods.nodes, {}),
    drain: (request) => client.call(ClusterDefinition, methods.drain, request),
    decommission: (request) => client.call(ClusterDefinition, methods.decommission, request),
    close: () => client.close(),
  };
}

interface UnaryMethod<Q, R> {
  readonly name: string;
  readonly requestType: MessageType<Q>;
  readonly requestStream: false;
  readonly responseType: MessageType<R>;
  readonly responseStream: false;
}

class UnaryClient {
  readonly #address: string;
  readonly #options: ClientOptions;
  readonly #channel: Client;

  constructor(address: string, options: ClientOptions) {
    this.#address = address;
    this.#options = options;
    this.#channel = openChannel(address, options.tls);
  }

  call<Q, R>(service: ServiceShape, method: UnaryMethod<Q, R>, request: Q): Promise<R> {
    const { path, requestSerialize, responseDeserialize } = methodDefinition(
      service,
      method,
      method.requestType,
      method.responseType,
    );
    const { timers, timeoutMicros = DEFAULT_TIMEOUT_MICROS } = this.#options;
    return new Promise((resolve, reject) => {
      let isLate = false;
      const call = this.#channel.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        (error, response) => {
          deadline[Symbol.dispose]();
          if (isLate) {
            reject(new RpcError('DEADLINE_EXCEEDED', `${this.#address}: no answer in time`));
          } else if (error !== null) {
            reject(toRpcError(error, this.#address));
          } else if (response === undefined) {
            reject(new RpcError('INTERNAL', `${this.#address}: neither an answer nor an error`));
          } else {
            resolve(response);
          }
        },
      );
      const deadline = timers.after(timeoutMicros, () => {
        isLate = true;
        call.cancel();
      });
    });
  }

  close(): void {
    this.#channel.close();
  }
}

// Another node, as this one sees it: the one stream to it, whoever dialled it, and what is said about it in the log.

import type { NodeId, Runtime } from '../runtime/runtime.ts';
import type { Call, Ending } from './call.ts';
import { Dialler } from './dialler.ts';
import { encodeEnvelope } from './frame-queue.ts';
import { helloTo, type NodeCard, type Refusal } from './hello.ts';
import type { LimitedLog } from './limited-log.ts';
import { Link } from './link.ts';
import type { TlsMaterial } from './tls.ts';

export interface PeerContext {
  readonly runtime: Pick<Runtime, 'timers' | 'random' | 'log'>;
  readonly limitedLog: LimitedLog;
  readonly self: NodeCard;
  readonly tls: TlsMaterial | undefined;
  /** Of the method that is called. */
  readonly path: string;
  readonly bufferBytesMax: number;
  deliver(from: NodeId, frame: Uint8Array): void;
}

export interface PeerStatus {
  readonly nodeId: NodeId;
  readonly address: string;
  /** Who it said that it is; undefined while there is no stream to it. */
  readonly connected: NodeCard | undefined;
  /** Frames that were dropped: no stream, or too many waiting. */
  readonly framesDropped: number;
}

interface Connection {
  readonly call: Call;
  readonly link: Link;
  readonly card: NodeCard;
}

export class Peer {
  readonly nodeId: NodeId;
  readonly address: string;
  readonly #context: PeerContext;
  /** The lower id dials. */
  readonly #dialler: Dialler | undefined;
  #connection: Connection | undefined;
  #framesDropped = 0;

  constructor(context: PeerContext, nodeId: NodeId, address: string) {
    this.#context = context;
    this.nodeId = nodeId;
    this.address = address;
    if (nodeId > context.self.nodeId) this.#dialler = this.#createDialler();
  }

  start(): void {
    this.#dialler?.start();
  }

  hurry(): void {
    this.#dialler?.hurry();
  }

  stop(): void {
    const connection = this.#connection;
    // It isn't lost: nothing is said.
    this.#connection = undefined;
    this.#dialler?.stop();
    connection?.call.fail({
      status: 'UNAVAILABLE',
      reason: 'the other node stops, or knows this one no more',
    });
  }

  status(): PeerStatus {
    return {
      nodeId: this.nodeId,
      address: this.address,
      connected: this.#connection?.card,
      framesDropped: this.#framesDropped,
    };
  }

  send(frame: Uint8Array): void {
    const connection = this.#connection;
    // What waited for a stream would be old when it came: Raft says it anew.
    if (connection === undefined) {
      this.#framesDropped += 1;
    } else if (!connection.link.send(frame)) {
      this.#framesDropped += 1;
      this.#context.limitedLog.warn(
        `full ${this.nodeId}`,
        `node ${this.nodeId} takes frames more slowly than there are new ones: some are dropped`,
        { node: this.nodeId, frameBytes: frame.length, waiting: connection.link.waiting },
      );
    }
  }

  /** It dialled us, and is welcome. */
  accept(call: Call, card: NodeCard): (message: Buffer) => void {
    const older = this.#connection;
    const take = this.#open(call, card);
    call.onEnd(() => call.end());
    call.onOver((ending) => this.#over(call, ending));
    call.write(encodeEnvelope({ hello: helloTo(this.nodeId, this.#context.self) }), () => {});
    // Either it lost the older one before we did, or two processes believe to be this node.
    older?.call.fail({ status: 'ABORTED', reason: 'a newer stream took its place' });
    return take;
  }

  #createDialler(): Dialler {
    const { runtime, self, tls, path } = this.#context;
    return new Dialler({
      runtime,
      self,
      nodeId: this.nodeId,
      address: this.address,
      tls,
      path,
      opened: (call, card) => this.#open(call, card),
      lost: (ending) => {
        if (this.#connection !== undefined) this.#over(this.#connection.call, ending);
      },
      failed: (refusal, byUs) => this.#failed(refusal, byUs),
    });
  }

  #open(call: Call, card: NodeCard): (message: Buffer) => void {
    const { runtime, limitedLog, bufferBytesMax } = this.#context;
    const { nodeId } = this;
    const link = new Link(call, {
      timers: runtime.timers,
      bufferBytesMax,
      deliver: (frame) => this.#context.deliver(nodeId, frame),
      refused: (reason) => {
        limitedLog.warn(`refuses ${nodeId}`, `node ${nodeId} refuses this node: ${reason}`, {
          node: nodeId,
          address: this.address,
        });
        call.end();
      },
    });
    this.#connection = { call, link, card };
    limitedLog.forget(`fails ${nodeId}`);
    runtime.log.info(`connected to node ${nodeId}`, {
      node: nodeId,
      address: card.addresses.rpc,
      boot: card.bootId,
    });
    return (message) => {
      // Nothing more is taken from a stream whose place a newer one took.
      if (this.#connection?.call === call) link.take(message);
    };
  }

  #over(call: Call, ending: Ending): void {
    if (this.#connection?.call !== call) return;
    this.#connection = undefined;
    this.#context.runtime.log.warn(`lost the connection to node ${this.nodeId}: ${ending.reason}`, {
      node: this.nodeId,
      status: ending.status,
    });
  }

  #failed({ status, reason }: Refusal, byUs: boolean): void {
    const { nodeId, address } = this;
    let kind = `fails ${nodeId}`;
    let message = `node ${nodeId} can't be reached at ${address}: ${reason}`;
    if (byUs) {
      kind = `answers ${nodeId} ${status}`;
      message = `who answers at ${address} is refused as node ${nodeId}: ${reason}`;
    } else if (isRefusal(status)) {
      kind = `refused by ${nodeId} ${status}`;
      message = `node ${nodeId} at ${address} refuses this node: ${reason}`;
    }
    this.#context.limitedLog.warn(kind, message, { node: nodeId, address, status });
  }
}

function isRefusal(status: Refusal['status']): boolean {
  return (
    status === 'FAILED_PRECONDITION' ||
    status === 'UNAUTHENTICATED' ||
    status === 'INVALID_ARGUMENT'
  );
}

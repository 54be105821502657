// The network of a node in a cluster, over gRPC. One stream for each pair of nodes carries the frames of both; the lower
// id dials it. Bulk data has streams of its own. Everybody says who they are first, and is refused when that is wrong.
//
// This room may know base and runtime: it carries bytes, and decides nothing about who leads or who is dead.

import type { Client } from '@grpc/grpc-js';
import type { ByteStream, Network, NodeId, Runtime } from '../runtime/runtime.ts';
import type { Call } from './call.ts';
import { openChannel } from './channel.ts';
import { RpcError } from './error.ts';
import { protoFiles } from './generated/descriptors.ts';
import { Envelope, Hello, PeerDefinition } from './generated/peer.ts';
import {
  cardOf,
  type Expectation,
  helloTo,
  type NodeCard,
  type Refusal,
  refusalOf,
} from './hello.ts';
import { LimitedLog } from './limited-log.ts';
import { Peer, type PeerContext, type PeerStatus } from './peer.ts';
import { acceptPeerStream, openPeerStream, type StreamContext } from './peer-streams.ts';
import type { RpcServer } from './server.ts';
import { type Handlers, methodDefinition, pathOf, RawHandler, unary } from './service.ts';
import type { TlsMaterial } from './tls.ts';

const HANDSHAKE_MICROS_MAX = 5_000_000;
const DEFAULT_BUFFER_BYTES_MAX: number = 16 * 1024 * 1024;

const STOPPING: Refusal = { status: 'UNAVAILABLE', reason: 'this node stops' };

const { methods } = PeerDefinition;
const knockMethod = methodDefinition(PeerDefinition, methods.knock, Hello, Hello);

export interface PeerAddress {
  readonly nodeId: NodeId;
  /** HOST:PORT */
  readonly rpc: string;
}

export interface GrpcNetworkOptions {
  readonly runtime: Pick<Runtime, 'time' | 'timers' | 'random' | 'log'>;
  readonly self: NodeCard;
  /** Those that this node knows from the start; it may be one of them. */
  readonly peers: readonly PeerAddress[];
  readonly tls?: TlsMaterial | undefined;
  /** A peer has started, and says where it is now: perhaps elsewhere than it was. */
  readonly onKnock?: (card: NodeCard) => void;
  /** Of frames that wait for one peer; new ones beyond it are dropped. */
  readonly bufferBytesMax?: number;
}

export class GrpcNetwork implements Network {
  readonly #runtime: GrpcNetworkOptions['runtime'];
  readonly #self: NodeCard;
  readonly #tls: TlsMaterial | undefined;
  readonly #onKnock: (card: NodeCard) => void;
  readonly #limitedLog: LimitedLog;
  readonly #peerContext: PeerContext;
  readonly #streamContext: StreamContext;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #openCalls = new Set<Call>();
  #state: 'new' | 'started' | 'closed' = 'new';
  #onFrame: (from: NodeId, frame: Uint8Array) => void = () => {};
  #onStream: ((from: NodeId, purpose: string, stream: ByteStream) => void) | undefined;

  constructor(options: GrpcNetworkOptions) {
    const { runtime, self, tls } = options;
    this.#runtime = runtime;
    this.#self = self;
    this.#tls = tls;
    this.#onKnock = options.onKnock ?? (() => {});
    this.#limitedLog = new LimitedLog(runtime.log, runtime.time);
    this.#peerContext = {
      runtime,
      limitedLog: this.#limitedLog,
      self,
      tls,
      path: pathOf(PeerDefinition, methods.connect),
      bufferBytesMax: options.bufferBytesMax ?? DEFAULT_BUFFER_BYTES_MAX,
      deliver: (from, frame) => this.#onFrame(from, frame),
    };
    this.#streamContext = {
      timers: runtime.timers,
      self,
      tls,
      path: pathOf(PeerDefinition, methods.open),
      refused: (refusal, nodeId, where) => this.#logRefused(refusal, nodeId, where),
    };
    this.setPeers(options.peers);
  }

  /** Peers that dial this node come in through the server. */
  register(server: RpcServer): void {
    const handlers: Handlers<typeof PeerDefinition> = {
      connect: new RawHandler((call) => this.#accept(call)),
      open: new RawHandler((call) => {
        acceptPeerStream(this.#streamContext, this.#openCalls, call, this.#onStream);
      }),
      knock: unary((hello: Hello, call) => {
        const certificate = { shown: call.certificate() };
        const refusal = this.#judge(hello, certificate, call.peer());
        if (refusal !== undefined) throw new RpcError(refusal.status, refusal.reason);
        this.#onKnock(cardOf(hello));
        this.#peers.get(hello.nodeId)?.hurry();
        return helloTo(hello.nodeId, this.#self);
      }),
    };
    server.addService(PeerDefinition, handlers, protoFiles);
  }

  /** Dials, and goes on dialling, every peer with a higher id; asks the others to dial. */
  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'started';
    for (const peer of this.#peers.values()) this.#startPeer(peer);
  }

  /** The members that are known now; streams to those that are gone end. */
  setPeers(addresses: readonly PeerAddress[]): void {
    const wanted = new Map(addresses.map(({ nodeId, rpc }) => [nodeId, rpc]));
    wanted.delete(this.#self.nodeId);
    for (const [nodeId, peer] of this.#peers) {
      if (wanted.get(nodeId) === peer.address) continue;
      peer.stop();
      this.#peers.delete(nodeId);
    }
    for (const [nodeId, address] of wanted) {
      if (this.#peers.has(nodeId)) continue;
      const peer = new Peer(this.#peerContext, nodeId, address);
      this.#peers.set(nodeId, peer);
      if (this.#state === 'started') this.#startPeer(peer);
    }
  }

  /** By node id. */
  peers(): readonly PeerStatus[] {
    const all = [...this.#peers.values()].map((peer) => peer.status());
    return all.sort((a, b) => a.nodeId - b.nodeId);
  }

  close(): void {
    this.#state = 'closed';
    for (const peer of this.#peers.values()) peer.stop();
    for (const call of this.#openCalls) call.fail(STOPPING);
  }

  send(to: NodeId, frame: Uint8Array): void {
    if (to === this.#self.nodeId) {
      this.#runtime.timers.soon(() => this.#onFrame(to, frame));
    } else {
      this.#peers.get(to)?.send(frame);
    }
  }

  onFrame(handler: (from: NodeId, frame: Uint8Array) => void): void {
    this.#onFrame = handler;
  }

  openStream(to: NodeId, purpose: string): Promise<ByteStream> {
    const isSelf = to === this.#self.nodeId;
    const address = isSelf ? this.#self.addresses.rpc : this.#peers.get(to)?.address;
    if (address === undefined) {
      return Promise.reject(new RpcError('NOT_FOUND', `node ${to} is no member that is known`));
    }
    if (this.#state === 'closed')
      return Promise.reject(new RpcError('UNAVAILABLE', STOPPING.reason));
    return openPeerStream(this.#streamContext, this.#openCalls, to, address, purpose);
  }

  onStream(handler: (from: NodeId, purpose: string, stream: ByteStream) => void): void {
    this.#onStream = handler;
  }

  #startPeer(peer: Peer): void {
    peer.start();
    if (peer.nodeId < this.#self.nodeId) this.#knock(peer);
  }

  /** The peer may be waiting for seconds before it dials again. When it isn't there, nothing is lost. */
  #knock(peer: Peer): void {
    let channel: Client;
    try {
      channel = openChannel(peer.address, this.#tls);
    } catch {
      // It will be said by whoever dials.
      return;
    }
    const { path, requestSerialize, responseDeserialize } = knockMethod;
    const hello = helloTo(peer.nodeId, this.#self);
    const call = channel.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      hello,
      () => {
        timer[Symbol.dispose]();
        channel.close();
      },
    );
    const timer = this.#runtime.timers.after(HANDSHAKE_MICROS_MAX, () => call.cancel());
  }

  #accept(call: Call): void {
    const timer = this.#runtime.timers.after(HANDSHAKE_MICROS_MAX, () => {
      call.fail({ status: 'DEADLINE_EXCEEDED', reason: 'it does not say who it is' });
    });
    let take = (message: Buffer): void => {
      timer[Symbol.dispose]();
      take = this.#shakeHands(call, message);
    };
    call.onMessage((message) => take(message));
    call.onOver(() => timer[Symbol.dispose]());
  }

  #shakeHands(call: Call, message: Buffer): (message: Buffer) => void {
    const hello = helloOf(message);
    const refusal = this.#judge(hello, { shown: call.certificate() }, call.peer());
    if (hello === undefined || refusal !== undefined) {
      call.fail(refusal ?? STOPPING);
      return () => {};
    }
    const known = this.#peers.get(hello.nodeId);
    if (known === undefined || hello.nodeId > this.#self.nodeId) {
      call.fail({
        status: 'FAILED_PRECONDITION',
        reason: `node ${this.#self.nodeId} knows no node ${hello.nodeId} that may dial it`,
      });
      return () => {};
    }
    return known.accept(call, cardOf(hello));
  }

  #judge(
    hello: Hello | undefined,
    certificate: Expectation['certificate'],
    where: string,
  ): Refusal | undefined {
    if (this.#state === 'closed') return STOPPING;
    const refusal = refusalOf(hello, this.#self, {
      nodeId: undefined,
      certificate: this.#tls === undefined ? undefined : certificate,
    });
    if (refusal !== undefined) this.#logRefused(refusal, hello?.nodeId ?? 0, where);
    return refusal;
  }

  #logRefused({ status, reason }: Refusal, nodeId: NodeId, where: string): void {
    this.#limitedLog.warn(
      `refused ${nodeId} ${status}`,
      `who speaks from ${where} as node ${nodeId} is refused: ${reason}`,
      { node: nodeId, address: where, status },
    );
  }
}

function helloOf(message: Buffer): Hello | undefined {
  try {
    return Envelope.decode(message).hello;
  } catch {
    return undefined;
  }
}

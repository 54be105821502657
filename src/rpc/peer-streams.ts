// Streams of bulk data between nodes: each a call on a connection of its own. Who opens one is gRPC's client, whose
// flow-control window is ours to set; a server's is not, so large data is pulled by who wants it.

import type { ByteStream, NodeId, Timers } from '../runtime/runtime.ts';
import { CallStream, encodeStreamMessage } from './byte-stream.ts';
import type { Call, Ending } from './call.ts';
import { startCall } from './client-call.ts';
import { RpcError } from './error.ts';
import { StreamMessage } from './generated/peer.ts';
import { helloTo, type NodeCard, type Refusal, refusalOf } from './hello.ts';
import type { TlsMaterial } from './tls.ts';

const HANDSHAKE_MICROS_MAX = 5_000_000;

export interface StreamContext {
  readonly timers: Timers;
  readonly self: NodeCard;
  readonly tls: TlsMaterial | undefined;
  /** Of the method that is called. */
  readonly path: string;
  /** We found the other side wrong. */
  refused(refusal: Refusal, nodeId: NodeId, where: string): void;
}

/** The calls that are open, so that a node that stops breaks them. */
export type OpenCalls = Set<Call>;

export function openPeerStream(
  context: StreamContext,
  open: OpenCalls,
  nodeId: NodeId,
  address: string,
  purpose: string,
): Promise<ByteStream> {
  const { timers, self, tls, path } = context;
  return new Promise((resolve, reject) => {
    const call = startCall(address, path, tls, timers);
    const stream = new CallStream(call, false);
    open.add(call);
    const handshake = timers.after(HANDSHAKE_MICROS_MAX, () => {
      call.fail({ status: 'DEADLINE_EXCEEDED', reason: 'it does not answer' });
    });

    const shakeHands = (message: Buffer): void => {
      handshake[Symbol.dispose]();
      take = (next) => stream.take(next);
      const certificate = tls === undefined ? undefined : { shown: call.certificate() };
      const refusal = refusalOf(decode(message)?.hello, self, { nodeId, certificate });
      if (refusal === undefined) {
        resolve(stream);
        return;
      }
      context.refused(refusal, nodeId, address);
      call.fail(refusal);
    };
    let take = shakeHands;
    call.onMessage((message) => take(message));
    call.onOver((ending: Ending) => {
      handshake[Symbol.dispose]();
      open.delete(call);
      stream.over(ending);
      // Nothing when it was resolved before.
      reject(
        new RpcError(ending.status, `no stream to node ${nodeId} at ${address}: ${ending.reason}`),
      );
    });
    call.write(encodeStreamMessage({ hello: helloTo(nodeId, self), purpose }), () => {});
  });
}

export function acceptPeerStream(
  context: StreamContext,
  open: OpenCalls,
  call: Call,
  accepted: ((from: NodeId, purpose: string, stream: ByteStream) => void) | undefined,
): void {
  const { timers, self, tls } = context;
  const stream = new CallStream(call, true);
  open.add(call);
  const handshake = timers.after(HANDSHAKE_MICROS_MAX, () => {
    call.fail({ status: 'DEADLINE_EXCEEDED', reason: 'it does not say who it is' });
  });

  const shakeHands = (encoded: Buffer): void => {
    handshake[Symbol.dispose]();
    take = (next) => stream.take(next);
    const message = decode(encoded);
    const certificate = tls === undefined ? undefined : { shown: call.certificate() };
    const refusal = refusalOf(message?.hello, self, { nodeId: undefined, certificate });
    const from = message?.hello?.nodeId ?? 0;
    if (refusal !== undefined) {
      context.refused(refusal, from, call.peer());
      call.fail(refusal);
    } else if (accepted === undefined) {
      call.fail({ status: 'UNAVAILABLE', reason: `node ${self.nodeId} takes no streams yet` });
    } else {
      call.write(encodeStreamMessage({ hello: helloTo(from, self) }), () => {});
      accepted(from, message?.purpose ?? '', stream);
    }
  };
  let take = shakeHands;
  call.onMessage((message) => take(message));
  call.onOver((ending) => {
    handshake[Symbol.dispose]();
    open.delete(call);
    stream.over(ending);
  });
}

/** Undefined when it makes no sense. */
function decode(message: Buffer): StreamMessage | undefined {
  try {
    return StreamMessage.decode(message);
  } catch {
    return undefined;
  }
}

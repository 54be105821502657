// The network of a node that is alone: frames to itself arrive, there is nobody else. rpc brings the real one.

import { unsupported } from '../../base/errors.ts';
import type { ByteStream, Network, NodeId, Timers } from '../runtime.ts';

export function createLoneNetwork(self: NodeId, timers: Timers): Network {
  let handler: (from: NodeId, frame: Uint8Array) => void = () => {};
  return {
    send(to, frame) {
      if (to === self) timers.soon(() => handler(self, frame));
    },
    onFrame(onFrame) {
      handler = onFrame;
    },
    openStream(to): Promise<ByteStream> {
      return Promise.reject(unsupported(`a stream to node ${to}: a network of one node`));
    },
    onStream() {
      // Nobody opens any.
    },
  };
}

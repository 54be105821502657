// Schema leases between two nodes: a stream `schema`, which the gateway opens to the home's node. One message a chunk,
// after a hello.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { ByteStream, NodeId } from '../../runtime/runtime.ts';
import type { SchemaHome } from '../../sql/catalog/schema-home.ts';
import type { HomeLink, HomeLinkEvents } from '../../sql/catalog/schema-links.ts';
import {
  decodeHello,
  decodeToGateway,
  decodeToHome,
  encodeHello,
  encodeToGateway,
  encodeToHome,
} from '../../sql/catalog/schema-messages.ts';

export const SCHEMA_PURPOSE = 'schema';
/** First byte of the one message of a node that has no home: u53 the node that leads it, 0 for unknown. */
const ELSEWHERE = 255;
/** Messages that may wait for the network; beyond it the other side is as good as gone. */
const WAITING_MAX = 1000;

/** One direction; what does not fit any more breaks the stream. */
class Outgoing {
  readonly #stream: ByteStream;
  readonly #broken: (reason: string) => void;
  #waiting = 0;

  constructor(stream: ByteStream, broken: (reason: string) => void) {
    this.#stream = stream;
    this.#broken = broken;
  }

  send(message: Uint8Array): void {
    if (this.#waiting === WAITING_MAX) {
      this.#broken('the other side takes nothing');
      return;
    }
    this.#waiting++;
    this.#stream.write(message).then(
      () => {
        this.#waiting--;
      },
      (error: unknown) => this.#broken(String(error)),
    );
  }
}

/** The gateway's end. `elsewhere`: the home is not there, but perhaps on the node that is given. */
export function linkByStream(
  stream: ByteStream,
  incarnation: number,
  events: HomeLinkEvents,
  elsewhere: (node: NodeId | undefined) => void,
): HomeLink {
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
    stream.abort();
  };
  const broken = (reason: string): void => {
    if (!isOpen) return;
    close();
    events.broken(reason);
  };
  const outgoing = new Outgoing(stream, broken);
  outgoing.send(encodeHello(incarnation));
  readAll(stream, (chunk) => {
    if (!isOpen) return;
    if (chunk[0] === ELSEWHERE) elsewhere(new ByteReader(chunk, 1).u53() || undefined);
    else events.message(decodeToGateway(chunk));
  }).then(
    () => {
      if (isOpen) stream.end();
      broken('the home ended it');
    },
    (error: unknown) => broken(String(error)),
  );
  return {
    isLocal: false,
    send: (message) => {
      if (isOpen) outgoing.send(encodeToHome(message));
    },
    close,
  };
}

/** Of a node that has no home: who may have it. */
export async function pointElsewhere(
  stream: ByteStream,
  leader: NodeId | undefined,
): Promise<void> {
  const out = new ByteWriter(8);
  out.u8(ELSEWHERE);
  out.u53(leader ?? 0);
  await stream.write(out.take());
  stream.end();
  while ((await stream.read()) !== undefined);
}

/** The home's end, until the stream is over. */
export async function serveGateway(
  home: SchemaHome,
  node: number,
  stream: ByteStream,
): Promise<void> {
  const hello = await stream.read();
  if (hello === undefined) {
    stream.end();
    return;
  }
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    stream.abort();
  };
  const broken = (): void => {
    close();
    events.broken();
  };
  const outgoing = new Outgoing(stream, broken);
  const events = home.attach(node, decodeHello(hello), {
    isLocal: false,
    send: (message) => {
      if (isOpen) outgoing.send(encodeToGateway(message));
    },
    close,
  });
  try {
    await readAll(stream, (chunk) => {
      if (isOpen) events.message(decodeToHome(chunk));
    });
  } finally {
    broken();
  }
}

async function readAll(stream: ByteStream, take: (chunk: Uint8Array) => void): Promise<void> {
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
    take(chunk);
  }
}

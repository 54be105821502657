// The network between the nodes: a TCP proxy for each ordered pair of them, so that a link can be cut both ways or one
// way. A link that stalls carries nothing on, and nobody is told, like a network that loses everything; one that resets
// breaks its connections and refuses new ones, like a host that is gone.

import { createServer, type Server, Socket } from 'node:net';

export type CutKind = 'stall' | 'reset';

/** What goes from one node to another, whoever of them dialled. */
class Lane {
  readonly from: number;
  readonly to: number;
  bytes = 0;
  /** Cuts may overlap. */
  stalls = 0;
  readonly waiting = new Set<() => void>();

  constructor(from: number, to: number) {
    this.from = from;
    this.to = to;
  }

  get isOpen(): boolean {
    return this.stalls === 0;
  }
}

/** Two nodes' link. */
interface Link {
  readonly lanes: readonly [Lane, Lane];
  readonly sockets: Set<Socket>;
  resets: number;
}

export class Links {
  readonly #links: Link[] = [];
  /** Where nodes listen. */
  readonly #ports: number[] = [];
  /** By dialling node: proxies' ports by the ports of the nodes. */
  readonly #routes = new Map<number, Record<string, number>>();
  readonly #servers: Server[] = [];

  /** `addresses` of the nodes, in the order of their ids. */
  static async open(addresses: readonly string[]): Promise<Links> {
    const links = new Links();
    for (const address of addresses) await links.add(address);
    return links;
  }

  /** One more node: it has the next id. */
  async add(address: string): Promise<void> {
    this.#ports.push(Number(address.split(':')[1]));
    const added = this.#ports.length;
    this.#routes.set(added, {});
    for (let other = 1; other < added; other++) {
      const link: Link = {
        lanes: [new Lane(other, added), new Lane(added, other)],
        sockets: new Set(),
        resets: 0,
      };
      this.#links.push(link);
      await this.#listen(link, other, added, this.#ports[added - 1] as number);
      await this.#listen(link, added, other, this.#ports[other - 1] as number);
    }
  }

  routesOf(node: number): Readonly<Record<string, number>> {
    return this.#routes.get(node) ?? {};
  }

  bytes(from: number, to: number): number {
    return this.#lane(from, to).bytes;
  }

  /** Something is on the way, and stays there. */
  isHolding(from: number, to: number): boolean {
    return this.#lane(from, to).waiting.size > 0;
  }

  isOpen(from: number, to: number): boolean {
    return this.#lane(from, to).isOpen && this.#link(from, to).resets === 0;
  }

  /** What goes from one node to another stays on the way. Returns how it is healed. */
  stall(from: number, to: number): () => void {
    const lane = this.#lane(from, to);
    lane.stalls += 1;
    return once(() => {
      lane.stalls -= 1;
      if (!lane.isOpen) return;
      const waiting = [...lane.waiting];
      lane.waiting.clear();
      for (const go of waiting) go();
    });
  }

  /** Both ways. Returns how it is healed. */
  cut(a: number, b: number, kind: CutKind): () => void {
    if (kind === 'stall') {
      const heals = [this.stall(a, b), this.stall(b, a)];
      return () => {
        for (const heal of heals) heal();
      };
    }
    const link = this.#link(a, b);
    link.resets += 1;
    for (const socket of link.sockets) socket.resetAndDestroy();
    return once(() => {
      link.resets -= 1;
    });
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const { sockets } of this.#links) for (const socket of sockets) socket.destroy();
  }

  async #listen(link: Link, dialler: number, target: number, port: number): Promise<void> {
    // The dialler's half may end before the other one's, also when the latter stalls.
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
      if (link.resets > 0) {
        near.resetAndDestroy();
        return;
      }
      const far = new Socket({ allowHalfOpen: true });
      far.connect(port, '127.0.0.1');
      this.#pump(link, this.#lane(dialler, target), near, far);
      this.#pump(link, this.#lane(target, dialler), far, near);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    this.#servers.push(server);
    const routes = this.#routes.get(dialler) as Record<string, number>;
    routes[String(port)] = (server.address() as { port: number }).port;
  }

  #pump(link: Link, lane: Lane, source: Socket, sink: Socket): void {
    link.sockets.add(source);
    /** At once, or when the lane is open again. */
    const whenOpen = (act: () => void): void => {
      if (lane.isOpen) {
        act();
        return;
      }
      source.pause();
      lane.waiting.add(() => whenOpen(act));
    };
    source.on('data', (chunk: Buffer) => {
      whenOpen(() => {
        lane.bytes += chunk.length;
        if (sink.write(chunk)) source.resume();
        else source.pause();
      });
    });
    sink.on('drain', () => {
      if (lane.isOpen) source.resume();
      else lane.waiting.add(() => source.resume());
    });
    source.on('end', () => whenOpen(() => sink.end()));
    // It is told by 'close'.
    source.on('error', () => {});
    source.on('close', (hadError) => {
      link.sockets.delete(source);
      whenOpen(() => (hadError ? sink.resetAndDestroy() : sink.end()));
    });
    source.resume();
  }

  #link(a: number, b: number): Link {
    return this.#links.find(
      ({ lanes: [one] }) => one.from === Math.min(a, b) && one.to === Math.max(a, b),
    ) as Link;
  }

  #lane(from: number, to: number): Lane {
    const [one, other] = this.#link(from, to).lanes;
    return one.from === from ? one : other;
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    act();
  };
}

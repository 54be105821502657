// The schema's home, while this node leads the catalog's first key, and the way to it for this node's own gateway:
// direct when it is here, else by a stream to the node that leads.

import { DbError } from '../../base/errors.ts';
import type { NodeId, Runtime } from '../../runtime/runtime.ts';
import { linkLocally } from '../../sql/catalog/local-link.ts';
import { SchemaHome } from '../../sql/catalog/schema-home.ts';
import type { HomeLink, HomeLinkEvents, SchemaHomes } from '../../sql/catalog/schema-links.ts';
import type { Transactions } from '../../txn/api.ts';
import type { Streams } from '../streams.ts';
import { linkByStream, pointElsewhere, SCHEMA_PURPOSE, serveGateway } from './schema-streams.ts';

export interface SchemaServingParts {
  readonly nodeId: NodeId;
  readonly runtime: Runtime;
  readonly streams: Streams;
  /** The catalog's own: nothing fences them. */
  readonly transactions: Transactions;
  /** Whether this node leads the catalog's first key at this moment, by its lease (P1). */
  readonly leads: () => boolean;
  /** Who does, as far as this node knows; it may be wrong. */
  readonly leader: () => NodeId | undefined;
  /** All nodes, to ask one after the other when it does not know. */
  readonly others: () => readonly NodeId[];
  readonly onFailure: (error: unknown) => void;
}

export class SchemaServing implements SchemaHomes {
  readonly #parts: SchemaServingParts;
  #home: SchemaHome | undefined;
  /** What the last node that was asked said. */
  #hint: NodeId | undefined;
  #asked = 0;
  /** Has been asked, and has not said a word yet. */
  #silent: NodeId | undefined;

  constructor(parts: SchemaServingParts) {
    this.#parts = parts;
    parts.streams.register(SCHEMA_PURPOSE, async (from, stream) => {
      const home = this.#home;
      if (home === undefined) await pointElsewhere(stream, parts.leader());
      else await serveGateway(home, from, stream);
    });
  }

  /** This node begins to lead the catalog's first key. */
  begin(): void {
    this.cease('it began anew');
    const { runtime, transactions, leads, onFailure } = this.#parts;
    const { time, timers, random, log } = runtime;
    this.#home = new SchemaHome({ transactions, time, timers, random, log, leads, onFailure });
  }

  cease(reason: string): void {
    const home = this.#home;
    this.#home = undefined;
    home?.stop(reason);
  }

  /** These were decommissioned. */
  departed(nodes: readonly NodeId[]): void {
    this.#home?.departed(nodes);
  }

  async open(incarnation: number, events: HomeLinkEvents): Promise<HomeLink> {
    const { nodeId, runtime } = this.#parts;
    if (this.#home !== undefined) return linkLocally(this.#home, nodeId, incarnation, events);
    const node = this.#whomToAsk();
    this.#hint = undefined;
    if (node === undefined) throw new DbError('57P03', 'it is not known who leads the schema');
    this.#silent = node;
    const stream = await runtime.network.openStream(node, SCHEMA_PURPOSE).finally(() => {
      if (this.#silent === node) this.#silent = undefined;
    });
    return linkByStream(stream, incarnation, events, (elsewhere) => {
      this.#hint = elsewhere;
    });
  }

  #whomToAsk(): NodeId | undefined {
    const { nodeId, leader, others } = this.#parts;
    const known = [this.#hint, leader()].find(
      (node) => node !== undefined && node !== nodeId && node !== this.#silent,
    );
    if (known !== undefined) return known;
    // Who stands still may lead on for all that is known; the others hear first of who comes after it.
    const nodes = others().filter((node) => node !== nodeId && node !== this.#silent);
    return nodes[this.#asked++ % Math.max(1, nodes.length)] ?? this.#silent;
  }
}

// The schema's home: one node, the one that leads the catalog's first key, gives every node that serves SQL (a gateway)
// a lease on the schema and lets one change of a table at a time through. What must hold:
//
// - A change has its table alone: before exclusive() is granted, every gateway that may still use what it knew of the
//   table has said that nobody does there any more, or its lease has ended. Ends are reckoned like those of Raft's leases
//   (P1): by the gateway from when it asked, by the home from when it answered.
// - A gateway puts a change in place before the table's mark is lifted there.
// - No change that another home let in commits once this one is ready (schema-stint.ts); leases that another home gave
//   have ended when a lease has passed since this one began to lead, and gateways that report here are waited for by
//   name instead. Which there can be stands in the catalog.
// - A gateway that is gone takes nothing with it: when its lease has ended it can't commit (its commits have deadlines
//   before that), so what the catalog says then of the tables that it was changing is what is true.

import type { Log, NodeId, Random, Time, Timers } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import { isPassing } from './errors.ts';
import { descriptorKey } from './keys.ts';
import { LEASE_WAIT_MICROS } from './lease.ts';
import { type GatewayEvents, type GatewayLink, SCHEMA_LEASE_MICROS } from './schema-links.ts';
import type {
  SchemaOutcome,
  TableChange,
  TableMark,
  ToGateway,
  ToHome,
} from './schema-messages.ts';
import { Takeover } from './schema-takeover.ts';

const RETRY_MICROS = 100_000;

export interface SchemaHomeParts {
  /** Nothing fences them. */
  readonly transactions: Transactions;
  readonly time: Pick<Time, 'monotonicMicros'>;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  /** Whether this node leads the catalog's first key at this moment (P1). */
  readonly leads: () => boolean;
  /** The catalog can't be read. */
  readonly onFailure: (error: unknown) => void;
  readonly leaseMicros?: number;
}

interface Gateway {
  readonly node: NodeId;
  readonly incarnation: number;
  link: GatewayLink | undefined;
  /** By this node's monotonic clock. */
  leaseEnd: number;
  /** Of changes that went out before it was welcomed last: it has them when it has loaded. */
  missed: Change[];
  readonly requests: Map<number, Mark>;
  expiry: Disposable | undefined;
}

interface Mark {
  readonly mark: number;
  readonly table: number;
  readonly gateway: Gateway;
  readonly request: number;
  /** Of a table that only its gateway knows. */
  readonly isNew: boolean;
  /** Gateways where somebody may still use the table; the number of sessions, as far as it was told. */
  readonly waiting: Map<Gateway, number>;
  isGranted: boolean;
  deadline: Disposable | undefined;
}

/** On its way to everybody. */
interface Change {
  readonly id: number;
  readonly waiting: Set<Gateway>;
  readonly done: () => void;
}

export class SchemaHome {
  readonly #parts: SchemaHomeParts;
  readonly #leaseMicros: number;
  readonly #id: number;
  readonly #gateways = new Map<NodeId, Gateway>();
  /** They stand in the catalog, or will. */
  readonly #admitting: NodeId[] = [];
  /** Processes that were replaced while their schema changes may still commit. */
  readonly #replaced = new Set<Gateway>();
  /** By table. */
  readonly #marks = new Map<number, Mark>();
  readonly #changes = new Map<number, Change>();
  readonly #takeover: Takeover;
  #numbers = 0;
  #stopped: string | undefined;

  /** This node has just begun to lead. */
  constructor(parts: SchemaHomeParts) {
    this.#parts = parts;
    this.#leaseMicros = parts.leaseMicros ?? SCHEMA_LEASE_MICROS;
    this.#id = parts.random.uint32() * 2 ** 20 + parts.random.below(2 ** 20);
    this.#takeover = new Takeover({
      ...parts,
      leaseMicros: this.#leaseMicros,
      forgotten: () => this.#look(),
    });
  }

  /** It leads no more: nobody is given anything. */
  stop(reason: string): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = reason;
    this.#takeover.stop(reason);
    for (const mark of this.#marks.values()) mark.deadline?.[Symbol.dispose]();
    for (const gateway of [...this.#gateways.values(), ...this.#replaced]) {
      gateway.expiry?.[Symbol.dispose]();
      const { link } = gateway;
      gateway.link = undefined;
      link?.close();
    }
    this.#gateways.clear();
    this.#marks.clear();
    this.#changes.clear();
  }

  /** What comes from a gateway; it is welcomed when the home is ready. */
  attach(node: NodeId, incarnation: number, link: GatewayLink): GatewayEvents {
    let gateway: Gateway | undefined;
    let isBroken = false;
    this.#admitting.push(node);
    const admitted = (): void => {
      this.#admitting.splice(this.#admitting.indexOf(node), 1);
    };
    void this.#takeover.admit(node).then(
      () => {
        admitted();
        if (isBroken || this.#stopped !== undefined) {
          link.close();
          return;
        }
        gateway = this.#record(node, incarnation, link);
        this.#welcome(gateway, link);
      },
      () => {
        admitted();
        link.close();
      },
    );
    return {
      message: (message) => {
        if (gateway?.link === link) this.#message(gateway, message);
      },
      broken: () => {
        isBroken = true;
        if (gateway?.link === link) gateway.link = undefined;
      },
    };
  }

  /** These were decommissioned. */
  departed(nodes: readonly NodeId[]): void {
    if (this.#takeover.hasStrangers) return;
    for (const node of nodes) {
      const mayCommit = [...this.#replaced].some((gateway) => gateway.node === node);
      const isHere = this.#gateways.has(node) || this.#admitting.includes(node);
      if (!mayCommit && !isHere) this.#takeover.forget(node);
    }
  }

  #record(node: NodeId, incarnation: number, link: GatewayLink): Gateway {
    const before = this.#gateways.get(node);
    if (before?.incarnation === incarnation) {
      before.link?.close();
      before.link = link;
      return before;
    }
    if (before !== undefined) this.#replace(before);
    const gateway: Gateway = {
      node,
      incarnation,
      link,
      // It may go on under a lease that another home gave.
      leaseEnd: this.#parts.time.monotonicMicros() + this.#leaseMicros,
      missed: [],
      requests: new Map(),
      expiry: undefined,
    };
    this.#gateways.set(node, gateway);
    for (const mark of this.#marks.values()) if (!mark.isGranted) mark.waiting.set(gateway, 0);
    for (const change of this.#changes.values()) change.waiting.add(gateway);
    this.#expireLater(gateway);
    return gateway;
  }

  #welcome(gateway: Gateway, link: GatewayLink): void {
    gateway.missed = [...this.#changes.values()].filter(({ waiting }) => waiting.has(gateway));
    this.#takeover.reported(gateway.node);
    const marks: TableMark[] = [];
    for (const mark of this.#marks.values()) if (!mark.isNew) marks.push(markFor(mark, gateway));
    link.send({ kind: 'welcome', home: this.#id, stint: this.#takeover.stint, marks });
    this.#look();
  }

  #message(gateway: Gateway, message: ToHome): void {
    switch (message.kind) {
      case 'renew': {
        const { monotonicMicros, earliest } = message;
        // P1: in the same turn.
        if (!this.#parts.leads()) return;
        const end = this.#parts.time.monotonicMicros() + this.#leaseMicros;
        gateway.leaseEnd = Math.max(gateway.leaseEnd, end);
        gateway.link?.send({ kind: 'granted', monotonicMicros, earliest });
        return;
      }
      case 'loaded': {
        const { missed } = gateway;
        gateway.missed = [];
        for (const change of missed) this.#adopted(gateway, change);
        return;
      }
      case 'exclusive':
        this.#mark(gateway, message.request, message.table, false);
        return;
      case 'claim':
        this.#mark(gateway, message.request, message.table, true);
        return;
      case 'using': {
        const mark = this.#markNumbered(message.mark);
        if (mark?.waiting.has(gateway) === true) mark.waiting.set(gateway, message.sessions);
        return;
      }
      case 'drained': {
        const mark = this.#markNumbered(message.mark);
        if (mark === undefined) return;
        mark.waiting.delete(gateway);
        this.#lookAt(mark);
        return;
      }
      case 'over':
        this.#over(gateway, message.number, message.requests, message.outcome, message.changes);
        return;
      case 'adopted': {
        const change = this.#changes.get(message.change);
        if (change !== undefined) this.#adopted(gateway, change);
        return;
      }
    }
  }

  #mark(gateway: Gateway, request: number, table: number, isNew: boolean): void {
    if (gateway.requests.has(request)) return;
    if (this.#marks.has(table)) {
      gateway.link?.send({ kind: 'refused', request, sessions: undefined });
      return;
    }
    const waiting = new Map<Gateway, number>();
    if (!isNew) for (const other of this.#gateways.values()) waiting.set(other, 0);
    const mark: Mark = {
      mark: ++this.#numbers,
      table,
      gateway,
      request,
      isNew,
      waiting,
      isGranted: isNew,
      deadline: undefined,
    };
    this.#marks.set(table, mark);
    gateway.requests.set(request, mark);
    if (isNew) {
      gateway.link?.send({ kind: 'exclusive', request });
      return;
    }
    for (const other of [...this.#gateways.values()]) {
      other.link?.send({ kind: 'mark', ...markFor(mark, other) });
    }
    this.#lookAt(mark);
    if (mark.isGranted || this.#marks.get(table) !== mark) return;
    mark.deadline = this.#parts.timers.after(LEASE_WAIT_MICROS, () => {
      let sessions = 0;
      for (const users of mark.waiting.values()) sessions += users;
      gateway.link?.send({ kind: 'refused', request, sessions });
      this.#lift([mark], [], undefined);
    });
  }

  #markNumbered(number: number): Mark | undefined {
    for (const mark of this.#marks.values()) if (mark.mark === number) return mark;
    return undefined;
  }

  #look(): void {
    for (const mark of [...this.#marks.values()]) this.#lookAt(mark);
    for (const change of [...this.#changes.values()]) this.#lookAtChange(change);
  }

  #lookAt(mark: Mark): void {
    if (mark.isGranted || mark.waiting.size > 0 || this.#takeover.hasStrangers) return;
    mark.isGranted = true;
    mark.deadline?.[Symbol.dispose]();
    mark.gateway.link?.send({ kind: 'exclusive', request: mark.request });
  }

  #over(
    gateway: Gateway,
    number: number,
    requests: readonly number[],
    outcome: SchemaOutcome,
    changes: readonly TableChange[],
  ): void {
    const marks: Mark[] = [];
    for (const request of requests) {
      const mark = gateway.requests.get(request);
      if (mark !== undefined) marks.push(mark);
    }
    if (outcome === 'unknown') {
      for (const { request } of marks) gateway.requests.delete(request);
      // Its deadline has passed by then.
      this.#parts.timers.after(this.#leaseMicros, () => void this.#resolve(marks));
    }
    const settled = (): void => gateway.link?.send({ kind: 'settled', number });
    if (outcome === 'committed') {
      // Of a table that is not marked for it, others may have made more since: whoever was welcomed after the mark went
      // has loaded what it committed.
      const known = changes.filter(({ table }) => marks.some((mark) => mark.table === table));
      this.#lift(marks, known, settled);
      return;
    }
    if (outcome === 'abandoned') this.#lift(marks, [], undefined);
    settled();
  }

  /** Everybody puts the changes in place and goes on without the marks. `done`: all have. */
  #lift(
    marks: readonly Mark[],
    changes: readonly TableChange[],
    done: (() => void) | undefined,
  ): void {
    for (const mark of marks) {
      mark.deadline?.[Symbol.dispose]();
      if (this.#marks.get(mark.table) === mark) this.#marks.delete(mark.table);
      mark.gateway.requests.delete(mark.request);
    }
    if (this.#stopped !== undefined) return;
    let change: Change | undefined;
    if (done !== undefined) {
      change = { id: ++this.#numbers, waiting: new Set(this.#gateways.values()), done };
      this.#changes.set(change.id, change);
    }
    const message: ToGateway = {
      kind: 'change',
      change: change?.id ?? 0,
      marks: marks.map(({ mark }) => mark),
      changes,
    };
    for (const gateway of [...this.#gateways.values()]) gateway.link?.send(message);
    if (change !== undefined) this.#lookAtChange(change);
  }

  #adopted(gateway: Gateway, change: Change): void {
    change.waiting.delete(gateway);
    this.#lookAtChange(change);
  }

  #lookAtChange(change: Change): void {
    if (change.waiting.size > 0 || this.#takeover.hasStrangers) return;
    if (this.#changes.delete(change.id)) change.done();
  }

  #expireLater(gateway: Gateway): void {
    const micros = Math.max(0, gateway.leaseEnd - this.#parts.time.monotonicMicros());
    gateway.expiry = this.#parts.timers.after(micros, () => {
      // One in this process has the same clock and the same leader to ask: it can't be behind.
      const isHere = gateway.link?.isLocal === true;
      if (!isHere && gateway.leaseEnd <= this.#parts.time.monotonicMicros()) {
        this.#expire(gateway);
        return;
      }
      if (isHere) gateway.leaseEnd = this.#parts.time.monotonicMicros() + this.#leaseMicros;
      this.#expireLater(gateway);
    });
  }

  #expire(gateway: Gateway): void {
    this.#replaced.delete(gateway);
    if (this.#gateways.get(gateway.node) === gateway) this.#forget(gateway);
    const { link } = gateway;
    gateway.link = undefined;
    link?.close();
    if (gateway.requests.size > 0) void this.#resolve([...gateway.requests.values()]);
  }

  /** Nobody uses anything there any more. */
  #forget(gateway: Gateway): void {
    this.#gateways.delete(gateway.node);
    for (const mark of this.#marks.values()) mark.waiting.delete(gateway);
    for (const change of this.#changes.values()) change.waiting.delete(gateway);
    this.#look();
  }

  /** Its node runs another process: nobody reads there, but what it asked for before may still commit. */
  #replace(gateway: Gateway): void {
    gateway.link?.close();
    gateway.link = undefined;
    if (gateway.requests.size > 0) this.#replaced.add(gateway);
    else gateway.expiry?.[Symbol.dispose]();
    this.#forget(gateway);
  }

  /** Whose transaction it was can't commit it any more: what is there now is what came of it. */
  async #resolve(marks: readonly Mark[]): Promise<void> {
    const { transactions, timers, log, onFailure } = this.#parts;
    const tables = marks.map(({ table }) => table);
    log.info('looking what became of a schema change', { tables: tables.join() });
    while (this.#stopped === undefined) {
      try {
        const found = await transactions.snapshot().getMany(tables.map(descriptorKey));
        this.#lift(
          marks,
          tables.map((table, i) => ({ table, descriptor: found[i] })),
          undefined,
        );
        return;
      } catch (error) {
        if (this.#stopped !== undefined) return;
        if (!isPassing(error)) {
          onFailure(error);
          return;
        }
        await new Promise<void>((resolve) => void timers.after(RETRY_MICROS, resolve));
      }
    }
  }
}

function markFor(mark: Mark, gateway: Gateway): TableMark {
  const request = mark.gateway === gateway ? mark.request : 0;
  return { mark: mark.mark, table: mark.table, request };
}

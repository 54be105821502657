// What must be so of whole nodes at every moment: no key is served by two ranges, wherever they are led (P1, P25, P27),
// and no replica goes back to a term that it has left.

import { compareBytes, toHex } from '../../base/bytes.ts';
import type { RangeHost } from '../../node/ranges/range-host.ts';
import type { ReplicaId } from '../../raft/types.ts';
import type { DatabaseNode } from '../cluster/database-node.ts';
import type { Seat } from '../cluster/cluster.ts';
import { demand } from '../violation.ts';
import type { Life } from '../world.ts';

interface Served {
  readonly node: number;
  readonly host: RangeHost;
}

export class ServedKeys {
  /** By what runs a node, of each replica there. */
  readonly #terms = new WeakMap<Life, Map<string, number>>();

  look(seats: readonly Seat<DatabaseNode>[]): void {
    const served: Served[] = [];
    for (const { node, machine } of seats) {
      if (node === undefined || machine.life === undefined) continue;
      for (const host of node.database.ranges.hosted()) {
        this.#checkTerm(machine.life, host);
        if (serves(host)) served.push({ node: machine.node, host });
      }
    }
    served.sort((a, b) => compareBytes(startOf(a), startOf(b)));
    for (let i = 1; i < served.length; i++) {
      const [one, other] = [served[i - 1] as Served, served[i] as Served];
      const { end } = one.host.descriptor.span;
      demand(
        end !== undefined && compareBytes(end, startOf(other)) <= 0,
        `keys from ${toHex(startOf(other))} on are served twice: by range ${one.host.range} on node ${one.node}, by range ${other.host.range} on node ${other.node}`,
      );
    }
  }

  /** Of what it has written down: that may have been told. */
  #checkTerm(life: Life, { range, group }: RangeHost): void {
    const replica: ReplicaId = group.core.replicaId;
    const { term } = group.log.hardState;
    const name = `${range}/${replica}`;
    let terms = this.#terms.get(life);
    if (terms === undefined) {
      terms = new Map();
      this.#terms.set(life, terms);
    }
    const before = terms.get(name) ?? 0;
    demand(
      term >= before,
      `the replica of range ${range} on node ${life.node} went back from term ${before} to term ${term}`,
    );
    if (term > before) terms.set(name, term);
  }
}

function serves({ isServing, replica, group }: RangeHost): boolean {
  if (!isServing || replica.rangeState.frozen !== undefined) return false;
  return group.lease.isAlone || group.lease.isHeld();
}

function startOf({ host }: Served): Uint8Array {
  return host.descriptor.span.start;
}

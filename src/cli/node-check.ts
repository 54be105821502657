// `meridian node check`: has the replicas of every range compared, range by range, by the node that leads it, and says
// which are not as they should be.

import { checkRange, listNodes, nodeStatus } from '../node/cluster-service.ts';
import type { CallOptions } from '../node/cluster-service.ts';
import type { NodeStanding } from '../node/placement/node-standing.ts';
import type { ConsistencyAnswer } from '../node/status.ts';
import type { Timers } from '../runtime/runtime.ts';

/** A range whose leader changes, or whose replicas move meanwhile, is looked for again. */
const ATTEMPTS_MAX = 20;
const AGAIN_MICROS = 500_000;
/** Compared at once: each reads all that it holds. */
const AT_ONCE_MAX = 4;
const TOLD_EVERY = 100;

interface Found {
  /** By range: where its leader is asked; undefined: nobody says that it leads. */
  readonly leaders: ReadonlyMap<number, string | undefined>;
  readonly silent: readonly number[];
}

export interface CheckResult {
  readonly ranges: number;
  readonly replicas: number;
  readonly rows: number;
  /** A line for each range that is not known to be right. */
  readonly wrong: readonly string[];
}

/** `tell`: how far it is. */
export async function checkAll(
  address: string,
  calls: CallOptions,
  tell: (text: string) => void,
): Promise<CheckResult> {
  const { leaders, silent } = await find(await listNodes(address, calls), calls);
  if (silent.length > 0) tell(`no answer from node ${silent.join(', node ')}`);
  const queue = [...leaders.keys()].sort((a, b) => a - b);
  const total = queue.length;
  const result = { ranges: 0, replicas: 0, rows: 0, wrong: [] as string[] };
  let done = 0;
  const work = async (): Promise<void> => {
    for (let range = queue.shift(); range !== undefined; range = queue.shift()) {
      const answer = await checkOne(address, range, leaders.get(range), calls);
      if (typeof answer === 'string') {
        result.wrong.push(`range ${range}: ${answer}`);
      } else if (answer.kind === 'consistent') {
        result.ranges += 1;
        result.replicas += answer.replicas;
        result.rows += answer.rows;
      }
      done += 1;
      if (done % TOLD_EVERY === 0) tell(`${done} of ${total} ranges`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, work));
  return result;
}

/** Text: what is wrong. */
async function checkOne(
  address: string,
  range: number,
  known: string | undefined,
  calls: CallOptions,
): Promise<ConsistencyAnswer | string> {
  let leader = known;
  let last = '';
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (attempt > 0) {
      await pause(calls.timers);
      const { leaders } = await find(await listNodes(address, calls), calls);
      if (!leaders.has(range)) return { kind: 'undecided', reason: 'it is gone' };
      leader = leaders.get(range);
    }
    if (leader === undefined) {
      last = 'nobody leads it';
      continue;
    }
    try {
      const answer = await checkRange(leader, range, calls);
      if (answer.kind === 'consistent') return answer;
      if (answer.kind === 'different') {
        return `the replicas on node ${answer.nodes.join(', node ')} differ from the rest: they serve nothing any more, and their logs say which key is the first`;
      }
      last = answer.reason;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
  }
  return `it could not be compared: ${last}`;
}

async function find(nodes: readonly NodeStanding[], calls: CallOptions): Promise<Found> {
  const leaders = new Map<number, string | undefined>();
  const silent: number[] = [];
  await Promise.all(
    nodes.map(async ({ nodeId, rpc, state }) => {
      if (state === 'decommissioned') return;
      const status = await nodeStatus(rpc, calls);
      if (status === undefined) silent.push(nodeId);
      for (const { range, role, isLeaseHeld } of status?.ranges ?? []) {
        // An only node needs no lease.
        const isLed = role === 'leader' && (isLeaseHeld || nodes.length === 1);
        if (isLed) leaders.set(range, rpc);
        else if (!leaders.has(range)) leaders.set(range, undefined);
      }
    }),
  );
  return { leaders, silent: silent.sort((a, b) => a - b) };
}

function pause(timers: Timers): Promise<void> {
  return new Promise((resolve) => void timers.after(AGAIN_MICROS, resolve));
}

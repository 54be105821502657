// The keyspace as a node has it: the ranges that have a replica here, the way to all others, what the directory is told,
// and transactions over all of it.

import type { Ranges } from '../ranges/api.ts';
import { FIRST_DATA_RANGE, firstDescriptors } from '../ranges/layout.ts';
import type { LoadBook } from '../ranges/load/load-book.ts';
import { RangeService } from '../ranges/remote/range-service.ts';
import type { RemoteRangeNodes } from '../ranges/remote/remote-nodes.ts';
import { publish } from '../ranges/routing/directory.ts';
import { DirectoryPublisher } from '../ranges/routing/directory-publisher.ts';
import { Router } from '../ranges/routing/router.ts';
import { Pace } from '../ranges/snapshots/pace.ts';
import { Turns } from '../ranges/turns.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RowCache } from '../storage/row-cache.ts';
import type { Fence } from '../txn/fence.ts';
import { Outcomes } from '../txn/outcomes.ts';
import { DEFAULT_TRANSACTION_SETTINGS } from '../txn/settings.ts';
import { Coordinator } from '../txn/transactions.ts';
import type { Breakage } from './breakage.ts';
import type { Closing } from './closing.ts';
import type { NodeConfig } from './config.ts';
import type { Foundations } from './foundations.ts';
import type { Member } from './identity.ts';
import { createProgramRun } from './program-run.ts';
import type { RangeHost } from './ranges/range-host.ts';
import { RangeIds } from './ranges/range-ids.ts';
import { RangeStore } from './ranges/range-store.ts';

/** Snapshots of other ranges that wait for their turn. */
const SNAPSHOTS_WAITING_MAX = 64;

export interface KeyspaceParts {
  readonly runtime: Runtime;
  readonly config: NodeConfig;
  readonly foundations: Foundations;
  readonly breakage: Breakage;
  readonly closing: Closing;
  readonly cache: RowCache;
  readonly loads: LoadBook;
  readonly remote: RemoteRangeNodes;
  /** Of the cluster, as far as this node knows. */
  members(): readonly Member[];
  /** Bytes of snapshots that may leave in a second. */
  snapshotRate(): number;
}

export interface Keyspace {
  readonly hosts: RangeStore;
  readonly router: Router;
  /** Transactions of the catalog, of the node itself, and of the key-value door. */
  readonly system: Coordinator;
  readonly newCoordinator: (through: Ranges, fence?: Fence) => Coordinator;
  /** The schema is where its range is led; that begins with the catalog's first key, so its id stays. */
  readonly home: () => RangeHost | undefined;
}

export async function openKeyspace(parts: KeyspaceParts): Promise<Keyspace> {
  const { runtime, config, foundations, breakage, closing, remote } = parts;
  const { identity, isAlone, clock, scheduler, shards, streams, applied } = foundations;
  const { nodeId, founders, members } = identity;
  const { timers, log } = runtime;
  const hosts = await RangeStore.open(
    {
      nodeId,
      isAlone,
      founders,
      dataDirectory: config.dataDirectory,
      runtime,
      clock,
      timing: config.timing,
      scheduler,
      nodes: () => parts.members().map((one) => one.nodeId),
      shards,
      cache: parts.cache,
      loads: parts.loads,
      streams,
      sending: new Turns(SNAPSHOTS_WAITING_MAX),
      receiving: new Turns(SNAPSHOTS_WAITING_MAX),
      sendingPace: new Pace(runtime.time, timers, () => parts.snapshotRate()),
      // What these ask is made below: nothing is asked before.
      outcomes: {
        inquire: (txn, anchor, deadline) => outcomes.inquire(txn, anchor, deadline),
        resolve: (request) => outcomes.resolve(request),
      },
      newRangeId: () => rangeIds.next(),
      published: (before) => router.directory.before(before),
      onFailure: breakage.broken,
    },
    applied,
  );
  breakage.onBroken((reason) => hosts.stop(reason));

  closing.add(() => remote.close());
  const router = new Router({
    runtime,
    clock,
    local: {
      node: nodeId,
      find: (range) => hosts.get(range)?.replica.endpoint,
      reader: (range, t) => {
        const replica = hosts.get(range)?.replica;
        return replica !== undefined && t <= replica.safeTime ? replica.endpoint : undefined;
      },
      safeTime: (range) => hosts.get(range)?.replica.safeTime,
    },
    remote,
    // Founders may be gone: of the members, some have the root range, and all know who does.
    seeds: firstDescriptors(isAlone ? founders : members.map((one) => one.nodeId)),
  });
  const outcomes = new Outcomes(router, timers);
  breakage.onBroken(() => router.stop());
  closing.add(() => router.stop());

  const service = new RangeService({
    ranges: {
      lookup: (range) => {
        const host = hosts.get(range);
        return host && { endpoint: host.replica.endpoint, load: host.load };
      },
      holder: (range) => {
        const host = hosts.holder(range);
        return host && { endpoint: host.replica.endpoint };
      },
    },
    timers,
    log,
    faults: runtime.faults,
  });
  streams.register('ranges', (from, stream) => service.serve(from, stream));
  closing.add(() => service.close());

  const newCoordinator = (through: Ranges, fence?: Fence): Coordinator => {
    const transactions = new Coordinator({
      ranges: through,
      clock,
      runtime,
      runProgram: createProgramRun,
      settings: DEFAULT_TRANSACTION_SETTINGS,
      ...(fence === undefined ? {} : { fence }),
    });
    closing.add(() => transactions.close());
    return transactions;
  };
  const system = newCoordinator(router);
  const rangeIds = new RangeIds(system);

  const publisher = new DirectoryPublisher({
    runtime,
    publish: (descriptor) => publish(router.directory, () => system.begin(), descriptor),
  });
  closing.add(() => publisher.stop());
  const told = (host: RangeHost): void => {
    if (host.isKnown) router.learned(host.descriptor);
    if (host.isServing) publisher.publish(host.descriptor);
    else publisher.forget(host.range);
  };
  hosts.onChange(told);
  hosts.confirmBy((range, generation) => publisher.isConfirmed(range, generation));
  for (const host of hosts.all()) told(host);

  return {
    hosts,
    router,
    system,
    newCoordinator,
    home: () => hosts.get(FIRST_DATA_RANGE),
  };
}

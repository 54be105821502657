// A process with nothing but Raft groups that have nothing to do: NODE DIRECTORY GROUPS RPC,RPC,RPC. Says every second
// how many groups are awake, how many it leads, and what it has taken of processor and memory.

import { parseAddress } from '../../src/base/address.ts';
import { openIntervalClock } from '../../src/clock/clock.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { RaftGroup } from '../../src/raft/group.ts';
import { RaftScheduler } from '../../src/raft/scheduler.ts';
import { replicaIdOn } from '../../src/raft/types.ts';
import { GrpcNetwork } from '../../src/rpc/network.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';

export interface IdleNodeSays {
  readonly awake: number;
  readonly led: number;
  readonly cpuMicros: number;
  readonly residentBytes: number;
}

async function main(args: readonly string[]): Promise<void> {
  const [nodeId, directory, count, addresses] = args as [string, string, string, string];
  const self = Number(nodeId);
  const members = addresses.split(',').map((rpc, i) => ({ nodeId: i + 1, rpc }));
  const own = members[self - 1] as (typeof members)[number];
  const runtime = createNodeRuntime({ nodeId: self, logLevel: 'warn' });
  const network = new GrpcNetwork({
    runtime,
    self: {
      clusterId: 'idle',
      nodeId: self,
      bootId: String(process.pid),
      addresses: { rpc: own.rpc, sql: own.rpc, http: own.rpc },
    },
    peers: members,
  });
  const server = new RpcServer({ address: parseAddress(own.rpc), timers: runtime.timers });
  network.register(server);
  await server.listen();
  await runtime.files.makeDirectory(directory);
  const failed = (error: unknown): void => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  };
  const clock = await openIntervalClock(runtime, directory, { onFailure: failed });
  const scheduler = await RaftScheduler.open(
    { ...runtime, network, clock, nodeId: self },
    `${directory}/log`,
  );
  scheduler.onFailure(failed);
  network.start();
  const configuration = configurationOf(members.map((member) => replicaIdOn(member.nodeId, 0)));
  const groups: RaftGroup[] = [];
  for (let groupId = 1; groupId <= Number(count); groupId++) {
    groups.push(
      scheduler.createGroup({
        groupId,
        replicaId: replicaIdOn(self, 0),
        configuration,
        appliedIndex: 0,
        onCommitted: () => undefined,
        onLeadership: () => undefined,
      }),
    );
  }
  setInterval(() => {
    const { user, system } = process.cpuUsage();
    const says: IdleNodeSays = {
      awake: scheduler.awakeGroups,
      led: groups.filter((group) => group.isLeader).length,
      cpuMicros: user + system,
      residentBytes: process.memoryUsage().rss,
    };
    process.stdout.write(`${JSON.stringify(says)}\n`);
  }, 1000);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
});

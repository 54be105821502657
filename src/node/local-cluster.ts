// A cluster on this machine: nodes as processes that go on when the command that started them has ended. What there is
// stands in DIR/cluster.json; node i has its data in DIR/node-i/data and prints to DIR/node-i/log.txt.

import { DbError } from '../base/errors.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import {
  absolutePath,
  type DetachedProcess,
  endOfFile,
  type ProcessState,
  signalProcess,
  startDetached,
  stateOfProcess,
} from '../runtime/node/processes.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { initCluster, nodeStatus } from './cluster-service.ts';
import type { Member } from './identity.ts';
import type { NodeStatus } from './status.ts';

const FORMAT_VERSION = 1;
const LOOK_MICROS = 50_000;
/** What takes no longer need not be told. */
const QUIET_MICROS = 1_000_000;
/** Until all nodes serve. */
const START_MICROS_MAX = 60_000_000;
/** After it a node that is to stop is killed. */
const STOP_MICROS_MAX = 20_000_000;
const STATUS_MICROS_MAX = 2_000_000;
const LOG_BYTES_SHOWN = 2000;
const PORTS_APART = 10;

export interface LocalNode extends Member {
  /** Of the process that was started last; 0 before. */
  readonly pid: number;
  /** It was told to stop: that its process is gone surprises nobody. */
  readonly isStopped: boolean;
}

interface ClusterRecord {
  readonly formatVersion: number;
  readonly nodes: readonly LocalNode[];
}

export interface LocalNodeStatus {
  readonly node: LocalNode;
  readonly process: ProcessState;
  /** Undefined: no answer. */
  readonly status: NodeStatus | undefined;
}

export type LocalClusterRuntime = Pick<Runtime, 'files' | 'timers' | 'time'>;

/** `basePort`: SQL of node 1; RPC and HTTP follow, and each further node has its ports 10 higher. */
export function planNodes(count: number, basePort: number): readonly LocalNode[] {
  return Array.from({ length: count }, (_, i) => {
    const port = basePort + i * PORTS_APART;
    const at = (offset: number): string => `127.0.0.1:${port + offset}`;
    return { nodeId: i + 1, sql: at(0), rpc: at(1), http: at(2), pid: 0, isStopped: true };
  });
}

export class LocalCluster {
  readonly directory: string;
  private readonly runtime: LocalClusterRuntime;
  private record: ClusterRecord;
  /** Started by this process. */
  private readonly children = new Map<number, DetachedProcess>();

  private constructor(runtime: LocalClusterRuntime, directory: string, record: ClusterRecord) {
    this.runtime = runtime;
    this.directory = directory;
    this.record = record;
  }

  /** Undefined: there is none in the directory. */
  static async open(
    runtime: LocalClusterRuntime,
    directory: string,
  ): Promise<LocalCluster | undefined> {
    const path = absolutePath(directory);
    const bytes = await runtime.files.read(`${path}/cluster.json`);
    return bytes === undefined
      ? undefined
      : new LocalCluster(runtime, path, parseRecord(`${path}/cluster.json`, bytes));
  }

  /** The nodes are not started. */
  static async create(
    runtime: LocalClusterRuntime,
    directory: string,
    nodes: readonly LocalNode[],
  ): Promise<LocalCluster> {
    const path = absolutePath(directory);
    await runtime.files.makeDirectory(path);
    const cluster = new LocalCluster(runtime, path, { formatVersion: FORMAT_VERSION, nodes });
    await cluster.write();
    return cluster;
  }

  get nodes(): readonly LocalNode[] {
    return this.record.nodes;
  }

  /** DbError when there is no such node. */
  node(nodeId: number): LocalNode {
    const node = this.nodes.find((one) => one.nodeId === nodeId);
    if (node !== undefined) return node;
    throw new DbError('22023', `there is no node ${nodeId}: they are 1 to ${this.nodes.length}`);
  }

  stateOf(node: LocalNode): Promise<ProcessState> {
    return node.pid === 0 ? Promise.resolve('gone') : stateOfProcess(node.pid, this.dataOf(node));
  }

  logOf(node: LocalNode): string {
    return `${this.directory}/node-${node.nodeId}/log.txt`;
  }

  async status(): Promise<readonly LocalNodeStatus[]> {
    return await Promise.all(
      this.nodes.map(async (node) => {
        const process = await this.stateOf(node);
        const status = process === 'running' ? await this.ask(node) : undefined;
        return { node, process, status };
      }),
    );
  }

  /** All nodes that don't run; resolves when all serve and every range has a leader. A start that fails leaves no new process. */
  async start(tell: (text: string) => void): Promise<void> {
    try {
      for (const node of this.nodes) {
        const state = await this.stateOf(node);
        if (state === 'paused') signalProcess(node.pid, 'CONT');
        if (state === 'gone') await this.spawn(node);
      }
      tell(`started ${this.children.size} of ${this.nodes.length} nodes`);
      await this.until(
        'the nodes answer',
        async () => {
          const answers = await this.askAll();
          return missing(answers.map((status) => status !== undefined));
        },
        tell,
      );
      await this.initialise(tell);
      await this.untilServing(tell);
    } catch (error) {
      for (const { pid } of this.children.values()) signalProcess(pid, 'KILL');
      throw error;
    }
  }

  /** Goes on with a paused node, stops a running one first; resolves when it runs. */
  async restart(nodeId: number): Promise<void> {
    const node = this.node(nodeId);
    const state = await this.stateOf(node);
    if (state === 'paused') {
      signalProcess(node.pid, 'CONT');
    } else {
      if (state === 'running') await this.end(node);
      await this.spawn(node);
    }
    await this.until(`node ${nodeId} runs`, async () => {
      const status = await this.ask(this.node(nodeId));
      return status?.reason === 'ok' ? undefined : `node ${nodeId}`;
    });
  }

  /** SIGKILL. */
  async kill(nodeId: number): Promise<void> {
    const node = this.node(nodeId);
    await this.requireProcess(node, ['running', 'paused']);
    this.children.delete(nodeId);
    signalProcess(node.pid, 'KILL');
    await this.until(`node ${nodeId} is gone`, async () =>
      (await this.stateOf(node)) === 'gone' ? undefined : `node ${nodeId}`,
    );
  }

  /** SIGSTOP: it keeps its connections and answers nothing. */
  async pause(nodeId: number): Promise<void> {
    const node = this.node(nodeId);
    await this.requireProcess(node, ['running']);
    signalProcess(node.pid, 'STOP');
    await this.until(`node ${nodeId} is paused`, async () =>
      (await this.stateOf(node)) === 'paused' ? undefined : `node ${nodeId}`,
    );
  }

  async resume(nodeId: number): Promise<void> {
    const node = this.node(nodeId);
    await this.requireProcess(node, ['paused']);
    signalProcess(node.pid, 'CONT');
  }

  /** In order; how many had to be killed. */
  async stop(): Promise<number> {
    const killed = await Promise.all(this.nodes.map((node) => this.end(node)));
    return killed.filter((wasKilled) => wasKilled).length;
  }

  /** True: it did not stop in time, and was killed. */
  private async end(node: LocalNode): Promise<boolean> {
    const state = await this.stateOf(node);
    await this.change(node.nodeId, { isStopped: true });
    if (state === 'gone') return false;
    signalProcess(node.pid, 'TERM');
    // The signal waits for as long as it is paused.
    if (state === 'paused') signalProcess(node.pid, 'CONT');
    const isGone = async (): Promise<string | undefined> =>
      (await this.stateOf(node)) === 'gone' ? undefined : `node ${node.nodeId}`;
    if (await this.waitFor(isGone, STOP_MICROS_MAX).then(isUndefined)) return false;
    signalProcess(node.pid, 'KILL');
    await this.until(`node ${node.nodeId} is gone`, isGone);
    return true;
  }

  private async initialise(tell: (text: string) => void): Promise<void> {
    // The first founds the cluster and becomes part of it last.
    const [first] = this.nodes as readonly [LocalNode];
    const status = await this.ask(first);
    if (this.nodes.length === 1 || status === undefined || status.nodeId !== 0) return;
    await initCluster(first.rpc, this.nodes.length, this.runtime);
    tell(`initialised a cluster of ${this.nodes.length} nodes`);
  }

  private async untilServing(tell: (text: string) => void): Promise<void> {
    const look = async (): Promise<string | undefined> => {
      const answers = await this.askAll();
      const notRunning = missing(answers.map((status) => status?.reason === 'ok'));
      if (notRunning !== undefined) return notRunning;
      return leaderless(answers) ?? notServing(answers);
    };
    await this.until('all nodes serve and every range has a leader', look, tell);
  }

  private async spawn(node: LocalNode): Promise<void> {
    // Its answers would be taken for those of the node that is started.
    if ((await this.ask(node)) !== undefined) {
      throw new DbError('55000', `a node answers at ${node.rpc} that is not of this cluster`, {
        hint: 'Stop it, or use other ports (--base-port).',
      });
    }
    await this.runtime.files.makeDirectory(`${this.directory}/node-${node.nodeId}`);
    const join = this.nodes.length > 1 ? ['--join', this.nodes.map((one) => one.rpc).join()] : [];
    const child = await startDetached(
      new URL('dist/cli/main.js', import.meta.resolve('meridian/package.json')),
      [
        ...['start', '--data', this.dataOf(node), '--sql', node.sql],
        ...['--rpc', node.rpc, '--http', node.http, ...join],
      ],
      this.logOf(node),
    );
    this.children.set(node.nodeId, child);
    await this.change(node.nodeId, { pid: child.pid, isStopped: false });
  }

  private dataOf(node: LocalNode): string {
    return `${this.directory}/node-${node.nodeId}/data`;
  }

  private ask(node: LocalNode): Promise<NodeStatus | undefined> {
    const { timers } = this.runtime;
    return nodeStatus(node.rpc, { timers, timeoutMicros: STATUS_MICROS_MAX });
  }

  private askAll(): Promise<(NodeStatus | undefined)[]> {
    return Promise.all(this.nodes.map((node) => this.ask(node)));
  }

  private async requireProcess(node: LocalNode, allowed: readonly ProcessState[]): Promise<void> {
    const state = await this.stateOf(node);
    if (allowed.includes(state)) return;
    const what = state === 'gone' ? 'does not run' : `is ${state}`;
    throw new DbError('55000', `node ${node.nodeId} ${what}`);
  }

  /** `look` says what is missing: told when it takes long, and changes. Ends with an error when a node that this process started
   * ends. */
  private async until(
    what: string,
    look: () => Promise<string | undefined>,
    tell: (text: string) => void = () => {},
  ): Promise<void> {
    const { time } = this.runtime;
    let told: string | undefined;
    let quietUntilMicros = time.monotonicMicros() + QUIET_MICROS;
    const left = await this.waitFor(async () => {
      await this.requireChildren();
      const missing = await look();
      const now = time.monotonicMicros();
      if (missing !== undefined && missing !== told && now >= quietUntilMicros) {
        tell(`waits for ${missing}`);
        told = missing;
        quietUntilMicros = now + QUIET_MICROS;
      }
      return missing;
    }, START_MICROS_MAX);
    if (left === undefined) return;
    throw new DbError(
      '57014',
      `waited ${START_MICROS_MAX / 1e6} s until ${what}; missing: ${left}`,
      { hint: `Their logs are ${this.directory}/node-N/log.txt.` },
    );
  }

  private async waitFor(
    look: () => Promise<string | undefined>,
    microsMax: number,
  ): Promise<string | undefined> {
    const { time, timers } = this.runtime;
    const end = time.monotonicMicros() + microsMax;
    for (;;) {
      const left = await look();
      if (left === undefined || time.monotonicMicros() > end) return left;
      await new Promise<void>((resolve) => void timers.after(LOOK_MICROS, resolve));
    }
  }

  private async requireChildren(): Promise<void> {
    for (const [nodeId] of this.children) {
      const node = this.node(nodeId);
      if (node.isStopped || (await this.stateOf(node)) !== 'gone') continue;
      this.children.delete(nodeId);
      const said = (await endOfFile(this.logOf(node), LOG_BYTES_SHOWN)).trim();
      throw new DbError('58000', `node ${nodeId} ended:\n${said}`, {
        hint: `Its whole log is ${this.logOf(node)}.`,
      });
    }
  }

  private async change(
    nodeId: number,
    changes: Partial<Pick<LocalNode, 'pid' | 'isStopped'>>,
  ): Promise<void> {
    const nodes = this.nodes.map((one) => (one.nodeId === nodeId ? { ...one, ...changes } : one));
    this.record = { ...this.record, nodes };
    await this.write();
  }

  private async write(): Promise<void> {
    const text = `${JSON.stringify(this.record, null, 2)}\n`;
    await this.runtime.files.replace(`${this.directory}/cluster.json`, utf8(text));
  }
}

function isUndefined(value: unknown): boolean {
  return value === undefined;
}

/** The nodes for which it does not hold. */
function missing(holds: readonly boolean[]): string | undefined {
  const nodes = holds.flatMap((held, i) => (held ? [] : [`node ${i + 1}`]));
  return nodes.length === 0 ? undefined : nodes.join(', ');
}

type Answers = readonly (NodeStatus | undefined)[];

/** Of all that some node has a replica of. */
function leaderless(answers: Answers): string | undefined {
  const led = new Map<number, boolean>();
  for (const { range, role, isLeaseHeld } of answers.flatMap((status) => status?.ranges ?? [])) {
    const isLed = answers.length === 1 ? role === 'leader' : role === 'leader' && isLeaseHeld;
    led.set(range, isLed || led.get(range) === true);
  }
  const missing = [...led].filter(([, isLed]) => !isLed);
  return missing.length === 0 ? undefined : `leaders of ${missing.length} of ${led.size} ranges`;
}

function notServing(answers: Answers): string | undefined {
  const nodes = missing(answers.map((status) => status?.isServing === true));
  return nodes === undefined ? undefined : `SQL at ${nodes}`;
}

function parseRecord(path: string, bytes: Uint8Array): ClusterRecord {
  let found: Partial<ClusterRecord> | null;
  try {
    found = JSON.parse(fromUtf8(bytes)) as typeof found;
  } catch {
    found = null;
  }
  if ((found?.formatVersion ?? 0) > FORMAT_VERSION) {
    throw new DbError(
      '58P01',
      `${path} has format version ${found?.formatVersion}, this program knows version ${FORMAT_VERSION}`,
      { hint: 'Use a newer version of the program.' },
    );
  }
  if (!Array.isArray(found?.nodes) || found.nodes.length === 0) {
    throw new DbError('XX001', `${path} does not say which nodes there are: it is damaged`);
  }
  return found as ClusterRecord;
}

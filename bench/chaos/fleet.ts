// The three processes, what state the run has put each into, and what they say. A process that ends, or says an error,
// without being asked to is a violation.

import type { ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, type ClusterHooks, startCluster } from '../lib/cluster.ts';
import { Channel } from './channel.ts';
import { Links } from './links.ts';
import type { Violations } from './violations.ts';

const REDIRECT = new URL('redirect.js', import.meta.url).href;
const NODES = 3;
const SNAPSHOT_INSTALLED = 'installed a snapshot';
const READY = 'Meridian is ready';
const TAIL_CHARS = 4000;
const ERROR_LINE = /^\S+Z error /;

/** How the run sees one node. */
class Member {
  readonly id: number;
  readonly log: WriteStream;
  /** The last of what it said. */
  tail = '';
  isAlive = false;
  /** It has said that it runs, since its last start. */
  isReady = false;
  isPaused = false;
  /** Its end is the run's doing. */
  isToEnd = false;
  /** One fault at a time. */
  isBusy = false;
  snapshots = 0;
  /** Told of all that it says. */
  readonly listeners = new Set<(chunk: string) => void>();

  constructor(id: number, log: WriteStream) {
    this.id = id;
    this.log = log;
  }
}

export class Fleet {
  readonly channels: readonly Channel[];
  readonly links: Links;
  readonly #cluster: Cluster;
  readonly #members: readonly Member[];
  readonly #changed: () => void;

  private constructor(
    cluster: Cluster,
    links: Links,
    members: readonly Member[],
    changed: () => void,
  ) {
    this.#cluster = cluster;
    this.links = links;
    this.#members = members;
    this.#changed = changed;
    this.channels = cluster.nodes.map(({ rpc }) => new Channel(rpc));
  }

  /** `changed`: just before something is healed, and just after something was broken. */
  static async start(
    directory: string,
    violations: Violations,
    changed: () => void,
  ): Promise<Fleet> {
    let links: Links | undefined;
    const members = Array.from({ length: NODES }, (_, i) => {
      const log = createWriteStream(join(directory, `node-${i + 1}.log`), { flags: 'a' });
      return new Member(i + 1, log);
    });
    const hooks: ClusterHooks = {
      prepare: async (addresses) => {
        links = await Links.open(addresses);
      },
      launch: (id) => ({
        arguments: ['--import', REDIRECT],
        environment: { CHAOS_ROUTES: JSON.stringify(links?.routesOf(id)) },
      }),
      spawned: (id, child) => watch(members[id - 1] as Member, child, violations, changed),
    };
    const cluster = await startCluster(directory, NODES, [], hooks);
    return new Fleet(cluster, links as Links, members, changed);
  }

  get ids(): readonly number[] {
    return this.#members.map(({ id }) => id);
  }

  /** That nodes said they installed. */
  get snapshots(): number {
    return this.#members.reduce((sum, { snapshots }) => sum + snapshots, 0);
  }

  /** Who listens where, as nodes name each other. */
  idAt(rpc: string): number | undefined {
    return this.#cluster.nodes.find((node) => node.rpc === rpc)?.id;
  }

  channel(id: number): Channel {
    return this.channels[id - 1] as Channel;
  }

  isFree(id: number): boolean {
    return !this.#member(id).isBusy;
  }

  /** Nobody else breaks this node until it is released. */
  take(id: number): () => void {
    const member = this.#member(id);
    member.isBusy = true;
    return () => {
      member.isBusy = false;
    };
  }

  isUp(id: number): boolean {
    const { isAlive, isPaused } = this.#member(id);
    return isAlive && !isPaused;
  }

  /** Two nodes that run and hear each other: something may be committed. `isReady`: it should be, soon. */
  hasMajority(isReady: boolean): boolean {
    const able = this.ids.filter((id) => this.isUp(id) && (!isReady || this.#member(id).isReady));
    return able.some((a) =>
      able.some((b) => b !== a && this.links.isOpen(a, b) && this.links.isOpen(b, a)),
    );
  }

  async kill(id: number): Promise<void> {
    this.#member(id).isToEnd = true;
    await this.#node(id).kill();
    this.#changed();
  }

  /** As an operator stops it: it hands its leadership over. */
  async retire(id: number): Promise<void> {
    this.#member(id).isToEnd = true;
    this.#member(id).isReady = false;
    this.#changed();
    await this.#node(id).stop();
    this.#changed();
  }

  /** Resolves when it says that it is ready. */
  async restart(id: number): Promise<void> {
    const ready = this.says(id, READY);
    this.#node(id).restart();
    this.#changed();
    await ready;
  }

  pause(id: number): void {
    this.#node(id).signal('SIGSTOP');
    this.#member(id).isPaused = true;
    this.#changed();
  }

  resume(id: number): void {
    this.#member(id).isPaused = false;
    this.#changed();
    this.#node(id).signal('SIGCONT');
  }

  /** Links were cut, or are about to be healed. */
  relinked(): void {
    this.#changed();
  }

  /** Resolves when it says the text, from now on. */
  says(id: number, text: string): Promise<void> {
    const { listeners } = this.#member(id);
    return new Promise((resolve) => {
      let said = '';
      const listen = (chunk: string): void => {
        said = (said + chunk).slice(-TAIL_CHARS);
        if (!said.includes(text)) return;
        listeners.delete(listen);
        resolve();
      };
      listeners.add(listen);
    });
  }

  async stop(): Promise<void> {
    for (const member of this.#members) {
      member.isToEnd = true;
      if (member.isPaused) this.resume(member.id);
    }
    await this.#cluster.stop();
    this.links.close();
    for (const channel of this.channels) channel.close();
  }

  #member(id: number): Member {
    return this.#members[id - 1] as Member;
  }

  #node(id: number): Cluster['nodes'][number] {
    return this.#cluster.nodes[id - 1] as Cluster['nodes'][number];
  }
}

function watch(
  member: Member,
  child: ChildProcess,
  violations: Violations,
  changed: () => void,
): void {
  member.isAlive = true;
  member.isToEnd = false;
  let line = '';
  const take = (bytes: Buffer): void => {
    const chunk = bytes.toString();
    member.log.write(chunk);
    member.tail = (member.tail + chunk).slice(-TAIL_CHARS);
    const lines = (line + chunk).split('\n');
    line = lines.pop() as string;
    for (const one of lines) {
      if (ERROR_LINE.test(one)) violations.add(`node ${member.id} says: ${one}`);
      if (one.includes(SNAPSHOT_INSTALLED)) member.snapshots += 1;
      if (!one.includes(READY)) continue;
      member.isReady = true;
      changed();
    }
    for (const listen of [...member.listeners]) listen(chunk);
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  child.once('exit', (code, signal) => {
    member.isAlive = false;
    member.isReady = false;
    member.isPaused = false;
    changed();
    const isClean = code === 0 || signal === 'SIGKILL';
    if (member.isToEnd && isClean) return;
    violations.add(`node ${member.id} ended with ${code ?? signal}; it said:\n${member.tail}`);
  });
}

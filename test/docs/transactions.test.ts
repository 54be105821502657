// docs/transactions.md against the program: its blocks of statements, of several sessions, are answered as they say.

import { describe, expect, it } from 'vitest';
import { DbError } from '../../src/base/errors.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import { Cluster, type ClusterNode } from '../node/cluster-fixture.ts';
import { found, readText } from './document.ts';

const blocks = found(readText('docs/transactions.md'), /^```sessions\n([\s\S]*?)^```$/gm);
/** Longer than anything takes that does not wait for another session. */
const ANSWER_MICROS = 100_000;

interface Asked {
  /** What it came to; undefined: it is not answered yet. */
  said: string | undefined;
  /** Said so in the document. */
  isTold: boolean;
}

/** Says what it finds in place of what the block says. */
class Blocks {
  private readonly cluster: Cluster;
  private sessions = new Map<string, EmbeddedSession>();
  private asked = new Map<string, Asked>();

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  async run(block: string): Promise<string> {
    this.sessions = new Map();
    this.asked = new Map();
    const out: string[] = [];
    for (const line of block.trimEnd().split('\n')) {
      const [, name = '', what, text = ''] = /^(\d)([>:]) (.*)$/.exec(line) ?? [];
      if (what === '>') {
        this.untold(name, out);
        out.push(line);
        await this.ask(name, text);
      } else {
        out.push(`${name}: ${await this.told(name, text)}`);
      }
    }
    for (const name of this.sessions.keys()) this.untold(name, out);
    for (const session of this.sessions.values()) await this.cluster.until(session.close());
    return out.join('\n');
  }

  /** Something that the document does not mention. */
  private untold(name: string, out: string[]): void {
    const before = this.asked.get(name);
    if (before === undefined || before.isTold || before.said === 'done') return;
    out.push(`${name}: ${before.said ?? 'waits'}`);
  }

  private async ask(name: string, text: string): Promise<void> {
    const node = this.cluster.nodes[Number(name) - 1] as ClusterNode;
    const session = this.sessions.get(name) ?? this.cluster.session(node);
    this.sessions.set(name, session);
    const asked: Asked = { said: undefined, isTold: false };
    this.asked.set(name, asked);
    session.query(text).then(
      ({ rows }) => {
        const lines = rows.map((row) => Object.values(row).map(String).join(' | '));
        asked.said = lines.length === 0 ? 'done' : lines.join(', ');
      },
      (error: unknown) => {
        asked.said = error instanceof DbError ? error.code : String(error);
      },
    );
    await this.cluster.pass(ANSWER_MICROS);
  }

  private async told(name: string, expected: string): Promise<string> {
    const asked = this.asked.get(name) as Asked;
    if (expected === 'waits') return asked.said ?? 'waits';
    await this.cluster.when(() => asked.said !== undefined, `an answer to session ${name}`);
    asked.isTold = true;
    return asked.said as string;
  }
}

describe('docs/transactions.md', () => {
  it('says what is so', async () => {
    const cluster = await Cluster.start();
    // Every node has a lease on the schema by then.
    await cluster.pass(5_000_000);
    const setUp = cluster.session(await cluster.leader());
    const runner = new Blocks(cluster);
    expect(blocks.length).toBeGreaterThan(6);
    for (const block of blocks) {
      await cluster.query(setUp, 'DROP TABLE IF EXISTS account');
      await cluster.query(setUp, 'CREATE TABLE account (id int PRIMARY KEY, balance int)');
      await cluster.query(setUp, 'INSERT INTO account VALUES (1, 100), (2, 100)');
      expect(await runner.run(block)).toBe(block.trimEnd());
    }
  }, 60_000);
});

// Conversations on the wire (wire.txt) with a node, and with PostgreSQL 15 where it is installed: what they expect is
// what PostgreSQL answers, but where a conversation says how it differs. MERIDIAN_REWRITE_FILES=1 writes our answers
// into the file; read what changes.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasPostgres, Postgres } from '../sql/files/postgres.ts';
import { NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';
import {
  type Conversation,
  converse,
  parseConversations,
  renderConversations,
} from './transcript.ts';
import { WireClient } from './wire-client.ts';

const FILE = fileURLToPath(new URL('wire.txt', import.meta.url));
const conversations = parseConversations(readFileSync(FILE, 'utf8'));

const SETUP = [
  'CREATE TABLE w (id int PRIMARY KEY, v int, s text)',
  "INSERT INTO w VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, NULL)",
];

async function hold(client: WireClient, conversation: Conversation): Promise<Conversation> {
  for (const statement of SETUP) await client.query(statement);
  const steps = await converse(client, conversation.steps);
  await client.query('ROLLBACK');
  await client.query('DROP TABLE w');
  client.end();
  return { ...conversation, steps };
}

describe('a node', () => {
  const directory = temporaryDirectory();
  let node: NodeProcess;

  beforeAll(async () => {
    node = new NodeProcess(directory.path, await nodePorts());
    await node.ready();
  });

  afterAll(async () => {
    await node.signal('SIGTERM');
    directory.remove();
  });

  it.runIf(process.env['MERIDIAN_REWRITE_FILES'] === '1')('is asked anew', async () => {
    const held: Conversation[] = [];
    for (const one of conversations) {
      held.push(await hold(await WireClient.connect(node.ports.sql), one));
    }
    writeFileSync(FILE, renderConversations(held));
  });

  it.each(conversations)('$name', async (conversation) => {
    const held = await hold(await WireClient.connect(node.ports.sql), conversation);
    expect(renderConversations([held])).toBe(renderConversations([conversation]));
  });
});

const postgres = hasPostgres();

describe.runIf(postgres)(
  postgres ? 'PostgreSQL 15' : 'PostgreSQL 15 (skipped: not installed)',
  () => {
    let server: Postgres;

    beforeAll(async () => {
      server = await Postgres.start();
    });

    afterAll(() => server.stop());

    it.each(conversations)('$name', async (conversation) => {
      const client = await WireClient.connect(server.port, 'postgres', 'postgres');
      const held = renderConversations([await hold(client, conversation)]);
      if (conversation.differs === undefined)
        expect(held).toBe(renderConversations([conversation]));
      else expect(held).not.toBe(renderConversations([conversation]));
    });
  },
);

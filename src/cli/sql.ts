// `meridian sql`: the shell. It talks through the npm package pg, as any client.

import { createReadStream } from 'node:fs';
import { ShellClient } from './shell/client.ts';
import { META_HELP } from './shell/meta.ts';
import { runScript } from './shell/script.ts';
import { ShellSession } from './shell/session.ts';
import { runTerminal } from './shell/terminal.ts';
import { type CommandSpec, EXIT_DONE, EXIT_FAILED, parseOptions } from './usage.ts';

const DEFAULT_URL = 'postgres://root@127.0.0.1:7432/defaultdb';

const SPEC: CommandSpec = {
  name: 'meridian sql',
  summary: 'a SQL shell; reads standard input when that is no terminal',
  options: {
    url: {
      value: 'URL',
      short: 'u',
      help: `where to connect (default ${DEFAULT_URL}, or MERIDIAN_URL)`,
    },
    execute: {
      value: 'SQL',
      short: 'e',
      multiple: true,
      help: 'run this and leave; may be repeated',
    },
    file: {
      value: 'FILE',
      short: 'f',
      multiple: true,
      help: 'run this file and leave; may be repeated',
    },
    timing: { value: undefined, help: 'print how long each statement took' },
    expanded: { value: undefined, short: 'x', help: 'a line for each column' },
    'keep-going': { value: undefined, short: 'k', help: 'go on with a file after an error' },
  },
  notes: `In the shell:\n${META_HELP}`,
};

export async function sql(args: readonly string[]): Promise<number> {
  const options = parseOptions(SPEC, args);
  const url = options.text('url') ?? process.env['MERIDIAN_URL'] ?? DEFAULT_URL;
  const output = {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
  };
  let client: ShellClient;
  try {
    client = await ShellClient.connect(url, (text) => output.err(`${text}\n`));
  } catch (error) {
    throw new Error(connectError(url, error as Error & { code?: string }));
  }
  const session = new ShellSession(client, output);
  session.timing = options.flag('timing');
  session.expanded = options.flag('expanded');
  const stopOnError = !options.flag('keep-going');
  const runFile = async (path: string): Promise<void> => {
    try {
      await runScript(session, createReadStream(path), { stopOnError, runFile });
    } catch (error) {
      output.err(`${(error as Error).message}\n`);
      session.failed = true;
    }
  };
  // A reader that goes away (head, less) ends the shell quietly.
  process.stdout.on('error', () => process.exit(EXIT_DONE));
  const statements = options.texts('execute');
  const files = options.texts('file');
  for (const statement of statements) {
    if (session.failed && stopOnError) break;
    await runScript(session, once(statement), { stopOnError, runFile });
  }
  for (const file of files) {
    if (session.failed && stopOnError) break;
    await runFile(file);
  }
  if (statements.length === 0 && files.length === 0) {
    if (process.stdin.isTTY) {
      output.out(`Meridian. Connected to ${url}. \\? for help, \\q to leave.\n`);
      await runTerminal(session, runFile);
      // Errors at a terminal were seen; they don't make the shell fail.
      session.failed = client.closed;
    } else {
      await runScript(session, process.stdin, { stopOnError, runFile });
    }
  }
  await client.close();
  return session.failed ? EXIT_FAILED : EXIT_DONE;
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}

function connectError(url: string, error: Error & { code?: string; hint?: string }): string {
  if (error.code === 'ECONNREFUSED') {
    return `nobody listens at ${url}; start a node with 'meridian start --data DIR'`;
  }
  const hint = error.hint === undefined ? '' : `\n${error.hint}`;
  return `can't connect to ${url}: ${error.message}${hint}`;
}

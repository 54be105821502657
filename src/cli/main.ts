#!/usr/bin/env node
// The `meridian` command: finds the subcommand, turns its outcome into an exit code.

import { DbError } from '../base/errors.ts';
import { version } from './commit.ts';
import { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, HelpAsked, helpText, UsageError } from './usage.ts';

type Command = (args: readonly string[]) => Promise<number>;

/** Loaded when asked for, so that the shell does not load a database. */
const COMMANDS: Readonly<Record<string, { readonly summary: string; load(): Promise<Command> }>> = {
  start: {
    summary: 'run a node',
    load: async () => (await import('./start.ts')).start,
  },
  init: {
    summary: "make a cluster of nodes that were started with 'start --join'",
    load: async () => (await import('./init.ts')).init,
  },
  cluster: {
    summary: 'run several nodes on this machine; kill, pause and restart them',
    load: async () => (await import('./cluster.ts')).cluster,
  },
  node: {
    summary: 'list the nodes of a cluster; drain and decommission them',
    load: async () => (await import('./node.ts')).node,
  },
  sql: {
    summary: 'talk SQL to a node: a shell, or one statement, or a file',
    load: async () => (await import('./sql.ts')).sql,
  },
  simulate: {
    summary: 'run a node, or a cluster, in simulated time with faults, from a seed',
    load: async () => (await import('./simulate.ts')).simulate,
  },
  check: {
    summary: 'judge histories of transactions: strictly serializable, or what is wrong',
    load: async () => (await import('./check.ts')).check,
  },
};

const HELP = `meridian: a Spanner-style SQL database

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  meridian ${name.padEnd(10)} ${summary}`)
  .join('\n')}

'meridian COMMAND --help' tells a command's options; 'meridian --version' the version.
`;

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? EXIT_USAGE : EXIT_DONE;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`meridian ${version()}\n`);
    return EXIT_DONE;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new UsageError(`there is no command '${name}'`);
  return await (await command.load())(rest);
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof HelpAsked) {
      process.stdout.write(helpText(error.spec));
      return;
    }
    if (error instanceof UsageError) {
      process.stderr.write(`meridian: ${error.message}; 'meridian --help' tells what there is\n`);
      process.exitCode = EXIT_USAGE;
      return;
    }
    process.stderr.write(`meridian: ${error instanceof Error ? error.message : String(error)}\n`);
    const hint = error instanceof DbError ? error.fields.hint : undefined;
    if (hint !== undefined) process.stderr.write(`${hint}\n`);
    process.exitCode = EXIT_FAILED;
  },
);

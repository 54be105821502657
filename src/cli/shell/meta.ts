// Backslash commands, and what the shell needs to know of the schema for them and for completion.

import type { ShellSession } from './session.ts';

export const META_HELP = `  \\d            tables
  \\d NAME       columns and key of a table
  \\timing       how long each statement takes: on or off
  \\x            expanded display: on or off
  \\pset null T  show NULL as T
  \\i FILE       run a file
  \\c            which connection this is
  \\ranges NAME  ranges of a table, or all: SHOW RANGES
  \\nodes        nodes of the cluster: SHOW NODES
  \\?            this list
  \\q            leave (also Ctrl-D)
`;

export type MetaOutcome = 'done' | 'quit' | 'unknown' | { readonly file: string };

const TABLES = `SELECT table_schema AS "Schema", table_name AS "Name" FROM information_schema.tables
WHERE table_schema = 'public' ORDER BY 1, 2`;

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export async function runMeta(line: string, session: ShellSession): Promise<MetaOutcome> {
  const [command, ...args] = line.trim().split(/\s+/);
  switch (command) {
    case '\\q':
    case '\\quit':
      return 'quit';
    case '\\?':
    case '\\h':
    case '\\help':
      session.output.out(META_HELP);
      return 'done';
    case '\\timing':
      session.timing = args[0] === undefined ? !session.timing : args[0] === 'on';
      session.output.out(`Timing is ${session.timing ? 'on' : 'off'}.\n`);
      return 'done';
    case '\\x':
      session.expanded = args[0] === undefined ? !session.expanded : args[0] === 'on';
      session.output.out(`Expanded display is ${session.expanded ? 'on' : 'off'}.\n`);
      return 'done';
    case '\\pset':
      if (args[0] !== 'null') return 'unknown';
      session.nullText = args
        .slice(1)
        .join(' ')
        .replace(/^'(.*)'$/, '$1');
      return 'done';
    case '\\c':
    case '\\conninfo':
      session.output.out(`Connected to ${withoutPassword(session.client.url)}\n`);
      return 'done';
    case '\\i':
      return args[0] === undefined ? 'unknown' : { file: args[0] };
    case '\\ranges':
      await session.run(
        args[0] === undefined ? 'SHOW RANGES' : `SHOW RANGES FROM TABLE ${args[0]}`,
        undefined,
      );
      return 'done';
    case '\\nodes':
      await session.run('SHOW NODES', undefined);
      return 'done';
    case '\\d':
    case '\\dt':
      if (args[0] === undefined) await session.run(TABLES, undefined);
      else await describeTable(args[0], session);
      return 'done';
    default:
      return 'unknown';
  }
}

async function describeTable(name: string, session: ShellSession): Promise<void> {
  const bare = literal(name.replace(/^public\./, '').replace(/^"(.*)"$/, '$1'));
  const known = await session.client.rows(
    `SELECT table_name FROM information_schema.tables WHERE table_name = ${bare}`,
  );
  if (known.length === 0) {
    session.output.err(`There is no table ${name}.\n`);
    session.failed = true;
    return;
  }
  await session.run(
    `SELECT column_name AS "Column", data_type || CASE
WHEN character_maximum_length IS NOT NULL THEN '(' || character_maximum_length || ')'
WHEN data_type = 'numeric' AND numeric_precision IS NOT NULL
THEN '(' || numeric_precision || ',' || numeric_scale || ')' ELSE '' END AS "Type",
CASE WHEN is_nullable = 'NO' THEN 'not null' ELSE '' END AS "Nullable", column_default AS "Default"
FROM information_schema.columns WHERE table_name = ${bare} ORDER BY ordinal_position`,
    undefined,
  );
  const key = await session.client.rows(
    `SELECT constraint_name, column_name FROM information_schema.key_column_usage
WHERE table_name = ${bare} ORDER BY ordinal_position`,
  );
  if (key.length > 0) {
    session.output.out(`Primary key: ${key[0]?.[0]} (${key.map((row) => row[1]).join(', ')})\n`);
  }
}

function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1@');
}

const KEYWORDS =
  'ALL ALTER ANALYZE AND AS ASC AT BEGIN BETWEEN BY CASE CLUSTER COMMIT COPY CREATE DEFAULT DELETE DESC DISTINCT DROP ELSE END EXISTS EXPLAIN FROM GROUP HAVING HOT IN INDEX INSERT INTO IS KEY LIKE LIMIT NODES NOT NULL OFFSET ON OR ORDER PRIMARY RANGES RESET RETURNING ROLLBACK SCATTER SELECT SET SETTING SETTINGS SHOW SPLIT TABLE THEN TRUNCATE UNSPLIT UPDATE VALUES WHEN WHERE'.split(
    ' ',
  );

/** Words that may follow: keywords, tables and columns; refreshed when a statement may have changed the schema. */
export class Completer {
  #names: readonly string[] = [];

  async refresh(session: ShellSession): Promise<void> {
    const rows = await session.client
      .rows(
        `SELECT DISTINCT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'`,
      )
      .catch(() => []);
    this.#names = [...new Set(rows.flat().filter((name) => name !== null))].sort();
  }

  complete(line: string): [string[], string] {
    const word = /[\w.]*$/.exec(line)?.[0] ?? '';
    if (word === '') return [[], word];
    const lower = word === word.toLowerCase();
    const keywords = KEYWORDS.filter((k) => k.startsWith(word.toUpperCase())).map((k) =>
      lower ? k.toLowerCase() : k,
    );
    return [
      [...this.#names.filter((n) => n.startsWith(word)), ...keywords].map((w) => `${w} `),
      word,
    ];
  }
}

// Conversations on the wire as text: lines with '>' are messages of the client, the lines behind them what came back.
//
//   > query SELECT 1                        > describe S name        > copydata 1\tone\n
//   > parse @name (23,25) SELECT $1, $2     > execute portal 2       > copydone
//   > bind {"statement":"name", ...}        > close P portal         > copyfail reason
//   > sync                                  > flush               > ready
//
// Messages go out together at query, sync, flush and ready (which is no message); then what comes is read, up to
// ReadyForQuery or CopyInResponse.

import {
  cstring,
  errorFields,
  type Message,
  rowFields,
  rowValues,
  text,
  type WireClient,
} from './wire-client.ts';

export interface Conversation {
  readonly name: string;
  readonly differs: string | undefined;
  /** Each with what came back after it. */
  readonly steps: readonly { readonly send: string; readonly answer: readonly string[] }[];
}

export function parseConversations(file: string): Conversation[] {
  return file
    .split(/^# /m)
    .slice(1)
    .map((part) => {
      const [name = '', ...lines] = part.trimEnd().split('\n');
      const differs = lines[0]?.startsWith('differs: ') ? lines.shift() : undefined;
      const steps: { send: string; answer: string[] }[] = [];
      for (const line of lines) {
        if (line.startsWith('> ')) steps.push({ send: line.slice(2), answer: [] });
        else if (line !== '') steps.at(-1)?.answer.push(line);
      }
      return { name, differs, steps };
    });
}

export function renderConversations(conversations: readonly Conversation[]): string {
  return conversations
    .map(({ name, differs, steps }) =>
      [
        `# ${name}`,
        ...(differs === undefined ? [] : [differs]),
        ...steps.flatMap(({ send, answer }) => [`> ${send}`, ...answer]),
      ].join('\n'),
    )
    .join('\n\n')
    .concat('\n');
}

export async function converse(
  client: WireClient,
  steps: Conversation['steps'],
): Promise<Conversation['steps']> {
  const heard: { send: string; answer: string[] }[] = [];
  for (const { send } of steps) {
    const [, verb = '', rest = ''] = /^(\w+) ?(.*)$/.exec(send) ?? [];
    sendOne(client, verb, rest);
    heard.push({ send, answer: ENDS.has(verb) ? await hear(client) : [] });
  }
  return heard;
}

const ENDS = new Set(['query', 'sync', 'flush', 'ready']);

function sendOne(client: WireClient, verb: string, rest: string): void {
  const [first = '', second = ''] = rest.split(' ');
  switch (verb) {
    case 'query':
      return client.send('Q', cstring(rest)).flush();
    case 'parse': {
      const [, name, types, sql = ''] = /^(?:@(\w+) )?(?:\(([\d,]+)\) )?(.*)$/.exec(rest) ?? [];
      client.parse(sql, name, types?.split(',').map(Number));
      return;
    }
    case 'bind':
      client.bind(
        JSON.parse(rest || '{}', (_, value: unknown) =>
          typeof value === 'string' && value.startsWith('\\x')
            ? Buffer.from(value.slice(2), 'hex')
            : value,
        ) as Parameters<WireClient['bind']>[0],
      );
      return;
    case 'describe':
      client.describe(first === 'S' ? 'S' : 'P', second);
      return;
    case 'execute':
      client.execute(/^\d*$/.test(first) ? '' : first, Number(/\d+$/.exec(rest)?.[0] ?? 0));
      return;
    case 'close':
      client.close(first === 'S' ? 'S' : 'P', second);
      return;
    case 'sync':
      return client.sync().flush();
    case 'flush':
      return client.send('H').flush();
    case 'ready':
      return client.flush();
    case 'copydata':
      client.send('d', Buffer.from(rest.replaceAll('\\t', '\t').replaceAll('\\n', '\n')));
      return;
    case 'copydone':
      client.send('c');
      return;
    case 'copyfail':
      client.send('f', cstring(rest));
      return;
    default:
      throw new Error(`unknown message: ${verb}`);
  }
}

async function hear(client: WireClient): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const message = await client.next();
    lines.push(shown(message));
    if (message.type === 'Z' || message.type === 'G') return lines;
  }
}

function shown(message: Message): string {
  const { type, body } = message;
  switch (type) {
    case '1':
      return 'ParseComplete';
    case '2':
      return 'BindComplete';
    case '3':
      return 'CloseComplete';
    case 'n':
      return 'NoData';
    case 's':
      return 'PortalSuspended';
    case 'I':
      return 'EmptyQueryResponse';
    case 'C':
      return `CommandComplete ${text(message)}`;
    case 'Z':
      return `ReadyForQuery ${body.toString()}`;
    case 'G':
      return `CopyInResponse ${body.readInt16BE(1)}`;
    case 'H':
      return `CopyOutResponse ${body.readInt16BE(1)}`;
    case 'd':
      return `CopyData ${JSON.stringify(body.toString())}`;
    case 'c':
      return 'CopyDone';
    case 'S':
      return `ParameterStatus ${body.toString().slice(0, -1).replace('\0', ' = ')}`;
    case 't':
      return `ParameterDescription ${oids(body)}`;
    case 'T':
      return `RowDescription ${rowFields(message)
        .map((f) => `${f.name} ${f.typeOid}${f.format === 1 ? ' binary' : ''}`)
        .join(', ')}`;
    case 'D':
      return `DataRow ${rowValues(message).map(valueShown).join(' | ')}`;
    case 'E':
    case 'N': {
      const { S, C, M, P } = errorFields(message);
      return `${S} ${C} ${P === undefined ? '' : `@${P} `}${M}`;
    }
    default:
      return `message ${type}`;
  }
}

function oids(body: Buffer): string {
  return Array.from({ length: body.readInt16BE(0) }, (_, i) => body.readInt32BE(2 + 4 * i)).join(
    ' ',
  );
}

function valueShown(value: Buffer | null): string {
  if (value === null) return 'NULL';
  return /^[\x20-\x7e]*$/.test(value.toString('latin1'))
    ? value.toString()
    : `\\x${value.toString('hex')}`;
}

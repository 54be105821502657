// PostgreSQL's own grammar, as WebAssembly (libpg-query). An instance whose stack overflowed may be corrupt for good,
// so it is thrown away then, and a second one stands by because building one takes time. Texts must have passed
// guard.ts; only lower.ts looks at what comes out.

import type { ParseResult } from 'libpg-query';
import createModule, { type GrammarModule } from 'libpg-query/wasm/libpg-query.js';
import { DbError } from '../../base/errors.ts';
import { tooComplex } from './guard.ts';

// A statement that made the heap grow beyond this has had its day: give the memory back.
const heapBytesMax = 256 * 1024 * 1024;

const messageLengthMax = 300;

let current: GrammarModule | undefined;
let spare: GrammarModule | undefined;
let building: Promise<void> | undefined;

function ignore(): void {}

/** Resolves when the parser and its stand-in are there. Call it before the first statement; again does no harm. */
export function initParser(): Promise<void> {
  building ??= build().finally(() => {
    building = undefined;
  });
  return building;
}

async function build(): Promise<void> {
  // While one is built the other may be lost.
  while (current === undefined || spare === undefined) {
    const module = await createModule({ print: ignore, printErr: ignore });
    if (current === undefined) current = module;
    else spare = module;
  }
}

function discard(): void {
  current = spare;
  spare = undefined;
  // Should that fail too, the next statement finds no parser and says so.
  initParser().catch(ignore);
}

/** PostgreSQL's raw parse tree of all statements of the text. Throws DbError. */
export function parseTree(text: string): ParseResult {
  const module = current;
  if (module === undefined) {
    initParser().catch(ignore);
    throw new DbError('53000', 'the SQL parser is being restarted', {
      hint: 'Try the statement again in a moment.',
    });
  }
  try {
    const tree = run(module, text);
    if (module.HEAPU8.length > heapBytesMax) discard();
    return tree;
  } catch (error) {
    if (error instanceof DbError) throw error;
    discard();
    throw tooComplex('the statement is too complex for the SQL parser');
  }
}

function run(module: GrammarModule, text: string): ParseResult {
  const size = module.lengthBytesUTF8(text) + 1;
  const pointer = module._malloc(size);
  module.stringToUTF8(text, pointer, size);
  const result = module._wasm_parse_query_raw(pointer);
  const failure = module.getValue(result + 8, 'i32');
  const answer =
    failure === 0 ? module.UTF8ToString(module.getValue(result, 'i32')) : errorAt(module, failure);
  module._wasm_free_parse_result(result);
  module._free(pointer);
  if (answer instanceof DbError) throw answer;
  return JSON.parse(answer) as ParseResult;
}

/** struct PgQueryError: message, function, file, line, cursor position (1-based, in characters). */
function errorAt(module: GrammarModule, failure: number): DbError {
  const whole = module.UTF8ToString(module.getValue(failure, 'i32'));
  // An unterminated string is quoted in full.
  const message = whole.length > messageLengthMax ? `${whole.slice(0, messageLengthMax)}…` : whole;
  const position = module.getValue(failure + 16, 'i32');
  return new DbError(codeOf(message), message, position > 0 ? { position } : {});
}

/** The parser reports no SQLSTATE; nearly everything that a grammar refuses is a syntax error. */
function codeOf(message: string): string {
  if (message.startsWith('syntax error')) return '42601';
  if (message.includes('stack depth') || message.startsWith('memory exhausted')) return '54001';
  if (/not (yet )?(implemented|supported)/.test(message)) return '0A000';
  if (message.startsWith('invalid byte sequence')) return '22021';
  if (message.startsWith('nonstandard use of escape')) return '22P06';
  return '42601';
}

// CREATE and ALTER SEQUENCE, and what identity columns say of theirs.

import type { AlterSeqStmt, CreateSeqStmt, Node } from 'libpg-query';
import type { AlterSequenceStatement, CreateSequenceStatement, SequenceWords } from './ast.ts';
import { expectNode, type Lowering, namesOf } from './lower-context.ts';
import { lowerName } from './lower-from.ts';
import { lowerType } from './lower-type.ts';
import { definitions, valueText } from './lower-utility.ts';

export function lowerCreateSequence(ctx: Lowering, node: CreateSeqStmt): CreateSequenceStatement {
  expectNode(node.sequence !== undefined, 'CREATE SEQUENCE without a name');
  const { relpersistence, location } = node.sequence;
  if (relpersistence === 't') throw ctx.unsupported('a temporary sequence', location);
  if (relpersistence === 'u') throw ctx.unsupported('an UNLOGGED sequence', location);
  return {
    kind: 'createSequence',
    sequence: lowerName(ctx, node.sequence),
    ifNotExists: node.if_not_exists === true,
    words: lowerSequenceWords(ctx, node.options),
  };
}

export function lowerAlterSequence(ctx: Lowering, node: AlterSeqStmt): AlterSequenceStatement {
  expectNode(node.sequence !== undefined, 'ALTER SEQUENCE without a name');
  return {
    kind: 'alterSequence',
    sequence: lowerName(ctx, node.sequence),
    ifExists: node.missing_ok === true,
    words: lowerSequenceWords(ctx, node.options),
  };
}

export function lowerSequenceWords(
  ctx: Lowering,
  options: readonly Node[] | undefined,
): SequenceWords {
  const words: { -readonly [key in keyof SequenceWords]: SequenceWords[key] } = {};
  for (const { defname = '', arg, location } of definitions(options)) {
    const number = valueText(arg);
    switch (defname) {
      case 'as':
        expectNode(arg !== undefined && 'TypeName' in arg, 'a type was expected');
        words.type = lowerType(ctx, arg.TypeName);
        break;
      case 'increment':
      case 'start':
      case 'cache':
        expectNode(number !== undefined, `${defname} without a number`);
        words[defname] = number;
        break;
      case 'minvalue':
        words.min = number ?? null;
        break;
      case 'maxvalue':
        words.max = number ?? null;
        break;
      case 'restart':
        words.restart = number ?? null;
        break;
      case 'cycle':
        words.cycle = arg !== undefined && 'Boolean' in arg && arg.Boolean.boolval === true;
        break;
      case 'owned_by': {
        expectNode(arg !== undefined && 'List' in arg, 'a column was expected');
        const path = namesOf(arg.List.items);
        const column = path.pop() ?? '';
        const [name, schema] = [path.pop(), path.pop()];
        words.owner = name === undefined ? null : { table: { schema, name, at: -1 }, column };
        break;
      }
      default:
        throw ctx.unsupported(`${defname.toUpperCase()} of a sequence`, location);
    }
  }
  return words;
}

// Transactions, settings, COPY, EXPLAIN, VACUUM and the like.

import type {
  CopyStmt,
  DeallocateStmt,
  DefElem,
  DiscardStmt,
  ExplainStmt,
  Node,
  TransactionStmt,
  VacuumStmt,
  VariableSetStmt,
} from 'libpg-query';
import type {
  CopyStatement,
  DeallocateStatement,
  DiscardStatement,
  ExplainStatement,
  MaintenanceStatement,
  ResetStatement,
  SetStatement,
  Statement,
  TransactionStatement,
} from './ast.ts';
import { expectNode, locationOf, type Lowering, namesOf, tagOf } from './lower-context.ts';
import { lowerName } from './lower-from.ts';
import { lowerSelect } from './lower-select.ts';

export function definitions(nodes: readonly Node[] | undefined): DefElem[] {
  return (nodes ?? []).map((node) => {
    expectNode('DefElem' in node, 'an option was expected');
    return node.DefElem;
  });
}

/** An option's or a setting's value as text; undefined when it is no single word or number. */
export function valueText(node: Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  if ('A_Const' in node) {
    const { ival, fval, sval, boolval } = node.A_Const;
    if (ival !== undefined) return String(ival.ival ?? 0);
    if (fval !== undefined) return fval.fval ?? '';
    if (boolval !== undefined) return boolval.boolval === true ? 'true' : 'false';
    return sval === undefined ? undefined : (sval.sval ?? '');
  }
  if ('String' in node) return node.String.sval ?? '';
  if ('Integer' in node) return String(node.Integer.ival ?? 0);
  if ('Float' in node) return node.Float.fval ?? '';
  if ('Boolean' in node) return node.Boolean.boolval === true ? 'true' : 'false';
  // FORCE_QUOTE *
  if ('A_Star' in node) return '*';
  return undefined;
}

function isOn(value: string | undefined): boolean {
  return value === undefined || /^(true|on|1|yes)$/i.test(value);
}

const transactionActions: Readonly<Record<string, TransactionStatement['action']>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'release',
  TRANS_STMT_ROLLBACK_TO: 'rollbackTo',
};

export function lowerTransaction(ctx: Lowering, node: TransactionStmt): TransactionStatement {
  const action = transactionActions[node.kind ?? ''];
  if (action === undefined) {
    const what = (node.kind ?? '').replace('TRANS_STMT_', '').replaceAll('_', ' ');
    throw ctx.unsupported(what === 'PREPARE' ? 'PREPARE TRANSACTION' : what);
  }
  let isolation: string | undefined;
  let readOnly: boolean | undefined;
  for (const option of definitions(node.options)) {
    const value = valueText(option.arg);
    if (option.defname === 'transaction_isolation') isolation = value?.toLowerCase();
    else if (option.defname === 'transaction_read_only') readOnly = isOn(value);
    else if (isOn(value)) throw ctx.unsupported('DEFERRABLE', option.location);
  }
  return {
    kind: 'transaction',
    action,
    start: node.kind === 'TRANS_STMT_START',
    savepoint: node.savepoint_name,
    isolation,
    readOnly,
    chain: node.chain === true,
  };
}

export function lowerSet(ctx: Lowering, node: VariableSetStmt): SetStatement | ResetStatement {
  const name = (node.name ?? '').toLowerCase();
  const local = node.is_local === true;
  switch (node.kind) {
    case 'VAR_RESET':
      return { kind: 'reset', name };
    case 'VAR_RESET_ALL':
      return { kind: 'reset', name: 'all' };
    case 'VAR_SET_DEFAULT':
      return { kind: 'set', local, name, values: undefined };
    case 'VAR_SET_VALUE':
      return { kind: 'set', local, name, values: settingValues(ctx, node.args) };
    case 'VAR_SET_MULTI':
      return lowerModes(ctx, node, name);
    default:
      throw ctx.unsupported('SET … FROM CURRENT', node.location);
  }
}

function settingValues(ctx: Lowering, args: readonly Node[] | undefined): readonly string[] {
  return (args ?? []).map((arg) => {
    const value = valueText(arg);
    // SET TIME ZONE INTERVAL '…' is the one that is no constant.
    if (value === undefined) throw ctx.unsupported('SET to an expression', locationOf(arg));
    return value;
  });
}

/** SET TRANSACTION and SET SESSION CHARACTERISTICS are settings of their own names. */
function lowerModes(ctx: Lowering, node: VariableSetStmt, name: string): SetStatement {
  if (name === 'transaction snapshot') throw ctx.unsupported('SET TRANSACTION SNAPSHOT');
  const [mode, another] = definitions(node.args);
  expectNode(mode !== undefined, 'SET without a mode');
  if (another !== undefined) {
    throw ctx.unsupported('SET with several transaction modes', another.location);
  }
  const session = name === 'session characteristics';
  const value = valueText(mode.arg) ?? '';
  const isBoolean = mode.defname !== 'transaction_isolation';
  return {
    kind: 'set',
    local: !session,
    name: `${session ? 'default_' : ''}${mode.defname ?? ''}`,
    values: [isBoolean ? (isOn(value) ? 'on' : 'off') : value],
  };
}

export function lowerExplain(
  ctx: Lowering,
  node: ExplainStmt,
  lowerStatement: (ctx: Lowering, node: Node) => Statement,
): ExplainStatement {
  let analyze = false;
  let verbose = false;
  for (const option of definitions(node.options)) {
    const value = valueText(option.arg);
    if (option.defname === 'analyze') analyze = isOn(value);
    else if (option.defname === 'verbose') verbose = isOn(value);
    // Our plans print text, and no costs.
    else if (option.defname === 'format' && value?.toLowerCase() === 'text') continue;
    else if (option.defname === 'costs' && !isOn(value)) continue;
    else {
      const name = (option.defname ?? '').toUpperCase();
      throw ctx.unsupported(`EXPLAIN (${name})`, option.location);
    }
  }
  expectNode(node.query !== undefined, 'EXPLAIN without a statement');
  return { kind: 'explain', analyze, verbose, statement: lowerStatement(ctx, node.query) };
}

export function lowerCopy(ctx: Lowering, node: CopyStmt): CopyStatement {
  const { relation, query, attlist, filename } = node;
  const location = relation?.location;
  if (node.is_program === true) throw ctx.unsupported('COPY … PROGRAM', location);
  if (filename !== undefined)
    throw ctx.unsupported('COPY from or to a file of the server', location);
  if (node.whereClause !== undefined) throw ctx.unsupported('COPY … WHERE', location);
  if (query !== undefined && !('SelectStmt' in query)) {
    throw ctx.unsupported(`COPY (${tagOf(query).replace('Stmt', '').toUpperCase()} …)`);
  }
  const options: Record<string, string> = {};
  for (const option of definitions(node.options)) {
    const name = (option.defname ?? '').toLowerCase();
    if (Object.hasOwn(options, name)) {
      throw ctx.fail('42601', 'conflicting or redundant options', option.location);
    }
    const value = option.arg === undefined ? 'true' : valueText(option.arg);
    if (value === undefined) {
      throw ctx.unsupported(`COPY option ${name.toUpperCase()} with columns`, option.location);
    }
    options[name] = value;
  }
  return {
    kind: 'copy',
    table: relation === undefined ? undefined : lowerName(ctx, relation),
    query: query === undefined ? undefined : lowerSelect(ctx, query.SelectStmt),
    columns: attlist === undefined ? undefined : namesOf(attlist),
    direction: node.is_from === true ? 'from' : 'to',
    options,
    at: ctx.statementAt,
  };
}

/** Options of VACUUM say how to tidy storage that we don't have. */
export function lowerVacuum(ctx: Lowering, node: VacuumStmt): MaintenanceStatement {
  const tables = (node.rels ?? []).map((relation) => {
    expectNode('VacuumRelation' in relation, 'a table was expected');
    const table = relation.VacuumRelation.relation;
    expectNode(table !== undefined, 'a table was expected');
    return lowerName(ctx, table);
  });
  const command = node.is_vacuumcmd === true ? 'vacuum' : 'analyze';
  return { kind: 'maintenance', command, tables };
}

export function lowerDeallocate(node: DeallocateStmt): DeallocateStatement {
  return { kind: 'deallocate', name: node.isall === true ? undefined : node.name };
}

const discards: Readonly<Record<string, DiscardStatement['target']>> = {
  DISCARD_PLANS: 'plans',
  DISCARD_SEQUENCES: 'sequences',
  DISCARD_TEMP: 'temp',
};

export function lowerDiscard(node: DiscardStmt): DiscardStatement {
  return { kind: 'discard', target: discards[node.target ?? ''] ?? 'all' };
}

/**
 * Who may import whom: the table of DESIGN.md, section 2, as rules. Type-only imports count.
 *
 * TypeScript 7 has no compiler API that dependency-cruiser can use, so swc parses. Without it
 * nothing would be parsed and every rule would hold: test/house/boundaries.test.ts
 * insists on a number of modules above zero, and on planted violations being seen.
 */
import { Visitor } from '@swc/core/Visitor.js';

// swc parses `using`, but its visitor, which dependency-cruiser walks the tree with, throws on it.
const { visitStatement, visitVariableDeclaration } = Visitor.prototype;
Visitor.prototype.visitStatement = function visitAnyStatement(statement) {
  if (statement.type === 'UsingDeclaration') return this.visitVariableDeclaration(statement);
  return visitStatement.call(this, statement);
};
Visitor.prototype.visitVariableDeclaration = function visitAnyDeclaration(declaration) {
  if (declaration.type !== 'UsingDeclaration') {
    return visitVariableDeclaration.call(this, declaration);
  }
  declaration.decls = this.visitVariableDeclarators(declaration.decls);
  return declaration;
};

/** Room (a folder of src, or a file) -> what it may import besides itself. */
const table = {
  base: [],
  runtime: ['base'],
  rows: ['base'],
  clock: ['base', 'runtime'],
  rpc: ['base', 'runtime'],
  storage: ['base', 'runtime', 'clock', 'rows'],
  raft: ['base', 'runtime', 'clock'],
  ranges: ['base', 'runtime', 'clock', 'rows', 'storage', 'raft', 'rpc'],
  txn: ['base', 'runtime', 'clock', 'ranges/api.ts'],
  sql: ['base', 'runtime', 'clock', 'rows', 'txn', 'ranges/api.ts'],
  doors: ['base', 'runtime', 'rows', 'sql'],
  'doors/kv': ['base', 'runtime', 'rows', 'sql', 'doors', 'txn', 'ranges/api.ts'],
  node: 'base runtime clock rows storage raft rpc ranges txn sql doors'.split(' '),
  cli: ['node', 'sim', 'runtime', 'base'],
  'index.ts': ['node', 'sim', 'runtime', 'base'],
  // sim may import everything.
};

/** An npm package that only one place may know, however it is imported. */
const packages = [
  { name: 'piscina', only: 'src/runtime/node/' },
  { name: 'rocksdb-native', only: 'src/storage/' },
  { name: 'libpg-query', only: 'src/sql/parse/' },
  { name: 'node-sql-parser', only: 'src/sql/parse/' },
];

const pathOf = (room) => `src/${room.replaceAll('.', '\\.')}${room.endsWith('.ts') ? '$' : '/'}`;

function roomRule([room, mayImport]) {
  const nested = Object.keys(table).filter((other) => other.startsWith(`${room}/`));
  return {
    name: `room-${room.replace('/', '-')}`,
    comment: `${room} may import ${mayImport.join(', ') || 'nothing'} (DESIGN.md, section 2)`,
    severity: 'error',
    from: { path: `^${pathOf(room)}`, pathNot: nested.map((other) => `^${pathOf(other)}`) },
    to: { path: '^src/', pathNot: [room, ...mayImport].map((other) => `^${pathOf(other)}`) },
  };
}

function packageRule({ name, only }) {
  return {
    name: `package-${name}`,
    comment: `Within src, only ${only} may import ${name}`,
    severity: 'error',
    from: { path: '^src/', pathNot: `^${only}` },
    to: { path: `(^|/)node_modules/${name}/|^${name}(/|$)` },
  };
}

export default {
  forbidden: [
    ...Object.entries(table).map(roomRule),
    ...packages.map(packageRule),
    {
      name: 'rocksdb-native-in-one-file',
      comment: 'One file owns every handle: close() waits for the ones that were forgotten',
      severity: 'error',
      from: { path: '^src/' },
      module: { path: '(^|/)node_modules/rocksdb-native/', numberOfDependentsMoreThan: 1 },
    },
    {
      name: 'no-cycle',
      comment: 'Two files that import each other are one idea, or have a third in common',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'src-is-self-contained',
      comment:
        'What ships may not know benchmarks, tests, build output or what only developers have',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(bench|test|scripts|dist)/' },
    },
    {
      name: 'src-without-dev-dependencies',
      comment: 'A package that src needs belongs to dependencies, not devDependencies',
      severity: 'error',
      from: { path: '^src/' },
      // @types/* describe a package that is there at run time.
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], pathNot: '(^|/)node_modules/@types/' },
    },
    {
      name: 'resolvable',
      comment: 'A relative import names an existing file, with its extension (.ts)',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, path: '^\\.' },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: '(^|/)(node_modules|dist)/' },
  },
};

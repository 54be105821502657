// `npm run generate`: TypeScript from the .proto files, and their descriptors for gRPC's reflection service.
// With --check it writes nothing and fails when what is committed differs.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative, resolve } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

const repository = resolve(import.meta.dirname, '..');

/** Where .proto files lie, and where what is made of them goes. */
const modules = [
  {
    protos: 'src/rpc/proto',
    out: 'src/rpc/generated',
    // Its messages are those of version 1; only its descriptor is needed.
    descriptorOnly: ['reflection-v1alpha.proto'],
  },
  { protos: 'src/doors/kv', out: 'src/doors/kv/generated', descriptorOnly: [] },
];

const options = [
  'outputServices=generic-definitions',
  // Plain objects in and out: no JSON forms, no client, no defaults to merge.
  'outputJsonMethods=false',
  'outputClientImpl=false',
  'outputPartialMethods=false',
  'enumsAsLiterals=true',
  'removeEnumPrefix=true',
  'unrecognizedEnum=false',
  'oneof=unions',
  'esModuleInterop=true',
  'importSuffix=.ts',
];

function buf(...args) {
  const run = spawnSync(
    process.execPath,
    [join(repository, 'node_modules/@bufbuild/buf/bin/buf'), ...args],
    {
      cwd: repository,
      env: {
        ...process.env,
        PATH: [join(repository, 'node_modules/.bin'), process.env.PATH].join(delimiter),
      },
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  if (run.status !== 0) throw new Error(`buf ${args[0]} failed:\n${run.stderr}${run.error ?? ''}`);
  return run.stdout;
}

function symbolsOf(file) {
  const symbols = [];
  const messages = (list, scope) => {
    for (const message of list) {
      const name = `${scope}.${message.name}`;
      symbols.push(name);
      for (const { name: own } of message.enumType) symbols.push(`${name}.${own}`);
      messages(message.nestedType, name);
    }
  };
  messages(file.messageType, file.package);
  for (const { name } of file.enumType) symbols.push(`${file.package}.${name}`);
  for (const service of file.service) {
    symbols.push(`${file.package}.${service.name}`);
    for (const { name } of service.method) symbols.push(`${file.package}.${service.name}.${name}`);
  }
  return symbols;
}

/** The generated code with our reader and writer in place of @bufbuild/protobuf's (src/base/proto-wire.ts). */
function ours(source, out) {
  const wire = relative(join(repository, out), join(repository, 'src/base/proto-wire.ts'));
  const names = ['BinaryReader', 'BinaryWriter'];
  if (source.includes('new Uint8Array(0)')) names.push('NO_BYTES');
  const replaced = source
    .replace(/^import \{ BinaryReader, BinaryWriter \} from .*$/m, () => {
      return `import { ${names.join(', ')} } from "${wire}";`;
    })
    .replaceAll('new Uint8Array(0)', 'NO_BYTES')
    .replaceAll('longToNumber(reader.uint64())', 'reader.uint64()')
    .replace(/^function longToNumber[^]*?^\}\n\n/m, '');
  if (/bufbuild|longToNumber/.test(replaced)) throw new Error('ts-proto generates otherwise now');
  return replaced;
}

/** A module that tells the reflection service what each .proto file says. */
function descriptors(image) {
  const { file: files } = fromBinary(FileDescriptorSetSchema, image);
  const entries = files.map((file) => {
    const base64 = Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64');
    const fields = { name: file.name, symbols: symbolsOf(file), base64 };
    return `  ${JSON.stringify(fields)},\n`;
  });
  return `// Made by \`npm run generate\` from the .proto files; not to be edited.

export interface ProtoFile {
  readonly name: string;
  readonly symbols: readonly string[];
  /** A FileDescriptorProto. */
  readonly base64: string;
}

export const protoFiles: readonly ProtoFile[] = [
${entries.join('')}];
`;
}

function generate(directory, { protos, out, descriptorOnly }) {
  const target = join(directory, out);
  mkdirSync(target, { recursive: true });
  const template = {
    version: 'v2',
    plugins: [{ local: 'protoc-gen-ts_proto', out: target, opt: options }],
  };
  const excluded = descriptorOnly.flatMap((name) => ['--exclude-path', join(protos, name)]);
  buf('generate', protos, '--template', JSON.stringify(template), ...excluded);
  for (const name of readdirSync(target)) {
    const file = join(target, name);
    writeFileSync(file, ours(readFileSync(file, 'utf8'), out));
  }
  const image = buf(
    'build',
    protos,
    '--as-file-descriptor-set',
    '--exclude-source-info',
    '-o',
    '-',
  );
  writeFileSync(join(target, 'descriptors.ts'), descriptors(image));
}

const list = (directory) => {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
};

function differences(directory, { out }) {
  const [made, committed] = [join(directory, out), join(repository, out)];
  const names = [...new Set([...list(made), ...list(committed)])];
  return names
    .filter((name) => {
      if (!list(made).includes(name) || !list(committed).includes(name)) return true;
      return !readFileSync(join(made, name)).equals(readFileSync(join(committed, name)));
    })
    .map((name) => join(out, name));
}

if (process.argv.includes('--check')) {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-generate-'));
  try {
    for (const module of modules) generate(directory, module);
    const stale = modules.flatMap((module) => differences(directory, module));
    if (stale.length > 0) {
      console.error(`not what the .proto files say (npm run generate): ${stale.join(', ')}`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
} else {
  for (const module of modules) {
    rmSync(join(repository, module.out), { recursive: true, force: true });
    generate(repository, module);
  }
}

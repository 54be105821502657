// Which settings there are. Those that PostgreSQL has for its planner, its memory or its write-ahead log are here so
// that drivers and dumps may set them; their descriptions say that nothing depends on them.

import {
  APPLICATION_NAME,
  BOOLEAN,
  DATE_STYLE,
  FIXED,
  integer,
  ISOLATION,
  type Kind,
  MEMORY,
  milliseconds,
  oneOf,
  only,
  real,
  SEARCH_PATH,
  STRING,
  UTF8_ONLY,
} from './kinds.ts';
import { TIME_ZONE } from './zone.ts';

export const SERVER_VERSION = '15.0 (Meridian 0.1.0)';

export interface Definition {
  /** As SHOW names it. */
  readonly name: string;
  readonly kind: Kind;
  readonly initial: string;
  readonly description: string;
  /** Told to the client at start-up and when it changes. */
  readonly reported: boolean;
}

const INT_MAX = 2_147_483_647;
const NO_EFFECT = 'Accepted for compatibility; nothing depends on it.';
const TIMEOUT = milliseconds(0, INT_MAX);
const INTERVAL_STYLE = oneOf(
  ['postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'],
  ['postgres_verbose', 'sql_standard', 'iso_8601'],
);
const MESSAGE_LEVELS = oneOf([
  ...['debug5', 'debug4', 'debug3', 'debug2', 'debug1', 'log', 'notice', 'warning', 'error'],
]);

function define(
  name: string,
  kind: Kind,
  initial: string,
  description: string,
  reported = false,
): Definition {
  return { name, kind, initial, description, reported };
}

/** Known and settable, and nothing more. */
function ignored(kind: Kind, initial: string, ...names: readonly string[]): Definition[] {
  return names.map((name) => define(name, kind, initial, NO_EFFECT));
}

const DEFINITIONS: readonly Definition[] = [
  define('application_name', APPLICATION_NAME, '', 'The name that the client gives itself.', true),
  define(
    'client_encoding',
    UTF8_ONLY,
    'UTF8',
    'The encoding of what the client sends and gets.',
    true,
  ),
  define('DateStyle', DATE_STYLE, 'ISO, MDY', 'How dates are written and read.', true),
  define(
    'default_transaction_read_only',
    BOOLEAN,
    'off',
    'Whether transactions begin read-only.',
    true,
  ),
  define('in_hot_standby', FIXED, 'off', 'Whether this is a standby.', true),
  define('integer_datetimes', FIXED, 'on', 'Timestamps are integers.', true),
  define('IntervalStyle', INTERVAL_STYLE, 'postgres', 'How intervals are written.', true),
  define('is_superuser', FIXED, 'on', 'Whether the user may do everything.', true),
  define('server_encoding', FIXED, 'UTF8', 'The encoding of stored text.', true),
  define(
    'server_version',
    FIXED,
    SERVER_VERSION,
    'The PostgreSQL that this speaks like, and its own version.',
    true,
  ),
  define('session_authorization', FIXED, 'root', 'The user of this session.', true),
  define(
    'standard_conforming_strings',
    only('on'),
    'on',
    'Backslashes in plain string literals are ordinary.',
    true,
  ),
  define('TimeZone', TIME_ZONE, 'UTC', 'The zone in which timestamps are shown and read.', true),

  define(
    'server_version_num',
    FIXED,
    '150000',
    'The PostgreSQL that this speaks like, as a number.',
  ),
  define(
    'transaction_isolation',
    ISOLATION,
    'serializable',
    'Transactions are serializable, always.',
  ),
  define(
    'default_transaction_isolation',
    ISOLATION,
    'serializable',
    'Transactions are serializable, always.',
  ),
  define('transaction_read_only', BOOLEAN, 'off', 'Whether the open transaction may write.'),
  define(
    'transaction_deferrable',
    only('off'),
    'off',
    'Whether a read-only transaction waits for a snapshot.',
  ),
  define(
    'default_transaction_deferrable',
    only('off'),
    'off',
    'Whether read-only transactions wait for a snapshot.',
  ),
  define(
    'statement_timeout',
    TIMEOUT,
    '0',
    'The longest time that a statement may take; 0 is no limit.',
  ),
  define(
    'lock_timeout',
    TIMEOUT,
    '0',
    'The longest time that a statement waits for a lock; 0 is no limit.',
  ),
  define(
    'search_path',
    SEARCH_PATH,
    '"$user", public',
    'Where names without a schema are looked for.',
  ),
  define(
    'extra_float_digits',
    integer(-15, 3),
    '1',
    'Floats are always written with the digits that they need.',
  ),
  define('bytea_output', oneOf(['escape', 'hex'], ['escape']), 'hex', 'How bytea is written.'),
  define('client_min_messages', MESSAGE_LEVELS, 'notice', 'Notices below this level are not sent.'),
  define('role', oneOf(['none']), 'none', 'The role in place of the user.'),
  define('row_security', BOOLEAN, 'on', 'There are no row policies.'),
  define('max_identifier_length', FIXED, '63', 'Names are cut to this many bytes.'),
  define('max_index_keys', FIXED, '32', 'The most columns that a key may have.'),
  define('max_function_args', FIXED, '100', 'The most arguments of a function.'),
  define('block_size', FIXED, '8192', 'PostgreSQL has pages of this size.'),
  define('lc_collate', FIXED, 'C', 'Text is ordered by code point.'),
  define('lc_ctype', FIXED, 'C.UTF-8', 'How characters are classed.'),
  define('ssl', FIXED, 'off', 'Whether connections are encrypted.'),

  ...ignored(BOOLEAN, 'on', 'synchronize_seqscans', 'check_function_bodies', 'array_nulls'),
  ...ignored(
    BOOLEAN,
    'on',
    'escape_string_warning',
    'jit',
    'geqo',
    'parallel_leader_participation',
  ),
  ...ignored(
    BOOLEAN,
    'on',
    'enable_async_append',
    'enable_bitmapscan',
    'enable_gathermerge',
    'enable_hashagg',
  ),
  ...ignored(BOOLEAN, 'on', 'enable_hashjoin', 'enable_incremental_sort', 'enable_indexonlyscan'),
  ...ignored(
    BOOLEAN,
    'on',
    'enable_indexscan',
    'enable_material',
    'enable_memoize',
    'enable_mergejoin',
  ),
  ...ignored(BOOLEAN, 'on', 'enable_nestloop', 'enable_parallel_append', 'enable_parallel_hash'),
  ...ignored(BOOLEAN, 'on', 'enable_seqscan', 'enable_sort', 'enable_tidscan', 'track_activities'),
  ...ignored(
    BOOLEAN,
    'off',
    'quote_all_identifiers',
    'transform_null_equals',
    'lo_compat_privileges',
  ),
  ...ignored(BOOLEAN, 'off', 'enable_partitionwise_aggregate', 'enable_partitionwise_join'),
  ...ignored(BOOLEAN, 'off', 'default_with_oids', 'log_statement_stats', 'log_duration'),
  ...ignored(TIMEOUT, '0', 'idle_in_transaction_session_timeout', 'idle_session_timeout'),
  ...ignored(
    TIMEOUT,
    '0',
    'transaction_timeout',
    'tcp_user_timeout',
    'client_connection_check_interval',
  ),
  ...ignored(TIMEOUT, '1s', 'deadlock_timeout'),
  ...ignored(integer(-1, INT_MAX), '-1', 'log_min_duration_statement'),
  ...ignored(integer(0, INT_MAX), '0', 'tcp_keepalives_idle', 'tcp_keepalives_interval'),
  ...ignored(integer(0, INT_MAX), '0', 'tcp_keepalives_count', 'commit_delay'),
  ...ignored(
    integer(0, 1024),
    '2',
    'max_parallel_workers_per_gather',
    'max_parallel_maintenance_workers',
  ),
  ...ignored(
    integer(1, INT_MAX),
    '8',
    'from_collapse_limit',
    'join_collapse_limit',
    'max_parallel_workers',
  ),
  ...ignored(integer(1, 10_000), '100', 'default_statistics_target', 'max_connections'),
  ...ignored(integer(0, 1000), '1', 'effective_io_concurrency'),
  ...ignored(MEMORY, '4MB', 'work_mem', 'temp_buffers'),
  ...ignored(MEMORY, '64MB', 'maintenance_work_mem'),
  ...ignored(real(0, Number.MAX_VALUE), '4', 'random_page_cost'),
  ...ignored(real(0, Number.MAX_VALUE), '1', 'seq_page_cost'),
  ...ignored(STRING, '', 'default_tablespace', 'temp_tablespaces', 'default_text_search_config'),
  ...ignored(STRING, 'C', 'lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time'),
  ...ignored(STRING, 'Default', 'timezone_abbreviations'),
  ...ignored(STRING, 'heap', 'default_table_access_method'),
  ...ignored(oneOf(['content', 'document']), 'content', 'xmloption'),
  ...ignored(oneOf(['base64', 'hex']), 'base64', 'xmlbinary'),
  ...ignored(oneOf(['safe_encoding', 'on', 'off']), 'safe_encoding', 'backslash_quote'),
  ...ignored(oneOf(['auto', 'force_generic_plan', 'force_custom_plan']), 'auto', 'plan_cache_mode'),
  ...ignored(oneOf(['partition', 'on', 'off']), 'partition', 'constraint_exclusion'),
  ...ignored(
    oneOf(['on', 'off', 'local', 'remote_write', 'remote_apply']),
    'on',
    'synchronous_commit',
  ),
  ...ignored(oneOf(['scram-sha-256', 'md5']), 'scram-sha-256', 'password_encryption'),
  ...ignored(oneOf(['none', 'ddl', 'mod', 'all']), 'none', 'log_statement'),
  ...ignored(MESSAGE_LEVELS, 'warning', 'log_min_messages'),
  ...ignored(oneOf(['terse', 'default', 'verbose']), 'default', 'log_error_verbosity'),
];

export const SETTINGS: ReadonlyMap<string, Definition> = new Map(
  [...DEFINITIONS]
    .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
    .map((definition) => [definition.name.toLowerCase(), definition]),
);

/** Other ways to say the same. */
export const SETTING_ALIASES: ReadonlyMap<string, string> = new Map([
  ['time zone', 'timezone'],
  ['names', 'client_encoding'],
  ['transaction isolation level', 'transaction_isolation'],
  ['session authorization', 'session_authorization'],
]);

CREATE TABLE t (a int)
CREATE TABLE t (a int, b text)
CREATE TABLE IF NOT EXISTS t (a int)
CREATE TABLE s.t (a int)
CREATE TABLE t (a int PRIMARY KEY)
CREATE TABLE t (a int PRIMARY KEY, b text NOT NULL)
CREATE TABLE t (a int NOT NULL PRIMARY KEY)
CREATE TABLE t (a int, b int, PRIMARY KEY (a, b))
CREATE TABLE t (a int, b int, CONSTRAINT k PRIMARY KEY (b, a))
CREATE TABLE t (a int CONSTRAINT k PRIMARY KEY)
CREATE TABLE t (a int DEFAULT 1)
CREATE TABLE t (a int DEFAULT -1)
CREATE TABLE t (a text DEFAULT 'x')
CREATE TABLE t (a text DEFAULT 'it''s' NOT NULL)
CREATE TABLE t (a int DEFAULT (1 + 2))
CREATE TABLE t (a int DEFAULT 1 + 2 * 3)
CREATE TABLE t (a timestamptz DEFAULT now())
CREATE TABLE t (a timestamp DEFAULT current_timestamp)
CREATE TABLE t (a text DEFAULT NULL)
CREATE TABLE t (a boolean DEFAULT true)
CREATE TABLE t (a text DEFAULT 'x'::text)
CREATE TABLE t (a int NULL)
CREATE TABLE t (a bool, b boolean)
CREATE TABLE t (a int2, b int4, c int8, d smallint, e integer, f bigint)
CREATE TABLE t (a float4, b float8, c real, d double precision, e float, f float(20))
CREATE TABLE t (a numeric, b numeric(10), c numeric(10, 2), d decimal, e decimal(5, 1), f dec)
CREATE TABLE t (a text, b varchar, c varchar(20), d character varying(5), e char, f char(3), g character(4))
CREATE TABLE t (a bytea, b uuid, c json, d jsonb)
CREATE TABLE t (a date, b timestamp, c timestamptz, d timestamp with time zone, e timestamp without time zone, f timestamp(3))
CREATE TABLE t (a time, b time with time zone, c interval)
CREATE TABLE t (a serial)
CREATE TABLE t (a int[])
CREATE TABLE "T" ("A" int, "b c" text)
CREATE TABLE t (a int) WITH (fillfactor=100)
CREATE TABLE t (a int) WITH (autovacuum_enabled=false)
CREATE TABLE t (a int) TABLESPACE x
CREATE TABLE t ()
CREATE TABLE t (LIKE u)
CREATE TABLE t (a int CHECK (a > 0))
CREATE TABLE t (a int UNIQUE)
CREATE TABLE t (a int REFERENCES u (a))
CREATE TABLE t (a int, UNIQUE (a))
CREATE TABLE t (a int, CHECK (a > 0))
CREATE TABLE t (a int, FOREIGN KEY (a) REFERENCES u (a))
CREATE TABLE t (a int, EXCLUDE USING gist (a WITH =))
CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY)
CREATE TABLE t (a int GENERATED ALWAYS AS (1) STORED)
CREATE TABLE t (a text COLLATE "C")
CREATE TABLE t (a int PRIMARY KEY DEFERRABLE)
CREATE TABLE t (a int, PRIMARY KEY (a) INCLUDE (b))
CREATE TABLE t (a int) PARTITION BY RANGE (a)
CREATE TABLE t PARTITION OF u FOR VALUES FROM (1) TO (2)
CREATE TABLE t (a int) INHERITS (u)
CREATE TEMP TABLE t (a int)
CREATE UNLOGGED TABLE t (a int)
CREATE TABLE t AS SELECT 1
CREATE TABLE t OF x
CREATE TABLE t (a int) USING heap
CREATE TABLE d.s.t (a int)
CREATE TABLE pgbench_accounts(aid int not null,bid int,abalance int,filler char(84)) with (fillfactor=100)
DROP TABLE t
DROP TABLE IF EXISTS t
DROP TABLE a, s.b, "C"
DROP TABLE t CASCADE
DROP TABLE t RESTRICT
DROP TABLE IF EXISTS pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers
ALTER TABLE t ADD PRIMARY KEY (a)
ALTER TABLE t ADD PRIMARY KEY (a, b)
ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a)
ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a)
ALTER TABLE IF EXISTS t ADD PRIMARY KEY (a)
ALTER TABLE t ADD COLUMN b int
ALTER TABLE t DROP COLUMN b
ALTER TABLE t ADD UNIQUE (a)
ALTER TABLE t RENAME TO u
ALTER TABLE t ADD PRIMARY KEY (a), ADD COLUMN b int
ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY USING INDEX i
ALTER INDEX i RENAME TO j
TRUNCATE t
TRUNCATE TABLE t
TRUNCATE TABLE a, b, s.c
TRUNCATE t CASCADE
TRUNCATE t RESTART IDENTITY
CREATE INDEX ON t (a)
CREATE UNIQUE INDEX i ON t (a)
CREATE VIEW v AS SELECT 1
CREATE SCHEMA s
CREATE SEQUENCE q
CREATE DATABASE d
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE TYPE e AS ENUM ('a')
CREATE EXTENSION x
CREATE ROLE r
DROP INDEX i
DROP VIEW v
DROP MATERIALIZED VIEW v
DROP SCHEMA s
GRANT SELECT ON t TO r
COMMENT ON TABLE t IS 'x'

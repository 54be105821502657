SELECT 0, 1, 42, 2147483647, 2147483648, 9223372036854775807, 9223372036854775808
SELECT -1, -2147483648, -9223372036854775808, -9223372036854775809
SELECT 1.5, .5, 5., 1e10, 1.5e-3, 1E+5, -1.5
SELECT 0x1F, 0o17, 0b101, 1_000, 0xFFFFFFFFFF, 1_000.5
SELECT 12345678901234567890.123456789012345678901234567890
SELECT 'a', '', 'it''s', 'back\slash', 'ünïcödé', '日本語 🎉'
SELECT E'a\nb\tc\\d\'e', E'\x41', E'\u00e9'
SELECT $$dollar$$, $x$a $$ b$x$
SELECT true, false, TRUE, FALSE, null, NULL
SELECT 1 + 2 * 3
SELECT (1 + 2) * 3
SELECT 1 - 2 - 3
SELECT 1 - (2 - 3)
SELECT a * b / c % d
SELECT a + b - c * d / e
SELECT 2 ^ 3 ^ 2
SELECT -2 ^ 2
SELECT -a ^ 2
SELECT - - a
SELECT -(-1)
SELECT -(5)
SELECT +a
SELECT a - -1
SELECT a + -1 * b
SELECT a || b || c
SELECT a || 'x' = b || 'y'
SELECT a + 1 = b * 2
SELECT a = 1 = true
SELECT a < b OR a = b AND c
SELECT a & b | c # d
SELECT a << 2, b >> 1, ~c
SELECT a -> 'b' ->> 'c'
SELECT a @> b, c <@ d
SELECT 1 * a @> b
SELECT a::int
SELECT a::text::varchar
SELECT '1'::int4, '1'::int8, '1'::int2
SELECT '2020-01-01'::date
SELECT '5'::int + 1
SELECT -5::int
SELECT -a::int
SELECT (-5)::int
SELECT a + b::int * c
SELECT a::varchar(20), b::char(3), c::numeric(10, 2), d::numeric(5)
SELECT CAST(a AS int)
SELECT CAST(a AS integer), CAST(a AS bigint), CAST(a AS smallint)
SELECT CAST(a AS varchar(20)), CAST(b AS numeric(10,2)), CAST(c AS text)
SELECT CAST(a AS double precision), CAST(a AS real), CAST(a AS boolean)
SELECT CAST(a AS timestamp with time zone), CAST(a AS timestamp without time zone), CAST(a AS timestamp)
SELECT CAST(a + 1 AS text)
SELECT CAST(a AS character varying), CAST(a AS character varying(5)), CAST(a AS char)
SELECT CAST(a AS decimal), CAST(a AS decimal(4,1)), CAST(a AS float), CAST(a AS float8)
SELECT CAST(a AS uuid), CAST(a AS bytea), CAST(a AS date), CAST(a AS timestamptz)
SELECT a::float(10), a::float(40)
SELECT a::public.mytype
SELECT a::int[]
SELECT DATE '2020-01-01'
SELECT TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP WITH TIME ZONE '2020-01-01 00:00:00+00'
SELECT INTERVAL '1 day'
SELECT INTERVAL '1' DAY
SELECT int4 '5', numeric '1.5'
SELECT CASE WHEN a THEN 1 END
SELECT CASE WHEN a = 1 THEN 'x' WHEN a = 2 THEN 'y' ELSE 'z' END
SELECT CASE a WHEN 1 THEN 'x' ELSE 'z' END
SELECT CASE a + 1 WHEN b * 2 THEN c || d END
SELECT CASE WHEN a THEN CASE WHEN b THEN 1 ELSE 2 END ELSE 3 END
SELECT CASE WHEN a AND b OR c THEN d + e ELSE -f END AS x
SELECT COALESCE(a, b, 1)
SELECT COALESCE(a + 1, NULL)
SELECT NULLIF(a, 0)
SELECT GREATEST(a, b), LEAST(a, 1, 2)
SELECT now()
SELECT f(), f(1), f(a, b + 1), s.f(a)
SELECT lower(upper(a))
SELECT length(a) + 1
SELECT abs(-a), abs(-1)
SELECT round(a, 2)
SELECT left(a, 2), right(a, 2)
SELECT substr(a, 1, 2)
SELECT substring(a FROM 1 FOR 2)
SELECT position('x' IN a)
SELECT trim(a), trim(BOTH 'x' FROM a), trim(LEADING FROM a)
SELECT extract(year FROM a)
SELECT overlay(a PLACING 'x' FROM 2)
SELECT a AT TIME ZONE 'UTC'
SELECT current_date
SELECT current_timestamp
SELECT current_user, session_user, user, current_catalog, current_schema
SELECT localtime, localtimestamp, current_time
SELECT current_schema()
SELECT version()
SELECT pg_catalog.version()
SELECT a IS NULL AND b IS NOT NULL
SELECT (a IS NULL) = (b IS NULL)
SELECT a IN (1, 2) AND b
SELECT a + 1 IN (b, c * 2)
SELECT a LIKE 'x' AND b
SELECT a || 'x' LIKE b || 'y'
SELECT NOT a LIKE b
SELECT NOT a = b
SELECT NOT a IS NULL
SELECT a = b AND NOT c
SELECT a BETWEEN b AND c AND d
SELECT a NOT BETWEEN b + 1 AND c - 1
SELECT (a, b) = (1, 2)
SELECT ROW(1, 2)
SELECT ARRAY[1, 2]
SELECT a[1]
SELECT (a).b
SELECT a = ANY ($1)
SELECT a = ANY (ARRAY[1, 2])
SELECT EXISTS (SELECT 1)
SELECT (SELECT 1)
SELECT a IN (SELECT b FROM u)
SELECT a COLLATE "C"
SELECT a OPERATOR(pg_catalog.+) b
SELECT f(VARIADIC a)
SELECT f(x => 1)
SELECT row_number() OVER (ORDER BY a) FROM t
SELECT a SIMILAR TO 'x'
SELECT B'101', X'1F'
SELECT U&'\0041'
SELECT N'x'
SELECT current_timestamp(3)
SELECT 'a' 'b'
SELECT "select", "from" FROM "where"
SELECT a AS select, b AS "end" FROM t
SELECT $1, $2 + $1, $1::int
SELECT a.b.c, "a"."B".c
SELECT /* comment */ 1 -- end
SELECT 1 /* nested /* comment */ */ + 2
SELECT ((((a))))
SELECT ((a + b)) * ((c))
SELECT a=b, a=-1, a*-1, a<-1, a>=-b
SELECT 1+2, a-1, a -1, a- 1

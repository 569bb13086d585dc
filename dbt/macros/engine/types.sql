{#- Types and casts that differ between the engines. Models use these names instead of an engine's own. -#}

{#- Money and fractional counts: exact, 29 digits before the point and 9 after it, the same on every engine. -#}
{% macro numeric_type() -%}
    {{ adapter.dispatch('numeric_type', 'mdp')() }}
{%- endmacro %}

{% macro duckdb__numeric_type() -%}
    decimal(38, 9)
{%- endmacro %}

{% macro bigquery__numeric_type() -%}
    numeric
{%- endmacro %}


{#- Ratios: 64-bit floating point. -#}
{% macro double_type() -%}
    {{ adapter.dispatch('double_type', 'mdp')() }}
{%- endmacro %}

{% macro duckdb__double_type() -%}
    double
{%- endmacro %}

{% macro bigquery__double_type() -%}
    float64
{%- endmacro %}


{#- Null instead of an error where a value can't be converted. -#}
{% macro safe_cast_as(expression, type) -%}
    {{ adapter.dispatch('safe_cast_as', 'mdp')(expression, type) }}
{%- endmacro %}

{% macro duckdb__safe_cast_as(expression, type) -%}
    try_cast({{ expression }} as {{ type }})
{%- endmacro %}

{% macro bigquery__safe_cast_as(expression, type) -%}
    safe_cast({{ expression }} as {{ type }})
{%- endmacro %}


{% macro matches(expression, pattern) -%}
    {{ adapter.dispatch('matches', 'mdp')(expression, pattern) }}
{%- endmacro %}

{% macro duckdb__matches(expression, pattern) -%}
    regexp_matches({{ expression }}, '{{ pattern }}')
{%- endmacro %}

{% macro bigquery__matches(expression, pattern) -%}
    regexp_contains({{ expression }}, r'{{ pattern }}')
{%- endmacro %}


{#- The double that is nearest to an exact number. -#}
{% macro to_double(expression) -%}
    {{ adapter.dispatch('to_double', 'mdp')(expression) }}
{%- endmacro %}

{% macro duckdb__to_double(expression) -%}
    cast({{ expression }} as {{ double_type() }})
{%- endmacro %}

{#- Through text: a direct cast from NUMERIC sometimes gives a neighbour of the nearest double on BigQuery. -#}
{% macro bigquery__to_double(expression) -%}
    cast(cast({{ expression }} as string) as {{ double_type() }})
{%- endmacro %}


{#-
    Numbers in text. mdp_dagster/number_text.py has the same patterns, by which ingest accepts a text: so a text that
    ingest accepts is a number here, on both engines. Without a pattern they would accept different texts: DuckDB
    accepts `1_000` and `1e5.`, rounds '1.5' to the whole number 2, and disagrees with BigQuery about large exponents.
-#}

{#- A whole number from text; 30.0 is valid. -#}
{% macro text_to_integer(text) -%}
    case
        when {{ matches(text, '^-?[0-9]{1,18}([.]0+)?$') }} then {{ safe_cast_as(safe_cast_as(text, numeric_type()), 'bigint') }}
    end
{%- endmacro %}


{#- A decimal number from text, also with an exponent. -#}
{% macro text_to_numeric(text) -%}
    {%- set pattern = '^[ \\t\\n\\f\\r]*[+-]?('
        ~ '([0-9]{1,28}([.][0-9]*)?|[.][0-9]+)([eE]-[0-9]{1,4})?'
        ~ '|([0-9]{1,20}([.][0-9]*)?|[.][0-9]+)[eE][+]?0?[0-8]'
        ~ '|([0-9]{1,9}([.][0-9]*)?|[.][0-9]+)[eE][+]?[01]?[0-9]'
        ~ ')[ \\t\\n\\f\\r]*$' -%}
    case
        when {{ matches(text, pattern) }}
            then {{ safe_cast_as(text, numeric_type()) }}
    end
{%- endmacro %}


{#-
    The decimal number that a double represents, through its shortest text that gives the same double again. Scaling the
    double itself would show its binary digits (123456789.123 → …122999996). NaN and infinity become null.
-#}
{% macro double_to_numeric(expression) -%}
    {{ safe_cast_as(double_to_text(expression), numeric_type()) }}
{%- endmacro %}

{% macro double_to_text(expression) -%}
    {{ adapter.dispatch('double_to_text', 'mdp')(expression) }}
{%- endmacro %}

{% macro duckdb__double_to_text(expression) -%}
    cast({{ expression }} as string)
{%- endmacro %}

{#- BigQuery's own cast prints 15 or 17 digits, but never 16: 12345678.12345679 would end in …6791. -#}
{% macro bigquery__double_to_text(expression) -%}
    case
        {%- for digits in [15, 16] %}
        when cast(format('%.{{ digits }}g', {{ expression }}) as float64) = {{ expression }}
            then format('%.{{ digits }}g', {{ expression }})
        {%- endfor %}
        else format('%.17g', {{ expression }})
    end
{%- endmacro %}


{#- Millionths of a currency unit to units, exactly. It multiplies, because DuckDB divides in floating point. -#}
{% macro micros_to_currency(micros) -%}
    cast(cast({{ micros }} as {{ numeric_type() }}) * cast('0.000001' as {{ numeric_type() }}) as {{ numeric_type() }})
{%- endmacro %}


{#- The days from the first date to the second; negative if the second date is earlier. -#}
{% macro days_from(earlier, later) -%}
    {{ adapter.dispatch('days_from', 'mdp')(earlier, later) }}
{%- endmacro %}

{% macro duckdb__days_from(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{% macro bigquery__days_from(earlier, later) -%}
    date_diff({{ later }}, {{ earlier }}, day)
{%- endmacro %}


{#- The whole minutes between two instants, in any order. -#}
{% macro minutes_between(one, other) -%}
    {{ adapter.dispatch('minutes_between', 'mdp')(one, other) }}
{%- endmacro %}

{#- Not date_diff: it counts changes of the clock's minute, which BigQuery can't count for timestamps. -#}
{% macro duckdb__minutes_between(one, other) -%}
    abs(date_sub('minute', {{ one }}, {{ other }}))
{%- endmacro %}

{% macro bigquery__minutes_between(one, other) -%}
    div(abs(timestamp_diff({{ one }}, {{ other }}, microsecond)), 60000000)
{%- endmacro %}


{#-
    The day on which an instant falls in a time zone (IANA name). If the engine does not know the zone, the zone
    `otherwise` counts. The opposite direction, from a clock in a zone to an instant, is not needed: it is not defined
    where a clock skips or repeats an hour.
-#}
{% macro day_in_zone(instant, time_zone, otherwise='UTC') -%}
    {{ adapter.dispatch('day_in_zone', 'mdp')(instant, time_zone, otherwise) }}
{%- endmacro %}

{#- DuckDB refuses unknown names. Its table of time zones is part of its Python package: nothing is downloaded. -#}
{% macro duckdb__day_in_zone(instant, time_zone, otherwise) -%}
    cast(
        timezone(
            case when {{ time_zone }} in (select name from pg_timezone_names()) then {{ time_zone }} else '{{ otherwise }}' end,
            timezone('UTC', {{ instant }})
        ) as date
    )
{%- endmacro %}

{% macro bigquery__day_in_zone(instant, time_zone, otherwise) -%}
    coalesce(safe.date({{ instant }}, nullif({{ time_zone }}, '')), date({{ instant }}, '{{ otherwise }}'))
{%- endmacro %}


{#- The instant some hours earlier. -#}
{% macro hours_before(instant, hours) -%}
    {{ adapter.dispatch('hours_before', 'mdp')(instant, hours) }}
{%- endmacro %}

{% macro duckdb__hours_before(instant, hours) -%}
    {{ instant }} - to_hours({{ hours }})
{%- endmacro %}

{% macro bigquery__hours_before(instant, hours) -%}
    timestamp_sub({{ instant }}, interval ({{ hours }}) hour)
{%- endmacro %}


{#- The hour (0 to 23) that a clock in a time zone shows at an instant; in an unknown zone, in that of `otherwise`. -#}
{% macro hour_in_zone(instant, time_zone, otherwise='Etc/GMT+12') -%}
    {{ adapter.dispatch('hour_in_zone', 'mdp')(instant, time_zone, otherwise) }}
{%- endmacro %}

{% macro duckdb__hour_in_zone(instant, time_zone, otherwise) -%}
    extract(hour from timezone(
        case when {{ time_zone }} in (select name from pg_timezone_names()) then {{ time_zone }} else '{{ otherwise }}' end,
        timezone('UTC', {{ instant }})
    ))
{%- endmacro %}

{% macro bigquery__hour_in_zone(instant, time_zone, otherwise) -%}
    cast(
        coalesce(
            safe.format_timestamp('%H', {{ instant }}, coalesce(nullif({{ time_zone }}, ''), '{{ otherwise }}')),
            format_timestamp('%H', {{ instant }}, '{{ otherwise }}')
        ) as int64
    )
{%- endmacro %}


{#- The value of a key in a JSON object, as text; null if there is none, or the text is not JSON. -#}
{% macro json_text(text, key) -%}
    {{ adapter.dispatch('json_text', 'mdp')(text, key) }}
{%- endmacro %}

{% macro duckdb__json_text(text, key) -%}
    json_extract_string(try_cast({{ text }} as json), '$.{{ key }}')
{%- endmacro %}

{% macro bigquery__json_text(text, key) -%}
    json_value(safe.parse_json({{ text }}, wide_number_mode => 'round'), '$.{{ key }}')
{%- endmacro %}


{#- The first day of a date's month. -#}
{% macro month_of(day) -%}
    {{ adapter.dispatch('month_of', 'mdp')(day) }}
{%- endmacro %}

{% macro duckdb__month_of(day) -%}
    cast(date_trunc('month', {{ day }}) as date)
{%- endmacro %}

{% macro bigquery__month_of(day) -%}
    cast(date_trunc({{ day }}, month) as date)
{%- endmacro %}


{#- The months from the first of one month to the first of a later one. -#}
{% macro months_from(earlier, later) -%}
    {{ adapter.dispatch('months_from', 'mdp')(earlier, later) }}
{%- endmacro %}

{% macro duckdb__months_from(earlier, later) -%}
    date_diff('month', {{ earlier }}, {{ later }})
{%- endmacro %}

{% macro bigquery__months_from(earlier, later) -%}
    date_diff({{ later }}, {{ earlier }}, month)
{%- endmacro %}


{#- The date some days before a date. -#}
{% macro days_before(day, days) -%}
    {{ adapter.dispatch('days_before', 'mdp')(day, days) }}
{%- endmacro %}

{% macro duckdb__days_before(day, days) -%}
    {{ day }} - {{ days }}
{%- endmacro %}

{% macro bigquery__days_before(day, days) -%}
    date_sub({{ day }}, interval {{ days }} day)
{%- endmacro %}


{#- The instant at which the query runs, in UTC. -#}
{% macro current_instant() -%}
    {{ adapter.dispatch('current_instant', 'mdp')() }}
{%- endmacro %}

{% macro duckdb__current_instant() -%}
    timezone('UTC', now())
{%- endmacro %}

{% macro bigquery__current_instant() -%}
    current_timestamp()
{%- endmacro %}

{#-
    Today in a time zone: at the instant of a build as of the past, at the variable `now` (an instant in UTC), or at the
    time of the query.
-#}
{% macro today_in_zone(time_zone) -%}
    {%- set moment = (as_of_moment() | trim) or var('now', none) -%}
    {{ day_in_zone("timestamp '" ~ moment ~ "'" if moment else current_instant(), time_zone) }}
{%- endmacro %}

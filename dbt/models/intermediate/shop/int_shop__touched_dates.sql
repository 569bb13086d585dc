{{ config(
    meta={'touched': 'newly_touched_dates', 'group_columns': ['shop_id', 'kind', 'touched_date']},
    cluster_by=['shop_id'],
) }}
{%- do newly_touched_dates() -%}

{% if writes_touched_rows() -%}
select
    shop_id,
    kind,
    touched_date,
    extracted_at
from {{ touched_groups() }}
{%- else -%}
{{ all_dates() }}
{%- endif %}

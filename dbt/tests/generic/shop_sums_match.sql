{#- Compares the sums per shop, day and currency with another model's. Returns those that differ. -#}
{% test shop_sums_match(model, compare_model, columns) %}

with

{% for name, relation in [('compared', compare_model), ('found', model)] -%}
{{ name }} as (

    select
        boutique,
        jour,
        devise,
        {%- for column in columns %}
        sum({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    group by boutique, jour, devise

){{ ',' if not loop.last }}

{% endfor -%}
select
    coalesce(compared.boutique, found.boutique) as boutique,
    coalesce(compared.jour, found.jour) as jour,
    coalesce(compared.devise, found.devise) as devise
from compared
full outer join found
    on compared.boutique = found.boutique
    and compared.jour = found.jour
    and compared.devise = found.devise
where
    {% for column in columns -%}
    {{ 'or ' if not loop.first }}coalesce(compared.{{ column }}, 0) <> coalesce(found.{{ column }}, 0)
    {% endfor %}

{% endtest %}

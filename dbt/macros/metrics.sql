{#- The metrics of dbt_project.yml as columns; the query has their numerators and denominators. -#}
{% macro metrics() -%}
    {%- for name, metric in var('metrics').items() -%}
        {{ safe_divide(metric.numerator, metric.denominator) }} as {{ name }}
        {%- if not loop.last %},
    {% endif -%}
    {%- endfor -%}
{%- endmacro %}

{#- A ratio as DOUBLE, null where the denominator is 0: Spark's ANSI mode raises on a division by zero. -#}
{% macro safe_divide(numerator, denominator) -%}
    cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0)
{%- endmacro %}

{#- What was known in a night: one text for dbt (as macros) and for Spark and DuckDB (rendered by moe/asof.py).
    `night` and `since` are SQL date literals; only deliveries of nights since..night are read. -#}

{#- report: for each account and business date, all rows of the newest delivery that covers that date. -#}
{% macro as_of_report(relation, coverage, night, since) -%}
select r.*
from {{ relation }} as r
inner join (
    select unit, source, account_id, business_date, max(night) as night
    from {{ coverage }}
    where night >= {{ since }} and night <= {{ night }}
    group by unit, source, account_id, business_date
) as newest
    on r.unit = newest.unit and r.source = newest.source and r.account_id = newest.account_id
    and r.business_date = newest.business_date and r.night = newest.night
{%- endmacro %}

{#- event: append only; an event delivered again is the one delivered first. -#}
{% macro as_of_event(relation, key, night, since) -%}
select r.*
from {{ relation }} as r
inner join (
    select unit, {{ key | join(', ') }}, min(night) as night
    from {{ relation }}
    where night >= {{ since }} and night <= {{ night }}
    group by unit, {{ key | join(', ') }}
) as first_seen
    on r.unit = first_seen.unit and r.night = first_seen.night
    {%- for column in key %} and r.{{ column }} = first_seen.{{ column }}{% endfor %}
{%- endmacro %}

{#- entity: the newest delivered state of each key. -#}
{% macro as_of_entity(relation, key, night, since) -%}
select r.*
from {{ relation }} as r
inner join (
    select unit, {{ key | join(', ') }}, max(night) as night
    from {{ relation }}
    where night >= {{ since }} and night <= {{ night }}
    group by unit, {{ key | join(', ') }}
) as newest
    on r.unit = newest.unit and r.night = newest.night
    {%- for column in key %} and r.{{ column }} = newest.{{ column }}{% endfor %}
{%- endmacro %}

{#- What a run is for: the night `as_of` and the business unit. -#}

{#- The night moved by `days`, as a SQL literal. Without the var `as_of` it is the store's newest night. -#}
{% macro night(days=0) -%}
    {%- set given = var('as_of', none) or (newest_night() if execute else '2000-01-01') -%}
    {%- set moved = modules.datetime.date.fromisoformat(given | string) + modules.datetime.timedelta(days=days) -%}
    date '{{ moved }}'
{%- endmacro %}

{#- First business date that the marts hold. A delivery holds no date after its night, so that no delivery
    from before this date matters either. -#}
{% macro first_day() -%}
    {{ night(1 - var('lookback_days')) }}
{%- endmacro %}

{#- The business unit, as a SQL literal. -#}
{% macro unit() -%}
    {{ dbt.string_literal(unit_name()) }}
{%- endmacro %}

{% macro unit_name() -%}
    {{ var('unit', env_var('MOE_UNIT', 'advertiser')) }}
{%- endmacro %}

{#- First of the business dates that the reconciliation holds. -#}
{% macro first_reconciled_day() -%}
    {{ night(1 - var('reconciled_days')) }}
{%- endmacro %}

{#- First night whose deliveries tell of clicks that may have led to an order of those dates. -#}
{% macro first_click_night() -%}
    {{ night(1 - var('reconciled_days') - var('click_lookback_days')) }}
{%- endmacro %}

{#- Rows of a core table as known in the night. `kind` and `key` are those of the table's contract. -#}
{% macro as_of(table, kind, key=none, since=none) -%}
    {%- set since = since or first_day() -%}
    {%- set rows, coverage = source('core', table), source('core', 'coverage__account_day') -%}
    {%- if kind == 'report' -%} {{ as_of_report(rows, coverage, night(), since) }}
    {%- elif kind == 'event' -%} {{ as_of_event(rows, key, night(), since) }}
    {%- else -%} {{ as_of_entity(rows, key, night(), since) }}
    {%- endif -%}
{%- endmacro %}

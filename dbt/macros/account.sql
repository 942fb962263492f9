{#- What a unit's file says of its ad accounts: the time zone of their days, and how long each source counts an
    order as a click's. The nightly job gives both as var `account`; elsewhere a shipped unit's file is read. -#}
{% macro account() -%}
    {%- if var('account', none) is not none or not execute -%} {{ return(var('account', none) or {}) }} {%- endif -%}
    {%- set path, mine = whole('../units/*/unit.yml'), "like '%/units/" ~ unit_name() ~ "/unit.yml'" -%}
    {%- set found = run_query(
        "select cast(content as string) from binaryFile.`" ~ path ~ "` where path " ~ mine if target.type == 'spark'
        else "select content from read_text('" ~ path ~ "') where filename " ~ mine) -%}
    {%- set unit = fromyaml(found.columns[0][0]) if found.rows | length else {} -%}
    {%- set windows = {} -%}
    {%- for source in unit.get('sources', []) if 'click_window_days' in source -%}
        {%- do windows.update({source['name']: source['click_window_days']}) -%}
    {%- endfor -%}
    {{ return({'time_zone': unit.get('time_zone', 'UTC'), 'click_window_days': windows}) }}
{%- endmacro %}

{#- The ad accounts' own date of an instant. -#}
{% macro account_date(instant) -%}
    {{ adapter.dispatch('account_date')(instant, account().get('time_zone', 'UTC')) }}
{%- endmacro %}

{% macro duckdb__account_date(instant, time_zone) -%}
    cast(timezone('{{ time_zone }}', {{ instant }}) as date)
{%- endmacro %}

{% macro spark__account_date(instant, time_zone) -%}
    cast(from_utc_timestamp({{ instant }}, '{{ time_zone }}') as date)
{%- endmacro %}

{#- The earliest instant of a click that its source may still count an order at `instant` as its own. -#}
{% macro window_start(source, instant) -%}
    case
    {%- for name, days in account().get('click_window_days', {}).items() %}
        when {{ source }} = {{ dbt.string_literal(name) }} then {{ instant }} - interval {{ days }} days
    {%- endfor %}
        when true then {{ instant }} - interval 30 days
    end
{%- endmacro %}

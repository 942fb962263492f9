{#- Where the sources come from. On Spark they are the catalog's tables; on DuckDB each is a view of the
    unit's Parquet partitions of the nights first_day..night: later nights are never opened. -#}

{% macro open_store() -%}
    {%- if execute -%} {{ adapter.dispatch('open_store')() }} {%- endif -%}
{%- endmacro %}

{% macro default__open_store() %}{% endmacro %}

{% macro duckdb__open_store() -%}
    {%- set nights = "between " ~ first_day() ~ " and " ~ night() -%}
    {%- set covered = partitions('core', 'coverage__account_day', '= ' ~ night()) -%}
    {%- if not covered -%}
        {{ exceptions.raise_compiler_error(
            "unit " ~ unit_name() ~ " has no landed night " ~ night() ~ " under " ~ home()
            ~ "/store: run `moe run land` for it, or give another --vars '{unit: …, as_of: …}' or MOE_HOME") }}
    {%- endif -%}
    {%- for source in graph.sources.values() -%}
        {%- set files = partitions(source.schema, source.name, nights) -%}
        {%- do run_query("create schema if not exists " ~ source.schema) -%}
        {%- do run_query(
            "create or replace view " ~ source.schema ~ "." ~ source.name ~ " as " ~ empty_table(source)
            ~ (" union all by name select * from read_parquet(" ~ files
               ~ ", union_by_name = true, hive_partitioning = false)" if files else "")) -%}
    {%- endfor -%}
{%- endmacro %}

{#- Without a night given: the newest that was landed. -#}
{% macro newest_night() -%}
    {{ adapter.dispatch('newest_night')() }}
{%- endmacro %}

{% macro default__newest_night() -%}
    {{ run_query("select max(night) from core.coverage__account_day where unit = " ~ unit()).columns[0][0] }}
{%- endmacro %}

{% macro duckdb__newest_night() -%}
    {%- set files = partitions('core', 'coverage__account_day', "<= date '9999-12-31'") -%}
    {%- if not files -%}
        {{ exceptions.raise_compiler_error(
            "unit " ~ unit_name() ~ " has no landed night under " ~ home()
            ~ "/store: run `moe run land` first, or give MOE_HOME or --vars '{unit: …}'") }}
    {%- endif -%}
    {{ files[-1][-18:-8] }}
{%- endmacro %}

{% macro home() -%}
    {{ var('home', env_var('MOE_HOME', '../var')) }}
{%- endmacro %}

{#- Paths of a table's partitions whose night fulfils the condition, ascending. -#}
{% macro partitions(layer, table, condition) -%}
    {%- set pattern = [home(), 'store', layer, table, unit_name(), '*.parquet'] | join('/') -%}
    {%- set found = run_query(
        "select file from glob(" ~ dbt.string_literal(dbt.escape_single_quotes(pattern)) ~ ")"
        ~ " where try_cast(parse_filename(file, true) as date) " ~ condition ~ " order by file") -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}

{#- No rows of a source, with the columns and types of its contract: the schema is stated there alone. -#}
{% macro empty_table(source) -%}
    {%- set path = '../contracts/' ~ source.schema ~ '/' ~ source.name ~ '.yml' -%}
    {%- set contract = fromyaml(run_query("select content from read_text('" ~ path ~ "')").columns[0][0]) -%}
    select cast(null as varchar) as unit, cast(null as date) as night
    {%- for column in contract.schema[0].properties -%}
        , cast(null as {{ column.physicalType }}) as "{{ column.name }}"
    {%- endfor %}
    where false
{%- endmacro %}

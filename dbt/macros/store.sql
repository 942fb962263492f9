{#- Where the sources come from: the unit's Parquet partitions. On DuckDB each source is a view of those of the
    nights first_day..night, so that later nights are never opened; on Spark a table over their folder. -#}

{% macro open_store() -%}
    {%- if execute -%} {{ adapter.dispatch('open_store')() }} {%- endif -%}
{%- endmacro %}

{% macro duckdb__open_store() -%}
    {%- set nights = "between " ~ first_day() ~ " and " ~ night() -%}
    {%- set covered = partitions('core', 'coverage__account_day', '= ' ~ night()) -%}
    {%- if not covered -%} {{ not_landed(night()) }} {%- endif -%}
    {%- for source in graph.sources.values() -%}
        {%- set files = partitions(source.schema, source.name, nights) -%}
        {%- do run_query("create schema if not exists " ~ source.schema) -%}
        {%- do run_query(
            "create or replace view " ~ source.schema ~ "." ~ source.name ~ " as " ~ empty_table(source)
            ~ (" union all by name select * from read_parquet(" ~ files
               ~ ", union_by_name = true, hive_partitioning = false)" if files else "")) -%}
    {%- endfor -%}
{%- endmacro %}

{#- A table over a folder that is not there is empty. Each run makes the tables anew: they hold no data. -#}
{% macro spark__open_store() -%}
    {%- do spark_table("core.landed", "using binaryFile", folder('core', 'coverage__account_day')) -%}
    {%- if night()[6:16] not in landed_nights() -%} {{ not_landed(night()) }} {%- endif -%}
    {%- for source in graph.sources.values() -%}
        {%- set columns = ["unit string", "night date"] -%}
        {%- for column in columns_of(source) -%}
            {%- set type = {'VARCHAR': 'string', 'TIMESTAMPTZ': 'timestamp'}.get(column.physicalType, column.physicalType) -%}
            {%- do columns.append("`" ~ column.name ~ "` " ~ type) -%}
        {%- endfor -%}
        {%- do spark_table(source.schema ~ "." ~ source.name, "(" ~ columns | join(", ") ~ ") using parquet",
                           folder(source.schema, source.name)) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro spark_table(name, form, location) -%}
    {%- do run_query("create database if not exists " ~ name.split(".")[0]) -%}
    {%- do run_query("drop table if exists " ~ name) -%}
    {%- do run_query("create table " ~ name ~ " " ~ form ~ " location "
                     ~ dbt.string_literal(dbt.escape_single_quotes(location))) -%}
{%- endmacro %}

{#- Without a night given: the newest that was landed. -#}
{% macro newest_night() -%}
    {{ adapter.dispatch('newest_night')() }}
{%- endmacro %}

{% macro duckdb__newest_night() -%}
    {%- set files = partitions('core', 'coverage__account_day', "<= date '9999-12-31'") -%}
    {%- if not files -%} {{ not_landed() }} {%- endif -%}
    {{ files[-1][-18:-8] }}
{%- endmacro %}

{% macro spark__newest_night() -%}
    {%- set nights = landed_nights() -%}
    {%- if not nights -%} {{ not_landed() }} {%- endif -%}
    {{ nights[-1] }}
{%- endmacro %}

{% macro not_landed(night="") -%}
    {{ exceptions.raise_compiler_error(
        "unit " ~ unit_name() ~ " has no landed night " ~ night ~ " under " ~ home()
        ~ "/store: run `moe run land` for it, or give another --vars '{unit: …, as_of: …}' or MOE_HOME") }}
{%- endmacro %}

{% macro home() -%}
    {{ var('home', env_var('MOE_HOME', '../var')) }}
{%- endmacro %}

{#- Folder of a table's partitions: a whole path, for Spark takes another for a folder of its own warehouse. -#}
{% macro folder(layer, table) -%}
    {{ return(whole([home(), 'store', layer, table, unit_name()] | join('/'))) }}
{%- endmacro %}

{#- A path that may be relative to the project's folder. Spark would look where its session was started. -#}
{% macro whole(path) -%}
    {{ return(path if path.startswith('/') or '://' in path else invocation_args_dict['project_dir'] ~ '/' ~ path) }}
{%- endmacro %}

{#- Paths of a table's partitions whose night fulfils the condition, ascending. -#}
{% macro partitions(layer, table, condition) -%}
    {%- set pattern = folder(layer, table) ~ '/*.parquet' -%}
    {%- set found = run_query(
        "select file from glob(" ~ dbt.string_literal(dbt.escape_single_quotes(pattern)) ~ ")"
        ~ " where try_cast(parse_filename(file, true) as date) " ~ condition ~ " order by file") -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}

{#- On Spark: nights that the unit has landed, ascending, by the names of the files. -#}
{% macro landed_nights() -%}
    {%- set found = run_query("select substr(path, -18, 10) from core.landed order by 1") -%}
    {{ return(found.columns[0].values() | map('string') | list) }}
{%- endmacro %}

{#- The contract's columns of a source, as `name` and `physicalType`: the schema is stated there alone. -#}
{% macro columns_of(source) -%}
    {%- set path = whole('../contracts/' ~ source.schema ~ '/' ~ source.name ~ '.yml') -%}
    {%- set query = "select cast(content as string) from binaryFile.`" ~ path ~ "`" if target.type == 'spark'
        else "select content from read_text('" ~ path ~ "')" -%}
    {{ return(fromyaml(run_query(query).columns[0][0]).schema[0].properties) }}
{%- endmacro %}

{#- No rows of a source, with the columns and types of its contract. -#}
{% macro empty_table(source) -%}
    select cast(null as varchar) as unit, cast(null as date) as night
    {%- for column in columns_of(source) -%}
        , cast(null as {{ column.physicalType }}) as "{{ column.name }}"
    {%- endfor %}
    where false
{%- endmacro %}

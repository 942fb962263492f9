{#- Rows that share a key with another: engines that only note primary keys are tested too. -#}
{% test unique_key(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}

{#- More than one value in a column that must hold one: amounts of two currencies cannot be added. -#}
{% test one_value(model, column_name) %}
    select count(distinct {{ column_name }}) as distinct_values
    from {{ model }}
    having count(distinct {{ column_name }}) > 1
{% endtest %}

{#- Totals that differ from those of `to`: `totals` maps an expression here to the expression there. -#}
{% test reconciles(model, to, totals, to_where='true') %}
    {%- for here, there in totals.items() %}
    select '{{ here }}' as total, here, there
    from (select {{ here }} as here from {{ model }}) as a
    cross join (select {{ there }} as there from {{ to }} where {{ to_where }}) as b
    where here is distinct from there
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
{% endtest %}

{#- Rows whose `parts` do not add up to their `total`, or where one is known without the other. -#}
{% test adds_up(model, total, parts) %}
    select *
    from {{ model }}
    where {{ total }} is distinct from {{ parts | join(' + ') }}
{% endtest %}

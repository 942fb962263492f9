-- Long form: one amount a line, day, fact and measure (orders counted, or their value).
{% set facts = {
    'placed': ['ordered_date', "status = 'placed'"],
    'gone': ['ordered_date', "status <> 'placed'"],
    'late': ['ordered_date', "origin = 'line' and not in_window"],
    'ordered': ['ordered_date', "origin = 'line' and in_window"],
    'matched': ['clicked_date', "origin = 'line' and in_window"],
    'missing_tag': ['ordered_date', "origin = 'missing_tag'"],
    'other_origin': ['ordered_date', "origin = 'other_origin'"],
    'unclear': ['ordered_date', "origin = 'not_told_apart'"],
} %}
with facts as (
    {% for name, terms in facts.items() %}
        select
            unit,
            coalesce(line_id, 'no_line') as line_id,
            {{ terms[0] }} as business_date,
            '{{ name }}' as fact,
            1 as orders,
            order_value as amount
        from {{ ref('int_order__line') }}
        where {{ terms[1] }}
        union all
    {% endfor %}
    select
        unit,
        line_id,
        clicked_date as business_date,
        fact,
        1 as orders,
        order_value as amount
    from {{ ref('int_order__other_click') }}
    {% for name, view in {'reported': '', 'viewed': 'view_'}.items() %}
        union all
        select
            unit,
            line_id,
            business_date,
            '{{ name }}' as fact,
            {{ view }}conversions as orders,
            {{ view }}conversion_value as amount
        from {{ ref('stg_ad_performance__ad_day') }}
    {% endfor %}
)

{% for measure, amount in {'orders': 'orders', 'value': 'amount'}.items() %}
    select
        unit,
        line_id,
        business_date,
        fact,
        '{{ measure }}' as measure,
        cast(sum({{ amount }}) as decimal(38, 6)) as amount
    from facts
    where business_date >= {{ first_reconciled_day() }}
    group by unit, line_id, business_date, fact
    {% if not loop.last %}union all{% endif %}
{% endfor %}

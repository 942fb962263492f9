{% set classes = ['other_day', 'cancelled', 'late_click', 'view_through', 'duplicate', 'missing_tag',
                  'other_origin', 'not_told_apart'] %}
{% set bounds = {'matched': 'matched', 'viewed': 'view_through_at_most', 'also_clicked': 'duplicate_at_most',
                 'untagged': 'missing_tag_at_most'} %}
with currencies as (
    select
        unit,
        currency
    from {{ ref('stg_ad_performance__ad_day') }}
    union
    select
        unit,
        currency
    from {{ ref('stg_order__order') }}
),

unit_currency as (
    select
        unit,
        min(currency) as currency
    from currencies
    group by unit
),

-- Without a shop there is nothing to compare with: its columns are empty, not 0.
shop as (
    select count(*) > 0 as has_orders from {{ ref('stg_order__order') }}
)

select
    counted.unit,
    {{ night() }} as night,
    counted.line_id,
    coalesce(max(newest.line_name), 'No line') as line_name,
    coalesce(max(newest.platform), 'none') as platform,
    counted.business_date,
    max(unit_currency.currency) as currency,
{% for measure in ['orders', 'value'] %}
    {% set mine = "counted.measure = '" ~ measure ~ "'" %}
    cast(max(case when {{ mine }} then counted.reported end) as decimal(38, 6))
        as platform_{{ 'conversions' if measure == 'orders' else 'value' }},
    cast(max(case when {{ mine }} and shop.has_orders then counted.placed end) as decimal(38, 6))
        as shop_{{ measure }},
    cast(
        max(case when {{ mine }} and shop.has_orders then counted.reported - counted.placed end)
        as decimal(38, 6)
    ) as difference_{{ measure }},
    {% for name in classes %}
        cast(max(case when {{ mine }} and shop.has_orders then counted.{{ name }} end) as decimal(38, 6))
            as {{ name }}_{{ measure }},
    {% endfor %}
{% for name, column in bounds.items() %}
    cast(max(case when {{ mine }} and shop.has_orders then counted.{{ name }} end) as decimal(38, 6))
        as {{ column }}_{{ measure }}{{ ',' if not (measure == 'value' and loop.last) }}
{% endfor %}
{% endfor %}
from {{ ref('int_reconciliation__class') }} as counted
cross join shop
inner join unit_currency
    on counted.unit = unit_currency.unit
left join {{ ref('int_line__newest') }} as newest
    on counted.unit = newest.unit and counted.line_id = newest.line_id
group by counted.unit, counted.line_id, counted.business_date

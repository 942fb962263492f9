with known as (
    {{ as_of('order__order', 'entity', ['order_id']) }}
),

dated as (
    -- Sessions run in UTC, so that the cast gives the UTC date.
    select
        unit,
        order_id,
        ordered_at,
        cast(ordered_at as date) as business_date,
        customer_id,
        status,
        order_value,
        currency,
        nullif(utm_campaign, '') as utm_campaign
    from known
    where unit = {{ unit() }}
)

select *
from dated
where
    business_date >= {{ first_day() }}
    and business_date <= {{ night() }}

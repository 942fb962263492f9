select
    unit,
    {{ night() }} as night,
    business_date,
    cast(count(*) as bigint) as orders,
    cast(count(case when status = 'cancelled' then 1 end) as bigint) as cancelled,
    cast(count(case when status = 'returned' then 1 end) as bigint) as returned,
    cast(sum(case when status = 'placed' then order_value else 0 end) as decimal(38, 6)) as order_value,
    min(currency) as currency,
    cast(count(distinct customer_id) as bigint) as customers
from {{ ref('stg_order__order') }}
group by unit, business_date

with orders as (
    select
        unit,
        order_id,
        ordered_at,
        customer_id
    from {{ ref('stg_order__order') }}
    where {{ account_date('ordered_at') }} >= {{ first_reconciled_day() }}
),

events as (
    select distinct
        unit,
        visitor_id,
        customer_id,
        order_id
    from {{ ref('stg_web_event__event') }}
    where order_id is not null or customer_id is not null
),

-- Browsers that the buyer is known by: the one of the purchase, and those where the customer was logged in.
browsers as (
    {% for known_by in ('order_id', 'customer_id') %}
        select
            orders.unit,
            orders.order_id,
            orders.ordered_at,
            events.visitor_id
        from orders
        inner join events
            on orders.unit = events.unit and orders.{{ known_by }} = events.{{ known_by }}
        {% if not loop.last %}union{% endif %}
    {% endfor %}
)

-- The last click on each line before the order.
select
    browsers.unit,
    browsers.order_id,
    browsers.ordered_at,
    clicks.campaign_id,
    clicks.line_id,
    clicks.ad_source,
    max(clicks.clicked_at) as clicked_at
from browsers
inner join {{ ref('int_web__click') }} as clicks
    on
        browsers.unit = clicks.unit
        and browsers.visitor_id = clicks.visitor_id
        and browsers.ordered_at >= clicks.clicked_at
        and clicks.clicked_at >= browsers.ordered_at - interval {{ var('click_lookback_days') }} days
group by
    browsers.unit,
    browsers.order_id,
    browsers.ordered_at,
    clicks.campaign_id,
    clicks.line_id,
    clicks.ad_source

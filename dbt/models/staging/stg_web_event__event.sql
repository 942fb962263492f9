with known as (
    {{ as_of('web_event__event', 'event', ['event_id'], first_click_night()) }}
)

-- Other events tell nothing of where an order came from.
select
    unit,
    event_id,
    occurred_at,
    visitor_id,
    customer_id,
    nullif(utm_campaign, '') as utm_campaign,
    nullif(utm_content, '') as utm_content,
    nullif(order_id, '') as order_id
from known
where
    unit = {{ unit() }}
    and (nullif(utm_campaign, '') is not null or nullif(order_id, '') is not null or customer_id is not null)

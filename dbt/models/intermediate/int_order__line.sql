with orders as (
    select
        unit,
        order_id,
        ordered_at,
        {{ account_date('ordered_at') }} as ordered_date,
        status,
        order_value,
        utm_campaign
    from {{ ref('stg_order__order') }}
    where
        {{ account_date('ordered_at') }} >= {{ first_reconciled_day() }}
        and {{ account_date('ordered_at') }} <= {{ night() }}
),

-- A shop that writes tags says by an order without one that it came without one. One that writes none says
-- nothing, and the site's clicks decide.
shop as (
    select count(utm_campaign) > 0 as writes_tags from {{ ref('stg_order__order') }}
),

last_clicks as (
    select
        clicks.unit,
        clicks.order_id,
        clicks.line_id,
        clicks.ad_source,
        clicks.clicked_at,
        row_number() over (
            partition by clicks.unit, clicks.order_id order by clicks.clicked_at desc, clicks.line_id asc
        ) as newest
    from {{ ref('int_order__click') }} as clicks
    inner join orders
        on clicks.unit = orders.unit and clicks.order_id = orders.order_id
    cross join shop
    where orders.utm_campaign = clicks.campaign_id or not shop.writes_tags
),

given as (
    select
        orders.*,
        campaigns.campaign_id is not null as of_our_ads,
        last_clicks.clicked_at,
        coalesce(campaigns.line_id, last_clicks.line_id) as line_id,
        coalesce(campaigns.ad_source, last_clicks.ad_source) as ad_source
    from orders
    left join {{ ref('int_campaign__line') }} as campaigns
        on
            orders.unit = campaigns.unit
            and orders.utm_campaign = campaigns.campaign_id
            and campaigns.ad_id is null
    left join last_clicks
        on
            orders.unit = last_clicks.unit
            and orders.order_id = last_clicks.order_id
            and last_clicks.newest = 1
)

-- A platform counts an order on the day of the click. An order whose click nobody saw stays on its own day.
select
    unit,
    order_id,
    ordered_date,
    status,
    order_value,
    line_id,
    ad_source,
    coalesce({{ account_date('clicked_at') }}, ordered_date) as clicked_date,
    clicked_at is null or clicked_at >= {{ window_start('ad_source', 'ordered_at') }} as in_window,
    case
        when line_id is not null then 'line'
        when of_our_ads then 'not_told_apart'
        when utm_campaign is not null then 'other_origin'
        else 'missing_tag'
    end as origin
from given

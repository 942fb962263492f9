-- Clicks within a source's window before an order that the shop does not give to that source. A source knows
-- its own clicks alone and may count the order: as a second one, or as the first where it carries no tag.
with ranked as (
    select
        clicks.unit,
        clicks.order_id,
        clicks.line_id,
        {{ account_date('clicks.clicked_at') }} as clicked_date,
        orders.order_value,
        orders.origin,
        row_number() over (
            partition by clicks.unit, clicks.order_id, clicks.ad_source
            order by clicks.clicked_at desc, clicks.line_id asc
        ) as newest_of_source,
        row_number() over (
            partition by clicks.unit, clicks.order_id order by clicks.clicked_at desc, clicks.line_id asc
        ) as newest
    from {{ ref('int_order__click') }} as clicks
    inner join {{ ref('int_order__line') }} as orders
        on clicks.unit = orders.unit and clicks.order_id = orders.order_id
    where
        (orders.ad_source is null or clicks.ad_source <> orders.ad_source)
        and clicks.clicked_at >= {{ window_start('clicks.ad_source', 'clicks.ordered_at') }}
)

select
    unit,
    order_id,
    line_id,
    clicked_date,
    order_value,
    case when origin = 'missing_tag' and newest = 1 then 'untagged' else 'also_clicked' end as fact
from ranked
where newest_of_source = 1

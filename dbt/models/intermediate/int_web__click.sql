with tagged as (
    select
        unit,
        visitor_id,
        occurred_at,
        event_id,
        utm_campaign,
        utm_content,
        lag(occurred_at) over (partition by unit, visitor_id order by occurred_at, event_id) as before_at,
        lag(concat(utm_campaign, '/', coalesce(utm_content, '')))
            over (partition by unit, visitor_id order by occurred_at, event_id) as before_tag
    from {{ ref('stg_web_event__event') }}
    where utm_campaign is not null
),

-- A click is the first event of its visit: half an hour without one ends it, as in features.session__session.
clicks as (
    select *
    from tagged
    where
        before_at is null
        or before_tag <> concat(utm_campaign, '/', coalesce(utm_content, ''))
        or occurred_at >= before_at + interval 30 minutes
)

select
    clicks.unit,
    clicks.visitor_id,
    clicks.occurred_at as clicked_at,
    of_ad.campaign_id,
    of_ad.line_id,
    of_ad.ad_source
from clicks
inner join {{ ref('int_campaign__line') }} as of_ad
    on
        clicks.unit = of_ad.unit
        and clicks.utm_campaign = of_ad.campaign_id
        and (of_ad.ad_id is null or clicks.utm_content = of_ad.ad_id)
where of_ad.line_id is not null

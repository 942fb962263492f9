with known as (
    {{ as_of('ad_performance__ad_day', 'report') }}
)

select
    unit,
    night as delivered_night,
    source,
    campaign_id,
    ad_id,
    line_id,
    line_name,
    platform,
    business_date,
    impressions,
    clicks,
    spend,
    currency,
    conversions,
    conversion_value,
    view_conversions,
    view_conversion_value
from known
where
    unit = {{ unit() }}
    and business_date >= {{ first_day() }}
    and business_date <= {{ night() }}

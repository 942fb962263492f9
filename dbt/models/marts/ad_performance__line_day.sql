with line_days as (
    select
        unit,
        line_id,
        business_date,
        cast(sum(impressions) as bigint) as impressions,
        cast(sum(clicks) as bigint) as clicks,
        cast(sum(spend) as decimal(38, 6)) as spend,
        min(currency) as currency,
        cast(sum(conversions) as decimal(38, 6)) as conversions,
        cast(sum(conversion_value) as decimal(38, 6)) as conversion_value,
        count(conversions) = count(*) as outcome_known
    from {{ ref('stg_ad_performance__ad_day') }}
    group by unit, line_id, business_date
)

select
    line_days.unit,
    {{ night() }} as night,
    line_days.line_id,
    newest.line_name,
    newest.platform,
    line_days.business_date,
    line_days.impressions,
    line_days.clicks,
    line_days.spend,
    line_days.currency,
    line_days.conversions,
    line_days.conversion_value,
    line_days.outcome_known,
    {{ metrics() }}
from line_days
inner join {{ ref('int_line__newest') }} as newest
    on line_days.unit = newest.unit and line_days.line_id = newest.line_id

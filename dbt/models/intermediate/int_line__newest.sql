with ranked as (
    select
        unit,
        line_id,
        line_name,
        platform,
        min(platform) over (partition by unit, line_id) as first_platform,
        max(platform) over (partition by unit, line_id) as last_platform,
        row_number() over (
            partition by unit, line_id
            order by delivered_night desc, business_date desc, line_name desc
        ) as newest
    from {{ ref('stg_ad_performance__ad_day') }}
)

select
    unit,
    line_id,
    line_name,
    case when first_platform = last_platform then first_platform else 'several' end as platform
from ranked
where newest = 1

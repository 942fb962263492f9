with ads as (
    select
        unit,
        campaign_id,
        nullif(ad_id, '') as ad_id,
        line_id,
        source as ad_source
    from {{ ref('stg_ad_performance__ad_day') }}
),

campaigns as (
    select
        unit,
        campaign_id,
        min(ad_source) as ad_source,
        min(line_id) as first_line,
        max(line_id) as last_line
    from ads
    group by unit, campaign_id
)

-- A campaign's one line; where it has several, the line of each ad that has one alone.
select
    unit,
    campaign_id,
    cast(null as string) as ad_id,
    case when first_line = last_line then first_line end as line_id,
    ad_source
from campaigns
union all
select
    ads.unit,
    ads.campaign_id,
    ads.ad_id,
    min(ads.line_id) as line_id,
    min(ads.ad_source) as ad_source
from ads
inner join campaigns
    on ads.unit = campaigns.unit and ads.campaign_id = campaigns.campaign_id
where campaigns.first_line <> campaigns.last_line and ads.ad_id is not null
group by ads.unit, ads.campaign_id, ads.ad_id
having min(ads.line_id) = max(ads.line_id)

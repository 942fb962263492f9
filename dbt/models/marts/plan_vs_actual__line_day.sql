with actual as (
    select *
    from {{ ref('ad_performance__line_day') }}
    where business_date = {{ night() }}
),

plan as (
    select * from {{ ref('stg_budget__line') }}
)

-- A line without a plan or without a report counts 0 in the difference, so that differences add up.
select
    coalesce(actual.unit, plan.unit) as unit,
    {{ night() }} as night,
    coalesce(actual.line_id, plan.line_id) as line_id,
    coalesce(actual.line_name, plan.line_name) as line_name,
    {{ night() }} as business_date,
    plan.planned_budget,
    actual.spend,
    cast(coalesce(actual.spend, 0) - coalesce(plan.planned_budget, 0) as decimal(38, 6)) as difference,
    coalesce(actual.currency, plan.currency) as currency,
    actual.conversions,
    actual.conversion_value,
    actual.clicks
from actual
full outer join plan
    on actual.unit = plan.unit and actual.line_id = plan.line_id

-- The plan for the night's own business date is the candidate of the night before.
select
    unit,
    line_id,
    line_name,
    business_date,
    budget as planned_budget,
    currency
from {{ source('out', 'budget__line') }}
where
    unit = {{ unit() }}
    and night = {{ night(-1) }}
    and business_date = {{ night() }}

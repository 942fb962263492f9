-- Why a platform's count of a line and day differs from the shop's. Both counts and money, each by itself.
{% set facts = ['placed', 'gone', 'late', 'ordered', 'matched', 'missing_tag', 'other_origin', 'unclear',
                'viewed', 'also_clicked', 'untagged'] %}
{% set by_day = 'over (partition by unit, line_id, measure order by business_date' %}
{% set until_the_night = by_day ~ ' rows between current row and unbounded following)' %}
with wide as (
    select
        unit,
        line_id,
        business_date,
        measure,
        -- not reported at all counts 0, reported without an outcome yet is not known
        case
            when max(case when fact = 'reported' then 1 else 0 end) = 0 then 0
            else max(case when fact = 'reported' then amount end)
        end as reported,
    {% for fact in facts %}
        coalesce(max(case when fact = '{{ fact }}' then amount end), 0)
            as {{ fact }}{{ ',' if not loop.last }}
    {% endfor %}
    from {{ ref('int_reconciliation__fact') }}
    group by unit, line_id, business_date, measure
),

excess as (
    select
        *,
        reported - matched as excess,
        sum(coalesce(reported - matched, 0)) {{ by_day }}) as excess_so_far,
        sum(viewed) {{ by_day }}) as viewed_so_far,
        sum(also_clicked) {{ by_day }}) as also_clicked_so_far,
        sum(untagged) {{ by_day }}) as untagged_so_far
    from wide
),

-- A cause is told from the first day on, never beyond what the platform's excess stays at until the night:
-- excess that a later day takes back was a matter of days. The platform's own word comes first.
seen_only as (
    select
        *,
        least(viewed_so_far, greatest(min(excess_so_far) {{ until_the_night }}, 0)) as view_through_so_far
    from excess
),

-- Of what is left, each of two causes is told as far as the other's candidates leave no choice: the lower
-- bounds of partial identification (Manski 1990).
told_so_far as (
    select
        *,
        least(
            also_clicked_so_far,
            greatest(min(excess_so_far - view_through_so_far - untagged_so_far) {{ until_the_night }}, 0)
        ) as duplicate_so_far,
        least(
            untagged_so_far,
            greatest(min(excess_so_far - view_through_so_far - also_clicked_so_far) {{ until_the_night }}, 0)
        ) as tag_lost_so_far
    from seen_only
),

told as (
    select
        *,
        view_through_so_far - coalesce(lag(view_through_so_far) {{ by_day }}), 0) as view_through,
        duplicate_so_far - coalesce(lag(duplicate_so_far) {{ by_day }}), 0) as duplicate,
        tag_lost_so_far - coalesce(lag(tag_lost_so_far) {{ by_day }}), 0) as tag_lost
    from told_so_far
)

select
    unit,
    line_id,
    business_date,
    measure,
    reported,
    placed,
    matched,
    viewed,
    also_clicked,
    untagged,
    gone as cancelled,
    0 - late as late_click,
    matched - ordered as other_day,
    view_through,
    duplicate,
    tag_lost - missing_tag as missing_tag,
    0 - other_origin as other_origin,
    excess - view_through - duplicate - tag_lost - unclear as not_told_apart
from told

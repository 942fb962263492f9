-- Why a platform's count of a line and day differs from the shop's. Both counts and money, each by itself.
{% set facts = ['placed', 'gone', 'late', 'ordered', 'matched', 'missing_tag', 'other_origin', 'unclear',
                'viewed', 'also_clicked', 'untagged'] %}
{% set causes = {'view_through': 'viewed', 'duplicate': 'also_clicked', 'tag_lost': 'untagged'} %}
{% set by_day = 'over (partition by unit, line_id, measure order by business_date' %}
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
        sum(coalesce(reported - matched, 0)) {{ by_day }}) as rest_so_far
    from wide
),

-- What a cause can explain is taken from the first day on, the platform's own word first, and never more than
-- the platform's excess stays at until the night: excess that a later day takes back was a matter of days.
{% set before = namespace(step='excess', rest='rest_so_far') %}
{% for cause, fact in causes.items() %}
    most_{{ cause }} as (
        select
            *,
            sum({{ fact }}) {{ by_day }}) as {{ fact }}_so_far,
            greatest(
                min({{ before.rest }}) {{ by_day }} rows between current row and unbounded following), 0
            ) as most_{{ cause }}
        from {{ before.step }}
    ),

    by_{{ cause }} as (
        select
            *,
            least({{ fact }}_so_far, most_{{ cause }}) as {{ cause }}_so_far,
            {{ before.rest }} - least({{ fact }}_so_far, most_{{ cause }}) as rest_after_{{ cause }}
        from most_{{ cause }}
    ),

    {% set before.step = 'by_' ~ cause %}
    {% set before.rest = 'rest_after_' ~ cause %}
{% endfor %}
told as (
    select
        *,
    {% for cause in causes %}
        {{ cause }}_so_far - coalesce(lag({{ cause }}_so_far) {{ by_day }}), 0)
            as {{ cause }}{{ ',' if not loop.last }}
    {% endfor %}
    from {{ before.step }}
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

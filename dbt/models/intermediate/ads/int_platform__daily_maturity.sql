select
    date,
    platform,
    age_days,

    sum(conversions_at_age) as conversions_at_age,
    sum(conversions_final) as conversions_final,
    count(*) as accounts
from {{ ref('int_account__daily_maturity') }}
where {{ in_window('date') }}
group by date, platform, age_days

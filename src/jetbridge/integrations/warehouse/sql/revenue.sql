WITH attributed AS (
  SELECT
    p.id,
    p.user_id,
    {p.currency},
    CAST(coalesce(
      {p.revenue:number},
      {p.total:number},
      0
    ) AS numeric(18, 2)) AS amount,
    c.campaign_id,
    {c.campaign_name},
    row_number() OVER (PARTITION BY p.id ORDER BY c."timestamp" DESC, c.campaign_id DESC, c.id) AS place
  FROM {purchased} AS p
  JOIN {clicked} AS c
    ON c.user_id = p.user_id
    AND c."timestamp" <= p."timestamp"
    AND c."timestamp" > p."timestamp" - INTERVAL '7 days'
)
SELECT
  a.campaign_id,
  max({a.campaign_name}) AS campaign,
  count(*) AS orders,
  count(DISTINCT a.user_id) AS buyers,
  {a.currency},
  sum(a.amount) AS revenue
FROM attributed AS a
WHERE a.place = 1
GROUP BY
  {a.currency},
  a.campaign_id
ORDER BY revenue DESC, a.campaign_id;

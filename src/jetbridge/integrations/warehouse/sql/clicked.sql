SELECT
  c.context_traits_email AS email,
  c.user_id,
  c.campaign_id,
  max({c.campaign_name}) AS campaign,
  count(*) AS clicks,
  count(DISTINCT {c.link_url}) AS links,
  max(c."timestamp") AS last_click
FROM {clicked} AS c
GROUP BY c.context_traits_email, c.user_id, c.campaign_id
ORDER BY clicks DESC, email, c.campaign_id;

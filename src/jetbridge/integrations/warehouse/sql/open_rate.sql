SELECT
  d.campaign_id,
  max({d.campaign_name}) AS campaign,
  count(DISTINCT d.email_id) AS delivered,
  count(DISTINCT o.email_id) AS opened,
  round(100.0 * count(DISTINCT o.email_id) / nullif(count(DISTINCT d.email_id), 0), 1) AS open_rate_percent
FROM {delivered} AS d
LEFT JOIN {opened} AS o ON o.email_id = d.email_id
GROUP BY d.campaign_id
ORDER BY delivered DESC, d.campaign_id;

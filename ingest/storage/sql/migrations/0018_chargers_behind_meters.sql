-- A charger behind an electricity meter is part of what that meter counts, as the metering tree has it: `sum_of_children` took it for
-- something that nobody meters, whose share moves with every holiday.

CREATE OR REPLACE VIEW metering.channel_part AS
SELECT total.channel AS whole, part.channel AS part, 'tariff' AS kind,
       '-infinity'::timestamptz AS valid_from, 'infinity'::timestamptz AS valid_to
FROM metering.channel AS total
JOIN metering.channel AS part ON part.meter = total.meter AND starts_with(part.register, 'energy_import_tariff_')
WHERE total.register = 'energy_import_kwh'
UNION ALL
SELECT whole.channel, part.channel, 'child', greatest(child.valid_from, parent.valid_from), least(child.valid_to, parent.valid_to)
FROM metering.meter_version AS child
JOIN metering.meter AS child_meter ON child_meter.meter = child.meter
JOIN metering.meter_version AS parent ON parent.institution = child.institution
 AND parent.valid_from < child.valid_to AND child.valid_from < parent.valid_to
JOIN metering.meter AS parent_meter ON parent_meter.meter = parent.meter AND parent_meter.code = child.parent
 AND (parent_meter.medium = child_meter.medium OR (child_meter.medium = 'charger' AND parent_meter.medium = 'electricity'))
JOIN metering.channel AS whole ON whole.meter = parent.meter AND whole.register IN ('energy_import_kwh', 'volume_m3')
JOIN metering.channel AS part ON part.meter = child.meter AND part.register = whole.register
WHERE child.role <> 'check';

-- what was said of these meters is judged anew, as far back as readings are kept
INSERT INTO metering.vee_due (channel, first_day, last_day)
SELECT digest.channel, greatest(min(digest.day), max(kept.day)), max(digest.day)
FROM metering.channel_digest AS digest
CROSS JOIN (SELECT CASE WHEN isfinite(raw_kept_since) THEN raw_kept_since::date + 2 ELSE '2000-01-02' END AS day
            FROM metering.retention) AS kept
WHERE digest.channel IN (
    SELECT part.whole FROM metering.channel_part AS part
    JOIN metering.channel ON channel.channel = part.part JOIN metering.meter USING (meter)
    WHERE part.kind = 'child' AND meter.medium = 'charger')
GROUP BY digest.channel
HAVING greatest(min(digest.day), max(kept.day)) <= max(digest.day);

-- name: storage_left
-- What `meterwarden storage` should have done: the end of the oldest chunk that is old enough for the columnstore and not in it, and
-- of the oldest chunk of readings that is too old. NULL: none. Only the community edition has a columnstore.
SELECT min(range_end) FILTER (
           WHERE range_end <= %(columnstore_before)s AND NOT is_compressed AND current_setting('timescaledb.license') = 'timescale'
       ),
       min(range_end) FILTER (WHERE range_end <= %(readings_before)s AND hypertable_name = 'reading')
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'metering' AND hypertable_name IN ('reading', 'consumption_hour');
